//! `check`: whether an installation is as it should be, a line for each finding, and how to mend it.

mod groups;
mod permissions;
mod rules;
mod stack;

use console::style;
use serde::Serialize;
use shared::ids::ClusterName;

use crate::account::Account;
use crate::end::End;
use crate::failure::Failure;
use crate::screen::{self, Screen};
use crate::settings::Settings;
use crate::text::{count, plain, wrapped};

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Finding {
    level: Level,
    /// The subject of the finding.
    subject: String,
    /// How it is.
    what: String,
    /// How to fix it, where there is a way.
    #[serde(skip_serializing_if = "Option::is_none")]
    mend: Option<String>,
}

/// How it is, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
enum Level {
    Ok,
    /// It works, but the operator should know.
    Warning,
    /// Tasks may die, or hosts stay, because of it.
    Problem,
    /// The command could not look at it.
    Unknown,
}

impl Finding {
    fn ok(subject: impl Into<String>, what: impl Into<String>) -> Self {
        Self { level: Level::Ok, subject: subject.into(), what: what.into(), mend: None }
    }

    fn warning(subject: impl Into<String>, what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { level: Level::Warning, subject: subject.into(), what: what.into(), mend: Some(mend.into()) }
    }

    fn problem(subject: impl Into<String>, what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { level: Level::Problem, subject: subject.into(), what: what.into(), mend: Some(mend.into()) }
    }

    fn unknown_because(subject: impl Into<String>, what: impl Into<String>, mend: impl Into<String>) -> Self {
        Self { level: Level::Unknown, subject: subject.into(), what: what.into(), mend: Some(mend.into()) }
    }

    /// A look that AWS denied or did not answer: the state is unknown, which is no success. With bad credentials the check
    /// ends.
    fn unknown(subject: impl Into<String>, failure: Failure) -> Result<Self, Failure> {
        match failure {
            Failure::Denied { .. } | Failure::Refused(_) | Failure::NoAnswer { .. } => {
                let mend = failure.help().into_iter().next();
                Ok(Self { level: Level::Unknown, subject: subject.into(), what: failure.to_string(), mend })
            }
            failure => Err(failure),
        }
    }
}

/// Checks everything, or what concerns one cluster.
pub(crate) async fn check(
    account: &Account,
    name: &str,
    only: Option<&ClusterName>,
    json: bool,
) -> Result<End, Failure> {
    if let Some(only) = only {
        account.cluster(only).await?;
    }
    let settings = Settings::of_stack(account, name).await?;
    let mut findings = Vec::new();
    let (about_stack, stack) = stack::check(account, name, &settings).await?;
    findings.extend(about_stack);
    if let Some(stack) = &stack {
        findings.extend(rules::check(account, stack, &settings).await?);
    }
    let (about_groups, enrolled) = groups::check(account, &settings, only).await?;
    findings.extend(about_groups);
    if let Some(stack) = &stack {
        findings.extend(permissions::check(account, stack, &settings, &enrolled).await?);
    }
    if json {
        screen::json(&findings)?;
    } else {
        let mut screen = Screen::new();
        let width = screen.width();
        screen.write(&lines(&findings, width))?;
    }
    let well = findings.iter().all(|finding| matches!(finding.level, Level::Ok | Level::Warning));
    Ok(if well { End::Done } else { End::NotDone })
}

fn lines(findings: &[Finding], width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for Finding { level, subject, what, mend } in findings {
        let word = match level {
            Level::Ok => style("ok      ").green(),
            Level::Warning => style("warning ").yellow(),
            Level::Problem => style("problem ").red().bold(),
            Level::Unknown => style("unknown ").magenta(),
        };
        lines.extend(wrapped(&format!("{word} "), &plain(&format!("{subject}: {what}")), width));
        if let Some(mend) = mend {
            lines.extend(wrapped("         → ", &plain(mend), width));
        }
    }
    let number = |wanted: Level| findings.iter().filter(|finding| finding.level == wanted).count();
    lines.push(String::new());
    let summary = format!(
        "{}, {}, {} could not be looked at; {} as it should be.",
        count(number(Level::Problem), "problem"),
        count(number(Level::Warning), "warning"),
        number(Level::Unknown),
        number(Level::Ok)
    );
    lines.extend(wrapped("", &summary, width));
    lines
}
