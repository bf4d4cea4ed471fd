//! The installation itself: its stack, and what it is made of.

use std::collections::BTreeMap;

use aws_sdk_cloudformation::Client;
use shared::aws::CallError;
use shared::aws::sdk::failed;

use super::Finding;
use crate::account::Account;
use crate::failure::Failure;
use crate::settings::{Deployed, Settings, Source};

/// A deployed stack.
#[derive(Debug)]
pub(super) struct Stack {
    pub(super) partition: String,
    pub(super) account: String,
    /// Physical ids by logical ones.
    resources: BTreeMap<String, String>,
}

impl Stack {
    /// What a resource of the template is called.
    pub(super) fn resource(&self, logical_id: &str) -> Option<&str> {
        self.resources.get(logical_id).map(String::as_str)
    }
}

/// What is to be said of the stack, and what it is made of, if that can be read.
pub(super) async fn check(
    account: &Account,
    name: &str,
    settings: &Settings,
) -> Result<(Vec<Finding>, Option<Stack>), Failure> {
    let subject = format!("stack {name}");
    let Some(Deployed { id, status, .. }) = &settings.stack else {
        let finding = match settings.source.why_defaults() {
            Some(why) if matches!(settings.source, Source::Unread(_)) => {
                let mend = "your credentials must allow cloudformation:DescribeStacks; docs/command.md lists the other actions";
                Finding::unknown_because(subject, why, mend)
            }
            _ => no_stack(&subject, account),
        };
        return Ok((vec![finding], None));
    };
    let mut findings = vec![if status.ends_with("_COMPLETE") && !status.contains("ROLLBACK") {
        Finding::ok(&subject, status)
    } else {
        let mend =
            format!("aws cloudformation describe-stack-events --stack-name {name} says what failed; deploy it again");
        Finding::problem(&subject, status, mend)
    }];
    if let Some(why) = settings.source.why_defaults() {
        findings.push(Finding::problem(
            &subject,
            format!("its settings are not allowed: {why}"),
            "correct and deploy it",
        ));
    }
    if settings.config.policy.dry_run {
        let what = "DryRun is true: the functions change nothing, and hooks time out with tasks running";
        findings.push(Finding::problem(&subject, what, "deploy it with DryRun=false"));
    }
    // arn:aws:cloudformation:REGION:ACCOUNT:stack/NAME/ID
    let mut parts = id.split(':');
    let (Some(partition), Some(owner)) = (parts.nth(1), parts.nth(2)) else {
        return Ok((findings, None));
    };
    let (partition, owner) = (partition.to_owned(), owner.to_owned());
    match resources(&Client::new(&account.sdk), name).await {
        Ok(resources) => Ok((findings, Some(Stack { partition, account: owner, resources }))),
        Err(error) => {
            findings.push(Finding::unknown(format!("{subject}, its resources"), account.failure(error))?);
            Ok((findings, None))
        }
    }
}

fn no_stack(subject: &str, account: &Account) -> Finding {
    let what = format!("there is none in region {}: nothing drains here", account.region);
    Finding::problem(
        subject,
        what,
        "sam build && sam deploy --guided installs it; --stack names another, --region another place",
    )
}

async fn resources(client: &Client, name: &str) -> Result<BTreeMap<String, String>, CallError> {
    let pages = client.list_stack_resources().stack_name(name).into_paginator().items().send();
    let resources: Vec<_> = pages.try_collect().await.map_err(failed("ListStackResources"))?;
    Ok(resources.into_iter().filter_map(|it| Some((it.logical_resource_id?, it.physical_resource_id?))).collect())
}
