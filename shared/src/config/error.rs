//! What is wrong with the variables, in one message.

use std::fmt;

use lambda_runtime::Diagnostic;
use thiserror::Error;

/// Every bad variable in one message: a function that cannot be configured says all it needs at once.
#[derive(Debug, Error, PartialEq, Eq)]
pub struct ConfigError(Vec<BadVariable>);

#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadVariable {
    pub(super) name: String,
    value: String,
    allowed: String,
}

impl BadVariable {
    pub(super) fn new(name: impl Into<String>, value: impl Into<String>, allowed: impl Into<String>) -> Self {
        Self { name: name.into(), value: value.into(), allowed: allowed.into() }
    }
}

impl ConfigError {
    pub(super) fn new(bad: Vec<BadVariable>) -> Self {
        Self(bad)
    }

    /// An error where anything is bad.
    pub(super) fn of(bad: Vec<BadVariable>) -> Result<(), Self> {
        if bad.is_empty() { Ok(()) } else { Err(Self(bad)) }
    }

    pub(super) fn and(self, more: Vec<BadVariable>) -> Self {
        Self(self.0.into_iter().chain(more).collect())
    }

    /// One variable or setting of a profile.
    #[must_use]
    pub fn of_one(name: &str, value: &str, allowed: &str) -> Self {
        Self(vec![BadVariable::new(name, value, allowed)])
    }
}

impl From<ConfigError> for Diagnostic {
    fn from(error: ConfigError) -> Self {
        Self { error_type: "BadConfiguration".to_owned(), error_message: error.to_string() }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bad configuration")?;
        for (i, bad) in self.0.iter().enumerate() {
            let separator = if i == 0 { ": " } else { "; " };
            write!(f, "{separator}{} is {:?}, allowed: {}", bad.name, bad.value, bad.allowed)?;
        }
        Ok(())
    }
}
