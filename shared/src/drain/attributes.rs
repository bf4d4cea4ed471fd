//! The little that must be remembered between invocations, as custom attributes of the container instance.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::departure::{Cause, NoticedBy};
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
/// Since when a person has been draining it by hand. Told apart from the drainer's own start: a host that is terminated at
/// the end of a long maintenance has all its time for that.
pub const MAINTENANCE_SINCE: &str = "ecs-drainer.maintenance-since";

/// Every attribute that is ours.
pub const OURS: [&str; 4] = [DRAIN_STARTED_AT, AGENT_LOST_AT, RELEASED_AT, MAINTENANCE_SINCE];

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
        Self(OURS.into_iter().filter_map(|name| Some((name, all.get(name)?.clone()))).collect())
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

    /// Since when a person has been draining it, however long ago that is.
    #[must_use]
    pub fn maintenance_since(&self) -> Option<Timestamp> {
        self.0.get(MAINTENANCE_SINCE)?.parse().ok()
    }

    /// Whether our hook was completed in the drain that still goes on at `now`.
    #[must_use]
    pub fn is_released(&self, now: Timestamp) -> bool {
        let released = self.time(RELEASED_AT, now).filter(|at| clock::between(*at, now) < RELEASED_VALID_FOR);
        released.is_some_and(|released| self.drain_started_at(now).is_none_or(|started| started <= released))
    }

    /// The names of those that it has.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.0.keys().copied()
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
        // Another drain's, which must not be taken for the one about to begin, whoever goes on with that. Nobody goes by since
        // when a person drained it.
        let old = registration.attributes.names().filter(|name| *name != MAINTENANCE_SINCE);
        return of(registration, Vec::new(), old.collect());
    }
    if known.departure.cause == Cause::Maintenance {
        let is_new =
            |value: &String| stands(MAINTENANCE_SINCE).is_none_or(|stands| registration.was_active && stands != value);
        let since = known.started_at.map(written).filter(is_new);
        // What could not be deleted before would cut a later termination short.
        let of_before = |name: &&str| {
            let time = registration.attributes.0.get(*name).and_then(|text| text.parse().ok());
            *name != MAINTENANCE_SINCE
                && registration.was_active
                && time.is_none_or(|time: Timestamp| time < known.met_at)
        };
        let old = registration.attributes.names().filter(of_before);
        return of(registration, since.map(|since| (MAINTENANCE_SINCE, since)).into_iter().collect(), old.collect());
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
    let over = registration.was_active && stands(MAINTENANCE_SINCE).is_some();
    let delete = [(AGENT_LOST_AT, reconnected), (MAINTENANCE_SINCE, over)];
    of(registration, put, delete.into_iter().filter(|(_, due)| *due).map(|(name, _)| name).collect())
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
    fn a_drain_by_hand_is_written_down_as_such_once_and_leaves_the_drainers_own_alone() {
        let by_hand = |attributes: &[(&str, &str)]| {
            let mut known = draining(true, attributes);
            known.departure.cause = Cause::Maintenance;
            known.departure.noticed_by = NoticedBy::Person;
            known
        };
        let written = (MAINTENANCE_SINCE, "2026-01-15T20:00:00.123Z".to_owned());
        for occasion in [Occasion::Meanwhile, Occasion::HandOver] {
            assert_eq!(put(&by_hand(&[]), occasion), std::slice::from_ref(&written));
        }
        let days_ago =
            by_hand(&[(MAINTENANCE_SINCE, "2026-01-10T20:00:00Z"), (DRAIN_STARTED_AT, "2026-01-15T19:00:00Z")]);
        assert_eq!(changes(&days_ago, Occasion::Meanwhile), [], "who began it stands, however long ago");
        let mut anew = by_hand(&[(MAINTENANCE_SINCE, "2026-01-10T20:00:00Z")]);
        anew.registrations[0].was_active = true;
        assert_eq!(put(&anew, Occasion::Meanwhile), std::slice::from_ref(&written), "an older one's is overwritten");
        let left = by_hand(&[(MAINTENANCE_SINCE, &written.1), (DRAIN_STARTED_AT, "2026-01-15T19:00:00Z")]);
        assert_eq!(changes(&left, Occasion::Meanwhile), [], "of a termination under way");
        let mut left = left;
        left.registrations[0].was_active = true;
        assert_eq!(changes(&left, Occasion::Meanwhile)[0].delete, [DRAIN_STARTED_AT], "it would cut a later one short");
        let mut active =
            by_hand(&[(MAINTENANCE_SINCE, "2026-01-10T20:00:00Z"), (DRAIN_STARTED_AT, "2026-01-15T19:00:00Z")]);
        active.registrations[0].status = InstanceStatus::Active;
        assert_eq!(changes(&active, Occasion::Meanwhile)[0].delete, [DRAIN_STARTED_AT], "DRAINING waits for no more");
        let mut closed = draining(true, &[(MAINTENANCE_SINCE, "2026-01-10T20:00:00Z")]);
        closed.registrations[0].was_active = true;
        assert_eq!(changes(&closed, Occasion::Meanwhile)[0].delete, [MAINTENANCE_SINCE], "deleted after it");
        let later = draining(true, &[(MAINTENANCE_SINCE, "2026-01-10T20:00:00Z")]);
        assert_eq!(changes(&later, Occasion::Meanwhile), [], "a termination does not touch it");
        assert_eq!(later.started(), at("2026-01-15T20:00:00.1234567Z"), "nor does it count from it");
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
