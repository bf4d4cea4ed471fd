//! The little that must be remembered between invocations, as custom attributes of the container instance.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::departure::NoticedBy;
use super::known::{Known, Registration};
use crate::aws::InstanceStatus;
use crate::clock;
use crate::ids::{ClusterName, ContainerInstanceArn};

/// When the drain began.
pub const DRAIN_STARTED_AT: &str = "ecs-drainer.drain-started-at";
/// Since when the agent has been disconnected.
pub const AGENT_LOST_AT: &str = "ecs-drainer.agent-lost-at";
/// When our hook was completed, though the instance still waits on somebody else's.
pub const RELEASED_AT: &str = "ecs-drainer.released-at";

/// How long `released-at` counts. Nobody may overwrite it where the host came back by ways we do not know, so that a
/// completion is tried once more after this; it does no harm where the hook is over.
const RELEASED_VALID_FOR: Duration = Duration::from_secs(3600);
/// No drain lasts longer: AWS ends a lifecycle action after 48 h (Auto Scaling user guide). What is older was left by another.
const VALID_FOR: Duration = Duration::from_secs(48 * 3600);
/// Times are written without what is shorter.
const WRITTEN_TO: Duration = Duration::from_millis(1);
/// What another environment's clock may be ahead.
const CLOCK_SKEW: Duration = Duration::from_secs(60);

/// Our attributes of one container instance.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attributes(BTreeMap<&'static str, String>);

/// What to write of our attributes of one container instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AttributeChanges {
    /// In which cluster.
    pub cluster: ClusterName,
    /// On what.
    pub target: ContainerInstanceArn,
    /// Names and new values.
    pub put: Vec<(&'static str, String)>,
    /// Names.
    pub delete: Vec<&'static str>,
}

/// At what point of a drain attributes are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occasion {
    /// While it goes on: only what another drain left is mended.
    Meanwhile,
    /// The next invocation must know what this one saw.
    HandOver,
}

impl Attributes {
    /// Picks ours out of all.
    #[must_use]
    pub fn read(all: &BTreeMap<String, String>) -> Self {
        let ours = [DRAIN_STARTED_AT, AGENT_LOST_AT, RELEASED_AT];
        Self(ours.into_iter().filter_map(|name| Some((name, all.get(name)?.clone()))).collect())
    }

    /// When the drain began, if that can be believed at `now`.
    #[must_use]
    pub fn drain_started_at(&self, now: Timestamp) -> Option<Timestamp> {
        self.time(DRAIN_STARTED_AT, now)
    }

    /// Since when the agent has been lost, if that can be believed at `now`.
    #[must_use]
    pub fn agent_lost_at(&self, now: Timestamp) -> Option<Timestamp> {
        self.time(AGENT_LOST_AT, now)
    }

    /// Whether our hook was completed in the drain that still goes on at `now`.
    #[must_use]
    pub fn is_released(&self, now: Timestamp) -> bool {
        let released = self.time(RELEASED_AT, now).filter(|at| clock::between(*at, now) < RELEASED_VALID_FOR);
        released.is_some_and(|released| self.drain_started_at(now).is_none_or(|started| started <= released))
    }

    fn time(&self, name: &str, now: Timestamp) -> Option<Timestamp> {
        let time: Timestamp = self.0.get(name)?.parse().ok()?;
        (clock::before(now, VALID_FOR)..=clock::after(now, CLOCK_SKEW)).contains(&time).then_some(time)
    }

    /// Takes in changes that were written.
    pub fn apply(&mut self, changes: &AttributeChanges) {
        self.0.extend(changes.put.iter().cloned());
        self.0.retain(|name, _| !changes.delete.contains(name));
    }
}

/// What should be written, for each registration that needs it. Empty while nothing is.
#[must_use]
pub fn changes(known: &Known, occasion: Occasion) -> Vec<AttributeChanges> {
    let needed = |registration: &Registration| {
        let changes = changes_of(known, registration, occasion);
        (!changes.put.is_empty() || !changes.delete.is_empty()).then_some(changes)
    };
    known.registrations.iter().filter_map(needed).collect()
}

fn changes_of(known: &Known, registration: &Registration, occasion: Occasion) -> AttributeChanges {
    let stands = |name: &str| registration.attributes.0.get(name);
    if registration.status == InstanceStatus::Active {
        // Another drain's, which must not be taken for the one about to begin, whoever goes on with that.
        let old = [DRAIN_STARTED_AT, AGENT_LOST_AT, RELEASED_AT].into_iter().filter(|name| stands(name).is_some());
        return of(registration, Vec::new(), old.collect());
    }
    let mut put = Vec::new();
    let mut want = |name: &'static str, time: Option<Timestamp>| {
        let Some(value) = time.map(written) else { return };
        // An event's drain is mostly over before anybody would read it; one that a scan found is not.
        // What Spot takes goes by the notice's time, wherever its drain began.
        let lasting = known.departure.cause.is_held()
            && (occasion == Occasion::HandOver || known.departure.noticed_by == NoticedBy::Scan);
        let needed = lasting || stands(name).is_some();
        // What somebody else wrote since we met it ACTIVE is of this drain, and as good as ours.
        let stands = registration.attributes.time(name, registration.read_at);
        let good =
            stands.is_some_and(|stands| !registration.was_active || stands >= clock::before(known.met_at, WRITTEN_TO));
        if needed && !good {
            put.push((name, value));
        }
    };
    want(DRAIN_STARTED_AT, known.started_at);
    want(AGENT_LOST_AT, registration.agent_lost_at);
    let reconnected = registration.agent_lost_at.is_none() && stands(AGENT_LOST_AT).is_some();
    of(registration, put, if reconnected { vec![AGENT_LOST_AT] } else { Vec::new() })
}

