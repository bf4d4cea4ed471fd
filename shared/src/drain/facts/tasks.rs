//! The tasks of one host: whole, as long as they run, and hardly more than counted once they have stopped.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::aws::Task;
use crate::ids::{TaskArn, TaskId};

/// What begins the `stoppedReason` of each task that a drainer told to stop.
pub const STOP_REASON: &str = "ecs-drainer: ";

/// All that people are told of a task that has stopped. STOPPED is final, so that nothing of it is read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// When; the calendar's start where ECS does not say.
    pub at: Timestamp,
    /// Whether a drainer told it to.
    pub was_told_to: bool,
}

impl Ended {
    /// How a task that has stopped did.
    #[must_use]
    pub fn of(task: &Task) -> Self {
        Self {
            at: task.stopped_at.unwrap_or(Timestamp::MIN),
            was_told_to: task.stopped_reason.starts_with(STOP_REASON),
        }
    }
}

/// What a whole read named of one host's tasks.
#[derive(Debug, Clone, Default)]
pub struct Named {
    /// Those that had not stopped.
    pub unstopped: BTreeMap<TaskArn, Task>,
    /// Those that had.
    pub stopped: BTreeMap<TaskId, Ended>,
    /// Whether one of them is a task of ECS Managed Instances.
    pub is_managed: bool,
}

impl Named {
    /// It named this one, too.
    pub fn add(&mut self, task: Task) {
        self.is_managed |= task.is_managed;
        if task.is_stopped() {
            self.stopped.insert(TaskId::from(&task.arn), Ended::of(&task));
        } else {
            self.unstopped.insert(task.arn.clone(), task);
        }
    }
}

impl FromIterator<(TaskArn, Task)> for Named {
    fn from_iter<I: IntoIterator<Item = (TaskArn, Task)>>(each: I) -> Self {
        let mut named = Self::default();
        each.into_iter().for_each(|(_, task)| named.add(task));
        named
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drain::fixtures::{at, task};

    #[test]
    fn of_a_task_that_has_stopped_a_few_bytes_are_kept() {
        let told = Task {
            stopped_at: Some(at(5)),
            stopped_reason: format!("{STOP_REASON}its host goes"),
            ..task("0123456789abcdef0123456789abcdef", "STOPPED", "STOPPED")
        };
        let by_itself = task("b", "DELETED", "STOPPED");
        let runs = task("c", "RUNNING", "RUNNING");
        let mut named = Named::default();
        [&told, &by_itself, &runs].iter().for_each(|task| named.add((*task).clone()));
        assert_eq!(named.unstopped.into_values().collect::<Vec<_>>(), [runs]);
        let ended = |task: &Task| named.stopped.get(&TaskId::from(&task.arn)).copied();
        assert_eq!(ended(&told), Some(Ended { at: at(5), was_told_to: true }));
        assert_eq!(ended(&by_itself), Some(Ended { at: Timestamp::MIN, was_told_to: false }));
        assert!(size_of::<(TaskId, Ended)>() <= 48, "100,000 of them in some 5 MB, less than a tenth of the tasks");
    }
}
