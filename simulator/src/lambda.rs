//! Runs a real function binary as Lambda would: one execution environment, one invocation at a time.

mod environment;
mod event_source;
mod fleet;
mod function;
mod invocation;
mod log;
pub mod pollers;
mod runtime_api;
mod spec;
#[cfg(test)]
mod tests;

pub use event_source::{EventSource, sqs_batch};
pub use fleet::Fleet;
pub use function::Function;
pub use invocation::{Invocation, Outcome};
pub use spec::FunctionSpec;