fn of(registration: &Registration, put: Vec<(&'static str, String)>, delete: Vec<&'static str>) -> AttributeChanges {
    AttributeChanges { cluster: registration.cluster.clone(), target: registration.arn.clone(), put, delete }
}

/// What to write when our hook is done but another's still holds the instance.
#[must_use]
pub fn released(known: &Known, now: Timestamp) -> Vec<AttributeChanges> {
    known.registrations.iter().map(|r| of(r, vec![(RELEASED_AT, written(now))], Vec::new())).collect()
}

/// UTC with `Z`, to the millisecond: `+` is not allowed in a value (ECS API reference, Attribute).
fn written(time: Timestamp) -> String {
    format!("{time:.3}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::aws::ContainerInstance;
    use crate::drain::departure::Departure;
    use crate::drain::known::Place;
    use crate::ids::InstanceId;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    /// DRAINING since 20:00, seen at 20:00.
    fn draining(agent_connected: bool, attributes: &[(&str, &str)]) -> Known {
        let instance = InstanceId::parse("i-1234567890abcdef0").unwrap();
        let now = at("2026-01-15T20:00:00.1234567Z");
        let mut known = Known::new(Departure::of_termination(instance, NoticedBy::Event), now);
        let found = ContainerInstance {
            arn: "arn:1".into(),
            instance: None,
            status: InstanceStatus::Draining,
            agent_connected,
            running_tasks: 1,
            pending_tasks: 0,
            attributes: attributes.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect(),
        };
        let prod = ClusterName::parse("prod").unwrap();
        known.learn_place(Place::Registered, vec![Registration::new(prod, &found, now)], now);
        known
    }

    fn put(known: &Known, occasion: Occasion) -> Vec<(&'static str, String)> {
        changes(known, occasion).into_iter().flat_map(|changes| changes.put).collect()
    }

    #[test]
    fn the_start_is_written_at_hand_over_and_only_once() {
        let mut known = draining(true, &[]);
        assert_eq!(put(&known, Occasion::Meanwhile), []);
        let written = put(&known, Occasion::HandOver);
        assert_eq!(written, [(DRAIN_STARTED_AT, "2026-01-15T20:00:00.123Z".to_owned())]);
        let changes = changes(&known, Occasion::HandOver);
        known.registrations[0].attributes.apply(&changes[0]);
        assert_eq!(put(&known, Occasion::HandOver), []);
        let later = draining(true, &[(DRAIN_STARTED_AT, "2026-01-15T19:30:00Z")]);
        assert_eq!(put(&later, Occasion::HandOver), [], "what another invocation wrote stands");
        assert_eq!(later.started(), at("2026-01-15T19:30:00Z"));
    }

    #[test]
    fn a_start_that_cannot_be_believed_is_overwritten() {
        let known = draining(true, &[(DRAIN_STARTED_AT, "2026-01-13T19:00:00Z")]);
        assert_eq!(put(&known, Occasion::Meanwhile), [(DRAIN_STARTED_AT, "2026-01-15T20:00:00.123Z".to_owned())]);
    }

    #[test]
    fn what_was_written_of_this_drain_stands_whoever_wrote_it_and_what_is_older_does_not() {
        let mut known = draining(true, &[(DRAIN_STARTED_AT, "2026-01-15T20:00:00.123Z")]);
        known.registrations[0].was_active = true;
        assert_eq!(put(&known, Occasion::HandOver), [], "it was written to the millisecond when we met it");
        let mut known = draining(true, &[(DRAIN_STARTED_AT, "2026-01-15T20:00:07Z")]);
        known.registrations[0].was_active = true;
        assert_eq!(put(&known, Occasion::HandOver), [], "by another invocation, a little later");
        let mut known = draining(true, &[(DRAIN_STARTED_AT, "2026-01-15T19:59:59Z")]);
        known.registrations[0].was_active = true;
        assert_eq!(put(&known, Occasion::Meanwhile).len(), 1, "of a drain before this one");
    }

    #[test]
    fn a_lost_agent_is_remembered_and_one_that_is_back_forgotten() {
        let lost = draining(false, &[]);
        assert!(put(&lost, Occasion::HandOver).iter().any(|(name, _)| *name == AGENT_LOST_AT));
        let back = draining(true, &[(AGENT_LOST_AT, "2026-01-15T19:50:00Z")]);
        assert_eq!(changes(&back, Occasion::Meanwhile)[0].delete, [AGENT_LOST_AT]);
    }

    #[test]
    fn values_hold_only_what_ecs_allows() {
        // ECS API reference, Attribute: letters, digits, and - _ . / \ @ : space.
        let value = written(at("2026-01-15T20:00:00.1Z"));
        assert!(value.chars().all(|c| c.is_ascii_alphanumeric() || "-_./\\@: ".contains(c)), "{value}");
        assert!(value.len() <= 128);
    }
}
