//! What a request asks the policies of its client about.

use crate::iam::Access;
use crate::world::terms::Operation;

/// An operation's access to one resource.
pub(crate) fn access(operation: Operation, resource: String, context: Vec<(String, String)>) -> Access {
    Access { action: operation.action(), resource, context }
}
