//! Faults on demand.

use std::time::Duration;

use super::super::request::{Operation, Request};

/// What goes wrong, with which requests, and how often.
#[derive(Debug, Clone)]
pub struct Fault {
    /// Only this operation; `None` is every operation.
    pub operation: Option<Operation>,
    /// Only requests one of whose names, ids or filters contains this.
    pub matching: Option<String>,
    /// So many fitting requests pass unharmed first.
    pub after: u32,
    /// So many requests are hit; [`u32::MAX`] is for ever.
    pub times: u32,
    /// What happens to them.
    pub kind: FaultKind,
}

impl Fault {
    /// `kind` for every request, for ever.
    pub fn always(kind: FaultKind) -> Fault {
        Fault { operation: None, matching: None, after: 0, times: u32::MAX, kind }
    }

    /// `kind` for the next `times` requests of `operation`.
    pub fn times(operation: Operation, times: u32, kind: FaultKind) -> Fault {
        Fault { operation: Some(operation), times, ..Fault::always(kind) }
    }

    fn fits(&self, request: &Request) -> bool {
        self.operation.is_none_or(|operation| operation == request.operation())
            && self.matching.as_deref().is_none_or(|part| request.mentions(part))
    }
}

/// How a request goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// Refused as over its quota.
    Throttle,
    /// Refused with an internal error, HTTP 500.
    ServerError,
    /// Refused for want of a permission.
    AccessDenied,
    /// The connection drops before the request has any effect.
    DropConnection,
    /// The request has its effect at once; its answer comes so much later.
    Slow(Duration),
    /// The request has its effect; the connection drops before the answer.
    LoseAnswer,
}

/// The first planned fault that fits and has times left; counts the request in every fault it looked at.
pub(crate) fn strike(plan: &mut [Fault], request: &Request) -> Option<FaultKind> {
    for fault in plan.iter_mut().filter(|fault| fault.fits(request)) {
        if fault.after > 0 {
            fault.after -= 1;
        } else if fault.times > 0 {
            if fault.times != u32::MAX {
                fault.times -= 1;
            }
            return Some(fault.kind);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::EcsRequest;

    fn list_tasks(cluster: &str) -> Request {
        let request = EcsRequest::ListTasks {
            cluster: Some(cluster.to_owned()),
            container_instance: None,
            desired_status: None,
            max_results: None,
            next_token: None,
        };
        request.into()
    }

    #[test]
    fn a_fault_skips_then_strikes_then_is_over() {
        let mut plan = vec![Fault { after: 1, ..Fault::times(Operation::ListTasks, 2, FaultKind::Throttle) }];
        let struck: Vec<_> = (0..4).map(|_| strike(&mut plan, &list_tasks("prod"))).collect();
        let throttle = Some(FaultKind::Throttle);
        assert_eq!(struck, [None, throttle, throttle, None]);
    }

    #[test]
    fn the_first_fault_with_times_left_wins() {
        let mut plan =
            vec![Fault::times(Operation::ListTasks, 1, FaultKind::Throttle), Fault::always(FaultKind::ServerError)];
        assert_eq!(strike(&mut plan, &list_tasks("prod")), Some(FaultKind::Throttle));
        assert_eq!(strike(&mut plan, &list_tasks("prod")), Some(FaultKind::ServerError));
    }

    #[test]
    fn only_requests_that_mention_the_text_are_hit() {
        let mut plan = vec![Fault { matching: Some("prod".to_owned()), ..Fault::always(FaultKind::DropConnection) }];
        assert_eq!(strike(&mut plan, &list_tasks("staging")), None);
        assert!(strike(&mut plan, &list_tasks("prod")).is_some());
    }
}
