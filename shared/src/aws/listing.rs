//! A listing of tasks that continues where it stopped: a page that fails, or a pause, costs no page that was read before.

use std::collections::BTreeMap;

use super::batch::PAGES_MAX;
use super::{CallError, Calls, DesiredStatus, Page};
use crate::ids::{ClusterName, ContainerInstanceArn, TaskArn};

/// Every task of a container instance or of a whole cluster, as far as it was read: desired RUNNING and desired STOPPED,
/// for the default lists the first alone.
#[derive(Debug, Clone)]
pub struct TaskListing {
    on: Option<ContainerInstanceArn>,
    listed: BTreeMap<TaskArn, DesiredStatus>,
    pages: usize,
    next: Option<NextPage>,
}

/// Which page comes next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NextPage {
    desired: DesiredStatus,
    token: Option<String>,
}

impl TaskListing {
    /// A listing that has not begun, of one container instance, or of the whole cluster.
    #[must_use]
    pub fn new(on: Option<ContainerInstanceArn>) -> Self {
        let next = Some(NextPage { desired: DesiredStatus::Running, token: None });
        Self { on, listed: BTreeMap::new(), pages: 0, next }
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

    /// The tasks on the pages that were read, each with the list that it was last found in.
    #[must_use]
    pub fn listed(&self) -> &BTreeMap<TaskArn, DesiredStatus> {
        &self.listed
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
            if pages >= PAGES_MAX {
                let what = format!("more than {PAGES_MAX} pages");
                return Err(CallError::Incomplete { operation: "ListTasks", what });
            }
            calls.list_tasks(cluster, on.as_ref(), page.desired, page.token).await
        }
    }

    /// Takes in what stood on a page.
    pub fn take(&mut self, page: &NextPage, found: Page<TaskArn>) {
        self.pages += 1;
        self.listed.extend(found.items.into_iter().map(|arn| (arn, page.desired)));
        let token = found.next_token.filter(|token| !token.is_empty());
        self.next = match (token, page.desired) {
            (Some(token), desired) => Some(NextPage { desired, token: Some(token) }),
            (None, DesiredStatus::Running) => Some(NextPage { desired: DesiredStatus::Stopped, token: None }),
            (None, DesiredStatus::Stopped) => None,
        };
    }
}
