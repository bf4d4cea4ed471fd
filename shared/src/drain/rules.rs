//! What is wanted for one host: pure functions of what is known of it, of the invocation's terms and of the time.

pub mod deadlines;
pub mod decide;
pub mod decision;
mod ending;
pub mod heartbeats;
mod located;
mod ours;
mod stopping;
pub mod terms;

#[cfg(test)]
mod tests;
