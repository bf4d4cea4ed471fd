//! What is known of one host that is about to leave.

pub mod departure;
pub mod hold;
pub mod known;
pub mod lifecycle;
pub mod listing;
pub(crate) mod log;
pub mod patience;
pub mod proof;
pub mod registration;
pub mod tasks;
