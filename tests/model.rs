//! The code over the AWS port against the simulator's model.
