//! A listing of tasks that continues where it stopped: a page that fails, or a pause, costs no page that was read before.

use super::{CallError, Calls, DesiredStatus, Page};
use crate::ids::{ClusterName, ContainerInstanceArn, TaskArn};

/// Pages of one listing: those of a million tasks, which is two hundred on each of the 5,000 hosts that a cluster may have
/// (ECS service quotas). A listing that goes on longer is broken.
const TASK_PAGES_MAX: usize = 10_000;

/// How far every task of a container instance or of a whole cluster was listed: desired RUNNING first, then desired STOPPED,
/// for the default lists the first alone. A task that is told to stop meanwhile is in the second list.
#[derive(Debug, Clone)]
pub struct TaskListing {
    on: Option<ContainerInstanceArn>,
    pages: usize,
    next: Option<NextPage>,
}

/// Which page comes next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NextPage {
    desired: DesiredStatus,
    token: Option<String>,
}

impl NextPage {
    /// Which list it is of.
    #[must_use]
    pub fn desired(&self) -> DesiredStatus {
        self.desired
    }
}

impl TaskListing {
    /// A listing that has not begun, of one container instance, or of the whole cluster.
    #[must_use]
    pub fn new(on: Option<ContainerInstanceArn>) -> Self {
        let next = Some(NextPage { desired: DesiredStatus::Running, token: None });
        Self { on, pages: 0, next }
    }

    /// The container instance whose tasks are listed; none where the whole cluster's are.
    #[must_use]
    pub fn on(&self) -> Option<&ContainerInstanceArn> {
        self.on.as_ref()
    }

    /// The page to be read next; none when every one was, for only a missing token ends a list.
    #[must_use]
    pub fn next(&self) -> Option<NextPage> {
        self.next.clone()
    }

    /// How many pages were read.
    #[must_use]
    pub fn pages(&self) -> usize {
        self.pages
    }

    /// The request for a page: one `ListTasks`.
    ///
    /// # Errors
    /// When it fails, and when the listing has gone on for longer than any does.
    pub fn request<'a, C: Calls>(
        &self,
        calls: &'a C,
        cluster: &'a ClusterName,
        page: &NextPage,
    ) -> impl Future<Output = Result<Page<TaskArn>, CallError>> + use<'a, C> {
        let (on, page, pages) = (self.on.clone(), page.clone(), self.pages);
        async move {
            if pages >= TASK_PAGES_MAX {
                let what = format!("more than {TASK_PAGES_MAX} pages");
                return Err(CallError::Incomplete { operation: "ListTasks", what });
            }
            calls.list_tasks(cluster, on.as_ref(), page.desired, page.token).await
        }
    }

    /// Takes in that a page was read: `next_token` stood on it.
    pub fn turn(&mut self, page: &NextPage, next_token: Option<String>) {
        self.pages += 1;
        self.next = match (next_token.filter(|token| !token.is_empty()), page.desired) {
            (Some(token), desired) => Some(NextPage { desired, token: Some(token) }),
            (None, DesiredStatus::Running) => Some(NextPage { desired: DesiredStatus::Stopped, token: None }),
            (None, DesiredStatus::Stopped) => None,
        };
    }
}
