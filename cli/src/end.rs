//! How the command ends.

/// How the command ended, where nothing kept it from its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Done,
    /// Something is not as it should be, or was not wanted in the end.
    NotDone,
    Interrupted,
}
