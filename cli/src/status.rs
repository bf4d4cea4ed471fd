//! `status` and `watch`: what drains, once or live.

use std::time::Duration;

use console::style;
use jiff::Timestamp;
use serde::Serialize;
use shared::clock::{Clock, after};
use shared::config::Config;
use shared::drain::remembered::Remembered;
use shared::drain::reports::standing::Standing;
use shared::drain::{Budget, Context};
use shared::ids::ClusterName;
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::account::Account;
use crate::end::End;
use crate::failure::Failure;
use crate::inventory::{Inventory, inventory};
use crate::screen::{self, Screen};
use crate::settings::{Settings, Source};
use crate::text::{ago, count, plain, time_of_day, wrapped};
use crate::view::picture;

/// How often the times in a live picture go on.
pub(crate) const REDRAW_EVERY: Duration = Duration::from_secs(1);
/// Looks that may fail one after another before `watch` ends: a minute's trouble, as it looks every five seconds.
const FAILED_LOOKS_MAX: u32 = 12;

/// What is written as JSON.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'a> {
    /// When AWS was asked.
    at: Timestamp,
    region: &'a str,
    /// Clusters that were looked at.
    clusters: usize,
    settings: &'a Source,
    drains: &'a [Standing],
    /// Why the newest look gave nothing: the rest is of an earlier one.
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<String>,
}

/// Where and how it is looked.
struct Eye<'a> {
    account: &'a Account,
    settings: &'a Settings,
    config: Config,
    only: Option<ClusterName>,
    remembered: Remembered,
    rng: fastrand::Rng,
}

/// What was seen, and when.
struct Seen {
    at: Timestamp,
    inventory: Inventory,
    /// Why the newest look gave nothing.
    failure: Option<Failure>,
}

impl<'a> Eye<'a> {
    fn new(account: &'a Account, settings: &'a Settings, only: Option<ClusterName>) -> Self {
        let clusters = only.clone().map_or_else(|| settings.config.clusters.clone(), |only| vec![only]);
        let config = Config { clusters, ..settings.config.clone() };
        let (remembered, rng) = (Remembered::default(), fastrand::Rng::new());
        Self { account, settings, config, only, remembered, rng }
    }

    async fn look(&mut self) -> Result<Seen, Failure> {
        // A clock for each: the machine may have slept.
        let clock = Clock::system();
        let context = Context {
            calls: &self.account.calls,
            config: &self.config,
            remembered: &self.remembered,
            clock,
            budget: Budget::endless(),
        };
        let inventory = inventory(self.account, &context, self.only.as_ref(), &mut self.rng).await?;
        Ok(Seen { at: clock.now(), inventory, failure: None })
    }

    fn write(&self, seen: &Seen) -> Result<(), Failure> {
        screen::json(&Document {
            at: seen.at,
            region: &self.account.region,
            clusters: seen.inventory.clusters,
            settings: &self.settings.source,
            drains: &seen.inventory.standings,
            failure: seen.failure.as_ref().map(ToString::to_string),
        })
    }

    fn lines(&self, seen: &Seen, now: Timestamp, width: usize) -> Vec<String> {
        let Inventory { standings, clusters } = &seen.inventory;
        let mut lines = picture(standings, now, width);
        if standings.is_empty() {
            lines.extend(wrapped("", &self.where_it_looked(*clusters), width));
        }
        let matters = standings.is_empty() || standings.iter().any(|standing| standing.deadline.is_some());
        if let Some(why) = self.settings.source.why_defaults().filter(|_| matters) {
            let note = format!("Deadlines are those of the default settings, for {why}; --stack names another.");
            lines.push(String::new());
            lines.extend(wrapped("", &plain(&note), width));
        }
        if let Some(failure) = &seen.failure {
            let failed = style("This is old").red();
            let note = format!("{failed}, of {}: since then {}", ago(seen.at, now), plain(&failure.to_string()));
            lines.push(String::new());
            lines.extend(wrapped("", &note, width));
        }
        lines
    }

    fn where_it_looked(&self, clusters: usize) -> String {
        let (region, clusters) = (&self.account.region, count(clusters, "cluster"));
        match (&self.only, self.config.clusters.is_empty()) {
            (Some(only), _) => format!("Cluster {only} of region {region} was looked at."),
            (None, false) => {
                format!("{clusters} of region {region} were looked at, those that the installation watches.")
            }
            (None, true) => format!("Region {region} was looked at, with {clusters}."),
        }
    }
}

/// Shows what drains.
pub(crate) async fn status(
    account: &Account,
    stack: &str,
    only: Option<ClusterName>,
    json: bool,
) -> Result<End, Failure> {
    let settings = Settings::of_stack(account, stack).await?;
    let mut eye = Eye::new(account, &settings, only);
    let seen = eye.look().await?;
    if json {
        eye.write(&seen)?;
    } else {
        let mut screen = Screen::new();
        screen.write(&eye.lines(&seen, seen.at, screen.width()))?;
    }
    Ok(End::Done)
}

/// Shows what drains until nothing does. A look that fails is told of, and the next one follows.
pub(crate) async fn watch(
    account: &Account,
    stack: &str,
    only: Option<ClusterName>,
    every: Duration,
    json: bool,
) -> Result<End, Failure> {
    let settings = Settings::of_stack(account, stack).await?;
    let mut eye = Eye::new(account, &settings, only);
    let mut screen = Screen::new();
    let mut seen = eye.look().await?;
    let mut failed = 0;
    loop {
        let over = !seen.inventory.standings.iter().any(|standing| standing.is_open);
        if json {
            eye.write(&seen)?;
        } else if over || !screen.is_live() {
            let now = Clock::system().now();
            if !screen.is_live() {
                screen.write(&[format!("At {}:", time_of_day(now))])?;
            }
            screen.write(&eye.lines(&seen, now, screen.width()))?;
        }
        if over {
            return Ok(End::Done);
        }
        pause(&eye, &seen, every, &mut screen, json).await?;
        match eye.look().await {
            Ok(new) => (seen, failed) = (new, 0),
            Err(failure)
                if failed < FAILED_LOOKS_MAX && matches!(failure, Failure::NoAnswer { .. } | Failure::Refused(_)) =>
            {
                failed += 1;
                seen.failure = Some(failure);
            }
            Err(failure) => {
                screen.keep();
                return Err(failure);
            }
        }
    }
}

/// Waits, with a picture whose times go on.
async fn pause(eye: &Eye<'_>, seen: &Seen, every: Duration, screen: &mut Screen, json: bool) -> Result<(), Failure> {
    if json || !screen.is_live() {
        tokio::time::sleep(every).await;
        return Ok(());
    }
    let clock = Clock::system();
    let ends = clock.instant(after(clock.now(), every));
    let mut ticks = ticks(clock);
    while tokio::time::timeout_at(ends, ticks.tick()).await.is_ok() {
        let width = screen.width();
        let mut lines = eye.lines(seen, clock.now(), width);
        lines.push(String::new());
        let end = format!("{}; Ctrl-C ends the watch, and nothing else.", time_of_day(clock.now()));
        lines.extend(wrapped("", &end, width));
        screen.draw(&lines)?;
    }
    Ok(())
}

/// When a live picture is drawn again, beginning at once.
pub(crate) fn ticks(clock: Clock) -> tokio::time::Interval {
    let now: Instant = clock.instant(clock.now());
    let mut ticks = interval_at(now, REDRAW_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    ticks
}
