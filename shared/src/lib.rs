//! What every function of the drainer shares.
//!
//! An event is read by [`notice`], settings by [`config`]; [`drain`] reads, decides and acts through the one port to
//! AWS, [`aws::Calls`]; [`invocation`] ties them to a Lambda invocation and its answer, [`function`] to a Lambda function.

pub mod aws;
pub mod clock;
pub mod config;
pub mod drain;
pub mod function;
pub mod ids;
pub mod invocation;
pub mod metrics;
pub mod notice;
pub mod telemetry;
