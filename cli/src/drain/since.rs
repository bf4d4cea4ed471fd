//! Since when a host is drained by hand, written on it for others to see.

use std::collections::BTreeSet;

use shared::aws::InstanceStatus;
use shared::aws::batch::few_at_once;
use shared::drain::facts::known::Known;
use shared::drain::facts::registration::Registration;
use shared::ids::ContainerInstanceArn;

use crate::account::Account;
use crate::account::attributes::{write_since, written};

/// What was written, or tried: once for each host and start. Nothing depends on it.
#[derive(Debug, Default)]
pub(super) struct Since(BTreeSet<(ContainerInstanceArn, String)>);

impl Since {
    /// Writes what is not written yet.
    pub(super) async fn write<'a>(&mut self, account: &Account, known: impl Iterator<Item = &'a Known>) {
        let since = known.filter_map(|known| Some((known, written(known.draining_since?))));
        let new: Vec<_> = since
            .flat_map(|(known, since)| known.registrations.iter().map(move |it| (it, since.clone())))
            .filter(|(it, since)| is_news(it, since) && self.0.insert((it.arn.clone(), since.clone())))
            .collect();
        let requests = new.iter().map(|(it, since)| write_since(&account.calls, &it.cluster, &it.arn, since));
        for error in few_at_once(requests).await.into_iter().filter_map(Result::err) {
            tracing::warn!(%error, "since when it drains could not be written down");
        }
    }
}

/// A host that was DRAINING before keeps what is written there.
fn is_news(registration: &Registration, since: &str) -> bool {
    let stands = registration.maintenance_since().map(written);
    registration.status == InstanceStatus::Draining
        && stands.is_none_or(|stands| registration.was_active && stands != since)
}
