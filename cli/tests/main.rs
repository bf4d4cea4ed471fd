//! The real command against the simulator, over real HTTP.
#![expect(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking; clippy's own exemption does not reach helpers of an integration test"
)]

mod check;
mod completions;
mod drain;
mod errors;
mod hooks;
mod permissions;
mod status;
mod support;
mod undrain;
