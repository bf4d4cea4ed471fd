//! What things were, as far back as answers that lag still tell of it.

use jiff::Timestamp;

use super::present::Present;

/// What a thing was, each with the time until when. It holds no more than changed within the longest lag.
#[derive(Debug, Clone)]
pub(crate) struct Earlier<T>(Vec<(Timestamp, T)>);

impl<T> Default for Earlier<T> {
    fn default() -> Earlier<T> {
        Earlier(Vec::new())
    }
}

impl<T> Earlier<T> {
    /// Until now it was this.
    pub(crate) fn remember(&mut self, present: &Present, was: T) {
        let oldest = present.oldest_told();
        self.0.retain(|(until, _)| *until > oldest);
        self.0.push((present.now, was));
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// What it was then; none if it is the same since.
    pub(crate) fn at(&self, then: Timestamp) -> Option<&T> {
        self.0.iter().find(|(until, _)| then < *until).map(|(_, was)| was)
    }
}
