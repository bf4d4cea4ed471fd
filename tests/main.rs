//! The real function binaries, run as Lambda runs them, against simulated AWS on loopback; and the code over the AWS
//! port against the same model in virtual time.
#![expect(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking; clippy's own exemption does not reach helpers of an integration test"
)]

mod answers;
mod batch;
mod batches;
mod burst;
mod by_hand;
mod connections;
mod crowds;
mod deadlines;
mod denials;
mod drains;
mod events;
mod faults;
mod heartbeats;
mod histories;
mod input;
mod lag;
mod lifecycle_states;
mod listings;
mod logs;
mod long_drains;
mod metrics;
mod permissions;
mod promises;
mod reasons;
mod reconcile;
mod releases;
mod rooms;
mod search;
mod settings;
mod spot;
mod spot_slices;
mod starts;
mod support;
mod template;
mod throttling;
mod waiting;
