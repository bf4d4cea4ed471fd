//! What is asked of AWS: equal requests of many hosts in as few as their limits allow, and how the answers are taken in.

pub(crate) mod act;
pub(crate) mod answer;
pub(crate) mod hosts;
pub(crate) mod listing;
mod locate;
mod plan;
pub(crate) mod round;
pub mod scan;
mod starts;
pub(crate) mod tasks;
