//! What people are told, made from facts: the report, the log, where a drain stands, and why it waits.

pub(crate) mod explain;
pub(crate) mod hand_over;
pub mod look;
pub mod prospect;
pub mod report;
pub mod standing;
pub mod straggler;

pub use self::explain::Explanations;
