//! What proves that a host is empty, or in no cluster, all of it: promises 1 and 4.
//!
//! Counts prove nothing, for they are desired state, and ECS has been seen to leave one behind. Two whole reads of the
//! host's tasks do: both begun while it took no tasks, far enough apart, the later one naming no task that the earlier one
//! did not. A host that drains gets no new task, and STOPPED is final, so that tasks may stop after the first of the two.
//!
//! No setting weakens any of it: how often to look is a matter of pace, and proof is not.

use std::time::Duration;

use jiff::Timestamp;

use crate::clock::{after, older_than};

/// So long an answer of ECS may lag behind what is so, each answer by itself: of two that are so far apart, the later one
/// tells what the earlier one may have missed. ECS publishes no figure (ECS developer guide, eventual consistency); this
/// is several times the longest lag that was seen.
pub const SETTLES: Duration = Duration::from_secs(10);
/// A count of running tasks that no list bears out is believed for so long. AWS's lists may lag for five minutes at the
/// worst (EC2 API reference, eventual consistency), and a count that is never taken back must not hold a host for ever.
const COUNT_BELIEVED_FOR: Duration = Duration::from_secs(300);
/// What was seen of a host proves nothing when it is older than this: meanwhile an operator may have set it ACTIVE, and DRAINING
/// again. Longer than any look takes to come.
pub(crate) const SEEN_VALID_FOR: Duration = Duration::from_secs(30);
/// Lists may be older: a look tells whether the host is still DRAINING and empty, and one request for it serves a hundred
/// hosts. As long as a thousand completions take at the rate that is assumed of Auto Scaling (20 a second). They may be of
/// any age where the container instance has the version that it had before: nothing has changed since.
const LISTS_VALID_FOR: Duration = Duration::from_secs(60);

/// Whole reads of a registration's tasks, and how far they prove that there are no others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proof {
    read: WholeRead,
    /// When the first of an unbroken row of whole reads began: all while the instance took no tasks, and none named a task
    /// that the one before had not.
    unbroken_since: Option<Timestamp>,
}

/// One read of every task, to the end of each list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WholeRead {
    /// When its first request was sent.
    pub began_at: Timestamp,
    /// When the last page of its lists came.
    pub ended_at: Timestamp,
}

/// What the last look told of a registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// When.
    pub at: Timestamp,
    /// Whether it takes no tasks.
    pub closed: Closed,
    /// Tasks that should run, as ECS counts them. Those on their way there prove nothing at all.
    pub running: u32,
    /// Since when its version has been the same, if it has one. It rises with every change (ECS API reference, ContainerInstance;
    /// recorded for DRAINING).
    pub unchanged_since: Option<Timestamp>,
    /// Whether every task known of it is STOPPED.
    pub all_stopped: bool,
}

/// Whether a container instance takes no tasks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Closed {
    /// It is DRAINING, and stays so until an operator sets it ACTIVE.
    Draining,
    /// It is neither ACTIVE nor DRAINING, and may become ACTIVE by itself.
    ForNow,
    /// It is ACTIVE.
    Not,
}

impl Proof {
    /// After the first whole read of a registration that has taken no tasks since `closed_since`, if it takes none.
    #[must_use]
    pub fn begun(read: WholeRead, closed_since: Option<Timestamp>) -> Self {
        let while_closed = closed_since.is_some_and(|since| since <= read.began_at);
        Self { read, unbroken_since: while_closed.then_some(read.began_at) }
    }

    /// After a further one, which named a task that this one had not, or none.
    #[must_use]
    pub fn followed_by(self, read: WholeRead, closed_since: Option<Timestamp>, names_another_task: bool) -> Self {
        let next = Self::begun(read, closed_since);
        let earlier = self.unbroken_since.filter(|_| !names_another_task);
        Self { unbroken_since: next.unbroken_since.map(|began_at| earlier.unwrap_or(began_at)), ..next }
    }

    /// After a look. The row begins anew where the host was open to new tasks.
    #[must_use]
    pub fn looked(self, seen: Seen) -> Self {
        Self { unbroken_since: self.unbroken_since.filter(|_| seen.closed != Closed::Not), ..self }
    }

    /// When the last whole read began.
    #[must_use]
    pub fn read_at(self) -> Timestamp {
        self.read.began_at
    }

    /// When a further whole read may prove that the host is empty; none where the row has not begun.
    #[must_use]
    pub fn settles_at(self, seen: Seen) -> Option<Timestamp> {
        let apart = if seen.running == 0 { SETTLES } else { COUNT_BELIEVED_FOR };
        self.unbroken_since.map(|since| after(since, apart))
    }

