//! What proves that a host is empty, all of it: promise 1.
//!
//! Counts prove nothing, for they are desired state. Two whole reads of the host's tasks do: both begun while it was
//! DRAINING, far enough apart, the later one naming no task that the earlier one did not. A host that drains gets no new
//! task, and STOPPED is final, so that tasks may stop after the first of the two.

use std::time::Duration;

use jiff::Timestamp;

use crate::clock::{after, older_than};

/// What was seen of a host proves nothing when it is older than this: meanwhile an operator may have set it ACTIVE. Longer
/// than any look takes to come.
pub(crate) const SEEN_VALID_FOR: Duration = Duration::from_secs(30);
/// Lists may be older: a look tells whether the host is still DRAINING and empty, and one request for it serves a hundred
/// hosts. As long as a thousand completions take at the rate that is assumed of Auto Scaling (20 a second).
const LISTS_VALID_FOR: Duration = Duration::from_secs(60);

/// Whole reads of a registration's tasks, and how far they prove that there are no others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proof {
    read: WholeRead,
    /// When the first of an unbroken row of whole reads began: all while the instance was DRAINING, and none named a task
    /// that the one before had not.
    unbroken_since: Option<Timestamp>,
}

/// One read of every task, to the end of each list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WholeRead {
    /// When its first request was sent.
    pub began_at: Timestamp,
    /// When its last answer came.
    pub ended_at: Timestamp,
}

/// What the last look told of a registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// When.
    pub at: Timestamp,
    /// Whether it is DRAINING.
    pub is_draining: bool,
    /// Tasks that should run, as ECS counts them.
    pub counted: u32,
    /// Whether every task known of it is STOPPED.
    pub all_stopped: bool,
}

impl Proof {
    /// After the first whole read of a registration that has been DRAINING since `draining_since`, if it is.
    #[must_use]
    pub fn begun(read: WholeRead, draining_since: Option<Timestamp>) -> Self {
        let while_draining = draining_since.is_some_and(|since| since <= read.began_at);
        Self { read, unbroken_since: while_draining.then_some(read.began_at) }
    }

    /// After a further one, which named a task that this one had not, or none.
    #[must_use]
    pub fn followed_by(self, read: WholeRead, draining_since: Option<Timestamp>, names_another_task: bool) -> Self {
        let next = Self::begun(read, draining_since);
        let earlier = self.unbroken_since.filter(|_| !names_another_task);
        Self { unbroken_since: next.unbroken_since.map(|began_at| earlier.unwrap_or(began_at)), ..next }
    }

    /// After a look. The row begins anew where the host was open to new tasks, or where ECS counts more tasks than the
    /// `listed` ones that should run: then no list had one of them.
    #[must_use]
    pub fn looked(self, seen: Seen, listed: usize) -> Self {
        let is_complete = usize::try_from(seen.counted).is_ok_and(|counted| counted <= listed);
        Self { unbroken_since: self.unbroken_since.filter(|_| seen.is_draining && is_complete), ..self }
    }

    /// When the last whole read began.
    #[must_use]
    pub fn read_at(self) -> Timestamp {
        self.read.began_at
    }

