//! ECS, Auto Scaling, a deployed stack and the Lambda Runtime API on loopback, as far as draining depends on them.
//!
//! [`world`] is the model, with an explicit clock and no I/O; [`wire`] speaks the AWS protocols over it;
//! [`lambda`] runs a real function binary as Lambda would, and feeds it from a queue, [`sqs`]. What the functions' roles
//! allow, [`iam`], is read from their template by [`cloudformation`], which tells the world of its whole stack, too.

pub mod clock;
pub mod cloudformation;
mod http;
pub mod iam;
pub mod lambda;
pub mod scenario;
pub mod sqs;
pub mod wire;
pub mod world;
