//! A record of what happened, bounded.

/// More entries than any test or demo reads; the oldest half goes when it is full.
pub const MAX_ENTRIES: usize = 1_000_000;

/// Entries in the order of their time, the oldest dropped when there are too many.
#[derive(Debug, Clone)]
pub(crate) struct Log<T> {
    entries: Vec<T>,
    limit: usize,
    dropped: usize,
}

impl<T> Default for Log<T> {
    fn default() -> Log<T> {
        Log { entries: Vec::new(), limit: MAX_ENTRIES, dropped: 0 }
    }
}

impl<T> Log<T> {
    pub(crate) fn push(&mut self, entry: T) {
        if self.entries.len() >= self.limit {
            let half = self.limit.div_ceil(2);
            self.entries.drain(..half);
            self.dropped += half;
        }
        self.entries.push(entry);
    }

    pub(crate) fn entries(&self) -> &[T] {
        &self.entries
    }

    /// The entry at a position among all there ever were, while it is kept.
    pub(crate) fn get_mut(&mut self, position: usize) -> Option<&mut T> {
        self.entries.get_mut(position.checked_sub(self.dropped)?)
    }

    /// Each entry that is kept, with its position.
    pub(crate) fn newest_first(&self) -> impl Iterator<Item = (usize, &T)> {
        self.entries.iter().enumerate().rev().map(|(at, entry)| (self.dropped + at, entry))
    }

    /// How many entries there ever were.
    pub(crate) fn total(&self) -> usize {
        self.dropped + self.entries.len()
    }

    /// The entries after the first `seen` that ever were, as far as they are still kept.
    pub(crate) fn since(&self, seen: usize) -> &[T] {
        let skip = seen.saturating_sub(self.dropped);
        self.entries.get(skip..).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_half_goes_and_positions_stay() {
        let mut log = Log { limit: 4, ..Log::default() };
        for entry in 0..5 {
            log.push(entry);
        }
        assert_eq!(log.entries(), [2, 3, 4]);
        assert_eq!(log.total(), 5);
        assert_eq!(log.since(4), [4]);
        assert_eq!(log.since(0), [2, 3, 4]);
        assert!(log.since(9).is_empty());
        assert_eq!(log.get_mut(4), Some(&mut 4));
        assert_eq!(log.get_mut(1), None, "dropped");
        assert_eq!(log.get_mut(5), None, "not there yet");
        assert_eq!(log.newest_first().collect::<Vec<_>>(), [(4, &4), (3, &3), (2, &2)]);
    }
}
