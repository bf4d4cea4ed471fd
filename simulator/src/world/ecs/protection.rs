//! The protection of tasks against scale-in.

use super::{
    super::{ApiError, Failure, ProtectedTask, Response, Task, World},
    MAX_DESCRIBED, bare, check_count,
};

impl World {
    pub(super) fn task_protection(&self, cluster: &str, ids: &[String]) -> Result<Response, ApiError> {
        let (mut protected_tasks, mut failures) = (Vec::new(), Vec::new());
        if ids.is_empty() {
            // ECS API reference, GetTaskProtection: tasks is not required; what comes without is not said.
            let protected = (self.tasks.values())
                .filter(|task| task.cluster == cluster)
                .map(|task| self.protection(task))
                .filter(|task| task.protection_enabled);
            protected_tasks.extend(protected);
            return Ok(Response::TaskProtection { protected_tasks, failures });
        }
        check_count(ids, MAX_DESCRIBED, "Tasks")?;
        for id in ids {
            let id = bare(id, "task", cluster)?;
            match self.task_in(cluster, id) {
                None => failures.push(self.missing("task", cluster, id)),
                // ECS developer guide, "API failure reasons": only tasks of a service can be protected.
                Some(task) if task.service().is_none() => {
                    failures.push(Failure { arn: task.arn.clone(), reason: "TASK_NOT_VALID".to_owned() });
                }
                Some(task) => protected_tasks.push(self.protection(task)),
            }
        }
        Ok(Response::TaskProtection { protected_tasks, failures })
    }

    fn protection(&self, task: &Task) -> ProtectedTask {
        let expiration_date = task.protected_until(self.now);
        ProtectedTask { task_arn: task.arn.clone(), protection_enabled: expiration_date.is_some(), expiration_date }
    }
}
