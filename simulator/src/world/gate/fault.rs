//! Faults on demand.

use std::time::Duration;

use crate::world::terms::{Operation, Request};

/// What goes wrong, with which requests, and how often.
#[derive(Debug, Clone)]
pub struct Fault {
    /// Only this operation; `None` is every operation.
    pub operation: Option<Operation>,
    /// Only requests one of whose names, ids or filters contains this; and of an answer that is changed, only the items that
    /// contain it.
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
    /// Answered, but what ECS was asked to describe is in `failures[]`, as MISSING.
    Missing,
    /// Answered with status 200, but with another content: every member of this name is left out, or becomes this, as it
    /// is written in the answer's protocol. Only the wire can tell.
    Edit {
        /// The member's name.
        member: &'static str,
        /// What stands in its place.
        becomes: Option<&'static str>,
    },
}

/// The first planned fault that fits and has times left; counts the request in every fault it looked at.
pub(crate) fn strike<'a>(plan: &'a mut [Fault], request: &Request) -> Option<&'a Fault> {
    for fault in plan.iter_mut().filter(|fault| fault.fits(request)) {
        if fault.after > 0 {
            fault.after -= 1;
        } else if fault.times > 0 {
            if fault.times != u32::MAX {
                fault.times -= 1;
            }
            return Some(fault);
        }
    }
    None
}
