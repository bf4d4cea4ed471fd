//! Builds the functions, so that the demo runs what is in the working directory.

use std::{
    env, io,
    path::{Path, PathBuf},
    process::Stdio,
};

use serde_json::Value;
use tokio::process::Command;

/// Where the workspace is.
const WORKSPACE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// What `cargo run` sets for its child. Build scripts that ask for these would run again for nothing.
const SET_BY_CARGO_RUN: [&str; 2] = ["CARGO_MANIFEST_", "CARGO_PKG_"];

/// Why there is no function to run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BuildError {
    #[error("cannot run {}: {source}", cargo.display())]
    Cargo { cargo: PathBuf, source: io::Error },
    #[error("the functions do not build; cargo says why above")]
    Failed,
    #[error("cargo built no binary {0}")]
    Missing(String),
}

/// A file of the workspace.
pub(crate) fn in_workspace(path: &str) -> PathBuf {
    let workspace = Path::new(WORKSPACE);
    workspace.canonicalize().unwrap_or_else(|_| workspace.to_owned()).join(path)
}

/// Builds every binary of the workspace and answers where `name` is. All of it, so that tests and demo share one build of the AWS SDK.
pub(crate) async fn function(name: &str) -> Result<PathBuf, BuildError> {
    let cargo = PathBuf::from(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    let mut command = Command::new(&cargo);
    for (variable, _) in env::vars_os() {
        if SET_BY_CARGO_RUN.iter().any(|prefix| variable.to_string_lossy().starts_with(prefix)) {
            command.env_remove(variable);
        }
    }
    command
        .args(["build", "--workspace", "--bins", "--locked", "--message-format=json-render-diagnostics"])
        .current_dir(in_workspace(""))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    // `output` would capture stderr, too, where cargo tells how far it is.
    let built = match command.spawn() {
        Ok(child) => child.wait_with_output().await,
        Err(error) => Err(error),
    };
    let built = built.map_err(|source| BuildError::Cargo { cargo, source })?;
    if !built.status.success() {
        return Err(BuildError::Failed);
    }
    executable(&String::from_utf8_lossy(&built.stdout), name).ok_or_else(|| BuildError::Missing(name.to_owned()))
}

/// Where cargo says that a binary is, whatever the target folder and the triple.
// Cargo book, "External tools": one JSON message per line; `executable` is null for what is none.
fn executable(messages: &str, name: &str) -> Option<PathBuf> {
    let of_binary = |message: &Value| {
        message.pointer("/target/name") == Some(&Value::from(name))
            && message.pointer("/target/kind/0") == Some(&Value::from("bin"))
    };
    (messages.lines().filter_map(|line| serde_json::from_str(line).ok()))
        .filter(of_binary)
        .find_map(|message| Some(PathBuf::from(message.get("executable")?.as_str()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_binary_is_where_cargo_says() {
        let messages = r#"not a message
{"reason":"compiler-artifact","target":{"kind":["lib"],"name":"reconcile"},"executable":null}
{"reason":"compiler-artifact","target":{"kind":["bin"],"name":"simulator"},"executable":"/t/debug/simulator"}
{"reason":"compiler-artifact","target":{"kind":["bin"],"name":"reconcile"},"executable":"/t/debug/reconcile"}
{"reason":"build-finished","success":true}"#;
        assert_eq!(executable(messages, "reconcile"), Some(PathBuf::from("/t/debug/reconcile")));
        assert_eq!(executable(messages, "spot-interruption"), None);
    }

    #[test]
    fn the_workspace_is_found() {
        assert!(in_workspace("Cargo.lock").is_file());
    }
}
