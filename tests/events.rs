//! Every sample in `events/` is read as what it is.
