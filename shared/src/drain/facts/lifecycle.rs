//! Auto Scaling's lifecycle states, and what each means to a drain.

use crate::drain::facts::departure::{Cause, Destination};

/// What a lifecycle state means to a drain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// The instance waits on a termination hook, on its way to there.
    Waits(Destination),
    /// It waits in its warm pool on a hook: of a return, which is a termination, or of a launch. The state does not tell.
    WaitsInWarmPool,
    /// A termination begins, and does not wait yet.
    Begins,
    /// No lifecycle action holds it any more.
    Over,
    /// Its group keeps it running after an ABANDON. No lifecycle action holds it.
    Retained,
    /// No termination is under way.
    Stays,
}

/// Every state there is (Auto Scaling user guide, instance lifecycle, warm pool lifecycle and root volume replacement).
pub const STATES: [(&str, Meaning); 30] = [
    ("Pending", Meaning::Stays),
    ("Pending:Wait", Meaning::Stays),
    ("Pending:Proceed", Meaning::Stays),
    ("Quarantined", Meaning::Stays),
    ("InService", Meaning::Stays),
    ("EnteringStandby", Meaning::Stays),
    ("Standby", Meaning::Stays),
    ("Detaching", Meaning::Over),
    ("Detached", Meaning::Over),
    ("Terminating", Meaning::Begins),
    ("Terminating:Wait", Meaning::Waits(Destination::Ec2)),
    ("Terminating:Proceed", Meaning::Over),
    ("Terminating:Retained", Meaning::Retained),
    ("Terminated", Meaning::Over),
    ("ReplacingRootVolume", Meaning::Begins),
    ("ReplacingRootVolume:Wait", Meaning::Waits(Destination::AutoScalingGroup)),
    ("ReplacingRootVolume:Proceed", Meaning::Over),
    ("RootVolumeReplaced", Meaning::Over),
    ("Warmed:Pending", Meaning::Stays),
    ("Warmed:Pending:Wait", Meaning::WaitsInWarmPool),
    ("Warmed:Pending:Proceed", Meaning::Over),
    ("Warmed:Pending:Retained", Meaning::Retained),
    ("Warmed:Running", Meaning::Stays),
    ("Warmed:Stopped", Meaning::Stays),
    ("Warmed:Hibernated", Meaning::Stays),
    ("Warmed:Terminating", Meaning::Begins),
    ("Warmed:Terminating:Wait", Meaning::Waits(Destination::Ec2)),
    ("Warmed:Terminating:Proceed", Meaning::Over),
    ("Warmed:Terminating:Retained", Meaning::Retained),
    ("Warmed:Terminated", Meaning::Over),
];

/// What `state` means; one that AWS adds is no termination that we know.
#[must_use]
pub fn meaning(state: &str) -> Meaning {
    STATES.iter().find(|(name, _)| *name == state).map_or(Meaning::Stays, |(_, meaning)| *meaning)
}

/// Whether an instance in `state` waits on a termination hook, given why it leaves.
#[must_use]
pub fn waits(state: &str, cause: Cause) -> bool {
    match meaning(state) {
        Meaning::Waits(_) => true,
        Meaning::WaitsInWarmPool => matches!(cause, Cause::Termination { to: Destination::WarmPool }),
        Meaning::Begins | Meaning::Over | Meaning::Retained | Meaning::Stays => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_state_stands_once_and_those_that_wait_are_the_documented_ones() {
        for (n, (state, _)) in STATES.iter().enumerate() {
            assert!(STATES.iter().skip(n + 1).all(|(other, _)| other != state), "{state} stands twice");
        }
        let waiting = |to| {
            let states = STATES.iter().filter(move |(state, _)| waits(state, Cause::Termination { to }));
            states.map(|(state, _)| *state).collect::<Vec<_>>()
        };
        let always = ["Terminating:Wait", "ReplacingRootVolume:Wait", "Warmed:Terminating:Wait"];
        assert_eq!(waiting(Destination::Ec2), always);
        assert_eq!(waiting(Destination::AutoScalingGroup), always);
        let [ended, replaced, warm] = always;
        assert_eq!(waiting(Destination::WarmPool), [ended, replaced, "Warmed:Pending:Wait", warm]);
        assert_eq!(meaning("Something:New"), Meaning::Stays);
    }
}