    /// Whether it proves that the host is empty.
    #[must_use]
    pub fn stands(self, seen: Seen, now: Timestamp) -> bool {
        let is_closed = match seen.closed {
            Closed::Draining => true,
            // What comes in the meantime is seen as late as ECS tells of it.
            Closed::ForNow => seen.at >= self.read.ended_at && !older_than(seen.at, SETTLES, now),
            Closed::Not => false,
        };
        let is_unchanged = seen.unchanged_since.is_some_and(|since| since <= self.read.began_at);
        is_closed
            && seen.all_stopped
            && self.settles_at(seen).is_some_and(|settles_at| settles_at <= self.read.began_at)
            && (is_unchanged || !older_than(self.read.ended_at, LISTS_VALID_FOR, now))
            && !older_than(seen.at, SEEN_VALID_FOR, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Timestamp {
        after("2026-01-15T20:00:00Z".parse().unwrap(), Duration::from_secs(seconds))
    }

    /// A read that takes a second.
    fn read(began: u64) -> WholeRead {
        WholeRead { began_at: at(began), ended_at: at(began + 1) }
    }

    fn seen(seconds: u64) -> Seen {
        Seen { at: at(seconds), closed: Closed::Draining, running: 0, unchanged_since: None, all_stopped: true }
    }

    /// The first read at 10 s, of a host that drains from 5 s on.
    fn first() -> Proof {
        Proof::begun(read(10), Some(at(5)))
    }

    /// And one at 20 s.
    fn proof() -> Proof {
        first().followed_by(read(20), Some(at(5)), false)
    }

    #[test]
    fn two_whole_reads_far_enough_apart_prove_it_and_one_does_not() {
        assert!(proof().stands(seen(21), at(21)));
        assert_eq!((proof().read_at(), first().settles_at(seen(11))), (at(20), Some(at(20))));
        assert!(!first().stands(seen(21), at(21)), "lists lag");
        let too_soon = first().followed_by(read(19), Some(at(5)), false);
        assert!(!too_soon.stands(seen(20), at(20)), "lists that lag may both lack the same task");
        let third = too_soon.followed_by(read(20), Some(at(5)), false);
        assert!(third.stands(seen(21), at(21)), "the row goes on");
    }

    #[test]
    fn a_task_that_appears_begins_the_row_anew() {
        let appeared = proof().followed_by(read(30), Some(at(5)), true);
        assert!(!appeared.stands(seen(31), at(31)), "the lists before lacked it");
        let again = appeared.followed_by(read(40), Some(at(5)), false);
        assert!(again.stands(seen(41), at(41)));
    }

    #[test]
    fn a_read_from_before_it_was_closed_proves_nothing() {
        for since in [None, Some(at(11))] {
            let early = Proof::begun(read(10), since).followed_by(read(20), since, false);
            assert!(!early.stands(seen(21), at(21)), "{since:?}");
        }
        let late = Proof::begun(read(10), Some(at(11))).followed_by(read(20), Some(at(11)), false);
        assert!(late.followed_by(read(30), Some(at(11)), false).stands(seen(31), at(31)));
        let at_once = Proof::begun(read(10), Some(at(10))).followed_by(read(20), Some(at(10)), false);
        assert!(at_once.stands(seen(21), at(21)), "it was closed before the read began");
    }

    #[test]
    fn active_between_two_reads_begins_the_row_anew() {
        let open = proof().looked(Seen { closed: Closed::Not, ..seen(21) });
        assert!(!open.stands(seen(22), at(22)) && open.settles_at(seen(22)).is_none());
        assert_eq!(open.read_at(), at(20), "the read keeps its time");
        assert!(!open.followed_by(read(30), Some(at(25)), false).stands(seen(31), at(31)));
        assert!(proof().looked(seen(21)).stands(seen(22), at(22)));
    }

    #[test]
    fn a_status_or_a_task_that_runs_is_doubt_enough() {
        let stands = |seen: Seen| proof().stands(seen, at(22));
        assert!(stands(seen(22)));
        assert!(!stands(Seen { closed: Closed::Not, ..seen(22) }));
        assert!(!stands(Seen { all_stopped: false, ..seen(22) }));
    }

    #[test]
    fn what_may_become_active_by_itself_is_looked_at_after_the_last_read() {
        let stands = |seconds| proof().stands(Seen { closed: Closed::ForNow, ..seen(seconds) }, at(22));
        assert!(!stands(20) && stands(21));
        let later = |now| proof().stands(Seen { closed: Closed::ForNow, ..seen(21) }, at(now));
        assert!(later(31) && !later(32), "it may be ACTIVE by then");
    }

    #[test]
    fn a_count_that_no_list_bears_out_is_believed_for_five_minutes() {
        let counted = |seconds| Seen { running: 1, ..seen(seconds) };
        assert!(!proof().stands(counted(21), at(21)));
        let row = |last| proof().followed_by(read(last), Some(at(5)), false);
        assert!(!row(309).stands(counted(310), at(310)));
        assert!(row(310).stands(counted(311), at(311)));
    }

    #[test]
    fn proof_grows_old() {
        assert!(proof().stands(seen(81), at(81)), "the lists ended 60 s ago");
        assert!(!proof().stands(seen(82), at(82)));
        assert!(proof().stands(seen(21), at(51)));
        assert!(!proof().stands(seen(21), at(52)), "an operator may have set it ACTIVE since");
        let unchanged = |since, seen_at| Seen { unchanged_since: Some(at(since)), ..seen(seen_at) };
        assert!(proof().stands(unchanged(20, 3_600), at(3_600)), "nothing has changed since the lists");
        assert!(!proof().stands(unchanged(21, 3_600), at(3_600)), "it may have been ACTIVE before");
        assert!(!proof().stands(unchanged(20, 3_600), at(3_631)), "nor is it known what has changed since the look");
    }
}
