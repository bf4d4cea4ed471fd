//! What Lambda is told of a function.

use std::{path::PathBuf, time::Duration};

/// What Lambda is told of a function.
#[derive(Debug, Clone)]
pub struct FunctionSpec {
    /// Its name.
    pub name: String,
    /// The executable.
    pub binary: PathBuf,
    /// Its variables, besides those Lambda sets.
    pub environment: Vec<(String, String)>,
    /// After so long an invocation is killed.
    pub timeout: Duration,
    /// Told to the function; not enforced.
    pub memory_mb: u32,
    /// The account it is in.
    pub account: String,
    /// The region it is in.
    pub region: String,
    /// The partition in its ARN.
    pub partition: String,
}

impl Default for FunctionSpec {
    fn default() -> FunctionSpec {
        FunctionSpec {
            name: "function".to_owned(),
            binary: PathBuf::new(),
            environment: Vec::new(),
            // Lambda developer guide, "Configure Lambda function timeout": 3 seconds; memory: 128 MB.
            timeout: Duration::from_secs(3),
            memory_mb: 128,
            account: "123456789012".to_owned(),
            region: "us-west-2".to_owned(),
            partition: "aws".to_owned(),
        }
    }
}
