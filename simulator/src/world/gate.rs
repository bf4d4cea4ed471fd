//! What stands before every operation: credentials, permissions, planned faults and quotas.

pub(crate) mod access;
pub(crate) mod fault;
pub(crate) mod quota;
pub(crate) mod refusal;

use std::collections::BTreeMap;

use crate::iam::{Access, Permissions};
use crate::world::terms::{ApiError, Operation, Present, Request, Service};
use fault::{Fault, FaultKind};
use quota::Meters;
use refusal::{CredentialsFault, credentials_refused, throttled};

/// Who may do what, what goes wrong, and how often clients may ask.
#[derive(Debug, Clone, Default)]
pub(crate) struct Gate {
    permissions: BTreeMap<String, Permissions>,
    refused_credentials: BTreeMap<String, CredentialsFault>,
    faults: Vec<Fault>,
    broken: BTreeMap<Service, FaultKind>,
    meters: Meters,
}

impl Gate {
    pub(crate) fn restrict(&mut self, client: &str, permissions: Permissions) {
        self.permissions.insert(client.to_owned(), permissions);
    }

    pub(crate) fn refuse_credentials(&mut self, client: &str, fault: CredentialsFault) {
        self.refused_credentials.insert(client.to_owned(), fault);
    }

    pub(crate) fn plan(&mut self, fault: Fault) {
        self.faults.push(fault);
    }

    pub(crate) fn forget_faults(&mut self) {
        self.faults.clear();
    }

    /// Why a client's credentials are not taken.
    pub(crate) fn check_credentials(&self, client: &str, operation: Operation) -> Result<(), ApiError> {
        let fault = self.refused_credentials.get(client);
        fault.map_or(Ok(()), |fault| Err(credentials_refused(*fault, operation)))
    }

    /// The first thing that a request asks for and its client may not do.
    pub(crate) fn forbidden(&self, client: &str, accesses: impl FnOnce() -> Vec<Access>) -> Option<Access> {
        let permissions = self.permissions.get(client)?;
        accesses().into_iter().find(|access| !permissions.allow(access))
    }

    pub(crate) fn break_down(&mut self, service: Service, kind: FaultKind) {
        self.broken.insert(service, kind);
    }

    pub(crate) fn recover(&mut self, service: Service) {
        self.broken.remove(&service);
    }

    /// What hits a request: that its service is broken, else a planned fault.
    pub(crate) fn strike(&mut self, request: &Request) -> Option<Fault> {
        let broken = self.broken.get(&request.operation().service());
        let broken = broken.map(|kind| Fault::always(*kind));
        broken.or_else(|| fault::strike(&mut self.faults, request).cloned())
    }

    /// Takes a request's token out of its bucket.
    pub(crate) fn take_token(&mut self, present: &Present, operation: Operation) -> Result<(), ApiError> {
        let left = self.meters.take(&present.settings.quotas, operation, present.now);
        left.then_some(()).ok_or_else(|| throttled(operation))
    }
}