    /// Whether it proves that the host is empty, by reads that are `apart` at least.
    #[must_use]
    pub fn stands(self, seen: Seen, apart: Duration, now: Timestamp) -> bool {
        seen.is_draining
            && seen.counted == 0
            && seen.all_stopped
            && self.unbroken_since.is_some_and(|since| after(since, apart) <= self.read.began_at)
            && !older_than(self.read.ended_at, LISTS_VALID_FOR, now)
            && !older_than(seen.at, SEEN_VALID_FOR, now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const APART: Duration = Duration::from_secs(2);

    fn at(seconds: u64) -> Timestamp {
        after("2026-01-15T20:00:00Z".parse().unwrap(), Duration::from_secs(seconds))
    }

    /// A read that takes a second.
    fn read(began: u64) -> WholeRead {
        WholeRead { began_at: at(began), ended_at: at(began + 1) }
    }

    fn seen(seconds: u64) -> Seen {
        Seen { at: at(seconds), is_draining: true, counted: 0, all_stopped: true }
    }

    /// Reads at 10 s and at 12 s, of a host that drains from 5 s on.
    fn proof() -> Proof {
        Proof::begun(read(10), Some(at(5))).followed_by(read(12), Some(at(5)), false)
    }

    #[test]
    fn two_whole_reads_far_enough_apart_prove_it_and_one_does_not() {
        assert!(proof().stands(seen(13), APART, at(13)));
        assert_eq!(proof().read_at(), at(12));
        assert!(!Proof::begun(read(10), Some(at(5))).stands(seen(13), APART, at(13)), "lists lag");
        let too_soon = Proof::begun(read(10), Some(at(5))).followed_by(read(11), Some(at(5)), false);
        assert!(!too_soon.stands(seen(13), APART, at(13)), "lists that lag may both lack the same task");
        let third = too_soon.followed_by(read(12), Some(at(5)), false);
        assert!(third.stands(seen(13), APART, at(13)), "the row goes on");
    }

    #[test]
    fn a_task_that_appears_begins_the_row_anew() {
        let appeared = proof().followed_by(read(20), Some(at(5)), true);
        assert!(!appeared.stands(seen(21), APART, at(21)), "the lists before lacked it");
        let again = appeared.followed_by(read(22), Some(at(5)), false);
        assert!(again.stands(seen(23), APART, at(23)));
    }

    #[test]
    fn a_read_from_before_draining_proves_nothing() {
        for since in [None, Some(at(11))] {
            let early = Proof::begun(read(10), since).followed_by(read(12), since, false);
            assert!(!early.stands(seen(13), APART, at(13)), "{since:?}");
        }
        let late = Proof::begun(read(10), Some(at(11))).followed_by(read(12), Some(at(11)), false);
        assert!(late.followed_by(read(14), Some(at(11)), false).stands(seen(15), APART, at(15)));
        let at_once = Proof::begun(read(10), Some(at(10))).followed_by(read(12), Some(at(10)), false);
        assert!(at_once.stands(seen(13), APART, at(13)), "DRAINING was seen before the read began");
    }

    #[test]
    fn a_count_above_what_was_listed_or_active_between_two_reads_begins_the_row_anew() {
        let closed = Seen { counted: 2, ..seen(13) };
        assert!(proof().looked(closed, 2).stands(seen(13), APART, at(13)), "all that is counted was listed");
        assert!(proof().looked(closed, 3).stands(seen(13), APART, at(13)), "one was told to stop since");
        for doubted in [proof().looked(closed, 1), proof().looked(Seen { is_draining: false, ..seen(13) }, 0)] {
            assert!(!doubted.stands(seen(13), APART, at(13)));
            assert_eq!(doubted.read_at(), at(12), "the read keeps its time");
            assert!(!doubted.followed_by(read(20), Some(at(5)), false).stands(seen(21), APART, at(21)));
        }
    }

    #[test]
    fn a_count_a_status_or_a_task_that_runs_is_doubt_enough() {
        let stands = |seen: Seen| proof().stands(seen, APART, at(13));
        assert!(stands(seen(13)));
        assert!(!stands(Seen { is_draining: false, ..seen(13) }));
        assert!(!stands(Seen { counted: 1, ..seen(13) }));
        assert!(!stands(Seen { all_stopped: false, ..seen(13) }));
    }

    #[test]
    fn proof_grows_old() {
        assert!(proof().stands(seen(73), APART, at(73)), "the lists ended 60 s ago");
        assert!(!proof().stands(seen(74), APART, at(74)));
        assert!(proof().stands(seen(13), APART, at(43)));
        assert!(!proof().stands(seen(13), APART, at(44)), "an operator may have set it ACTIVE since");
    }
}
