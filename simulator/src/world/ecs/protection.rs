//! The protection of tasks against scale-in.

use super::{
    Ecs,
    ids::{MAX_DESCRIBED, check_count, each},
};
use crate::world::terms::{ApiError, Failure, Present, ProtectedTask, Response, Task};

impl Ecs {
    pub(crate) fn task_protection(
        &self,
        present: &Present,
        cluster: &str,
        ids: &[String],
    ) -> Result<Response, ApiError> {
        if ids.is_empty() {
            // ECS API reference, GetTaskProtection: tasks is not required; what comes without is not said.
            let protected_tasks = (self.tasks.values())
                .filter(|task| task.cluster == cluster)
                .map(|task| protection(present, task))
                .filter(|task| task.protection_enabled)
                .collect();
            return Ok(Response::TaskProtection { protected_tasks, failures: Vec::new() });
        }
        check_count(ids, MAX_DESCRIBED, "Tasks")?;
        let find = |id| match self.task_in(present.now, cluster, id)? {
            // ECS developer guide, "API failure reasons": only tasks of a service can be protected.
            task if task.service().is_none() => {
                Some(Err(Failure { arn: task.arn.clone(), reason: "TASK_NOT_VALID".to_owned() }))
            }
            task => Some(Ok(protection(present, task))),
        };
        let (protected_tasks, failures) = each(present, cluster, "task", ids, find)?;
        Ok(Response::TaskProtection { protected_tasks, failures })
    }
}

fn protection(present: &Present, task: &Task) -> ProtectedTask {
    let expiration_date = task.protected_until(present.now);
    ProtectedTask { task_arn: task.arn.clone(), protection_enabled: expiration_date.is_some(), expiration_date }
}
