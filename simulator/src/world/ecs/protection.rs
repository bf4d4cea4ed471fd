//! The protection of tasks against scale-in.

use super::{
    super::{
        error::ApiError,
        present::Present,
        response::{Failure, ProtectedTask, Response},
        task::Task,
    },
    Ecs,
    ids::{MAX_DESCRIBED, bare, check_count},
};

impl Ecs {
    pub(crate) fn task_protection(
        &self,
        present: &Present,
        cluster: &str,
        ids: &[String],
    ) -> Result<Response, ApiError> {
        let (mut protected_tasks, mut failures) = (Vec::new(), Vec::new());
        if ids.is_empty() {
            // ECS API reference, GetTaskProtection: tasks is not required; what comes without is not said.
            let protected = (self.tasks.values())
                .filter(|task| task.cluster == cluster)
                .map(|task| self.protection(present, task))
                .filter(|task| task.protection_enabled);
            protected_tasks.extend(protected);
            return Ok(Response::TaskProtection { protected_tasks, failures });
        }
        check_count(ids, MAX_DESCRIBED, "Tasks")?;
        for id in ids {
            let id = bare(id, "task", cluster)?;
            match self.task_in(present, cluster, id) {
                None => failures.push(self.missing(present, "task", cluster, id)),
                // ECS developer guide, "API failure reasons": only tasks of a service can be protected.
                Some(task) if task.service().is_none() => {
                    failures.push(Failure { arn: task.arn.clone(), reason: "TASK_NOT_VALID".to_owned() });
                }
                Some(task) => protected_tasks.push(self.protection(present, task)),
            }
        }
        Ok(Response::TaskProtection { protected_tasks, failures })
    }

    fn protection(&self, present: &Present, task: &Task) -> ProtectedTask {
        let expiration_date = task.protected_until(present.now);
        ProtectedTask { task_arn: task.arn.clone(), protection_enabled: expiration_date.is_some(), expiration_date }
    }
}
