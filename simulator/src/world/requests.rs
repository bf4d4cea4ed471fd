//! What happens to a request: credentials, permissions, faults, quotas, its effect, its record.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    ecs,
    gate::fault::{Fault, FaultKind},
    gate::refusal::{CredentialsFault, access_denied, server_error, throttled},
    journal::{Denied, Outcome, Recorded},
    parts::World,
};
use crate::iam::{Access, Permissions};
use crate::world::terms::{ApiError, Edit, Reply, Request, RequestError, Response, Service};

impl World {
    /// From now on `client` may do what its policies allow, and no more. A client that is never named here may do
    /// everything.
    pub fn restrict(&mut self, client: &str, permissions: Permissions) {
        self.gate.restrict(client, permissions);
    }

    /// From now on every request of `client`, an access key id, is refused for its credentials.
    pub fn refuse_credentials(&mut self, client: &str, fault: CredentialsFault) {
        self.gate.refuse_credentials(client, fault);
    }

    /// Plans a fault, behind those planned before.
    pub fn plan(&mut self, fault: Fault) {
        self.gate.plan(fault);
    }

    /// Takes back every planned fault.
    pub fn forget_faults(&mut self) {
        self.gate.forget_faults();
    }

    /// From now on every request to a service goes wrong like this, whatever else is planned.
    pub fn break_down(&mut self, service: Service, kind: FaultKind) {
        self.gate.break_down(service, kind);
    }

    /// A service that was broken works again.
    pub fn recover(&mut self, service: Service) {
        self.gate.recover(service);
    }

    /// A request of `client` comes at `now`. It has its effect at once; the answer takes the reply's delay.
    pub fn request(&mut self, now: Timestamp, client: &str, request: impl Into<Request>) -> Reply {
        let request = request.into();
        self.advance(now);
        let operation = request.operation();
        let fails = self.present.fails();
        let planned = self.gate.strike(&request);
        let (planned, of) = planned.map(|fault| (fault.kind, fault.matching)).unzip();
        let (fault, of) = (planned.or(fails.then_some(FaultKind::ServerError)), of.flatten());
        let answer = match self.admit(client, &request) {
            Err(refusal) => Err(refusal.into()),
            Ok(()) => match fault {
                Some(FaultKind::DropConnection) => Err(RequestError::ConnectionLost),
                Some(FaultKind::Throttle) => Err(throttled(operation).into()),
                Some(FaultKind::ServerError) => Err(server_error(operation).into()),
                Some(FaultKind::AccessDenied) => {
                    let first = self.accesses(&request).into_iter().next();
                    Err(access_denied(&self.present.settings, client, operation, first.as_ref()).into())
                }
                Some(FaultKind::LoseAnswer) => {
                    // The client does not learn whether it was refused, either.
                    let _unheard = self.serve(&request);
                    Err(RequestError::ConnectionLost)
                }
                Some(FaultKind::Missing) => {
                    self.serve(&request).map(|it| it.missing(of.as_deref())).map_err(RequestError::from)
                }
                Some(FaultKind::Slow(_) | FaultKind::Edit { .. }) | None => {
                    self.serve(&request).map_err(RequestError::from)
                }
            },
        };
        self.settle();
        let outcome = match &answer {
            Ok(_) => Outcome::Answered,
            Err(RequestError::Api(error)) => Outcome::Refused(error.code.clone()),
            Err(RequestError::ConnectionLost) => Outcome::Lost { effect: fault == Some(FaultKind::LoseAnswer) },
        };
        self.journal.record(Recorded { at: self.present.now, client: client.to_owned(), request, outcome });
        let slow = match fault {
            Some(FaultKind::Slow(by)) => by,
            _ => Duration::ZERO,
        };
        let edit = match fault {
            Some(FaultKind::Edit { member, becomes }) => Some(Edit { member, becomes, of }),
            _ => None,
        };
        Reply { delay: self.present.latency() + slow, answer, edit }
    }

    /// Checks who asks, and whether its policies allow it.
    fn admit(&mut self, client: &str, request: &Request) -> Result<(), ApiError> {
        let operation = request.operation();
        self.gate.check_credentials(client, operation)?;
        let Some(access) = self.gate.forbidden(client, || self.accesses(request)) else { return Ok(()) };
        let refusal = access_denied(&self.present.settings, client, operation, Some(&access));
        self.journal.denied.push(Denied { client: client.to_owned(), access });
        Err(refusal)
    }

    /// What a request asks its client's policies about.
    pub(crate) fn accesses(&self, request: &Request) -> Vec<Access> {
        let settings = &self.present.settings;
        let mut accesses = match request {
            Request::Ecs(request) => ecs::accesses(settings, request),
            Request::AutoScaling(request) => self.auto_scaling.accesses(request),
            Request::CloudFormation(request) => self.deployed.stack_accesses(settings, request),
            Request::EventBridge(request) => self.deployed.rule_accesses(settings, request),
            Request::Iam(request) => self.deployed.role_accesses(request),
        };
        for access in &mut accesses {
            access.context.push(("aws:RequestedRegion".to_owned(), settings.region.clone()));
        }
        accesses
    }

    fn serve(&mut self, request: &Request) -> Result<Response, ApiError> {
        let World { present, ecs, auto_scaling, deployed, .. } = self;
        self.gate.take_token(present, request.operation())?;
        match request {
            Request::Ecs(request) => ecs.serve(present, request),
            Request::AutoScaling(request) => {
                let (response, release) = auto_scaling.serve(present, request)?;
                if let Some(mut release) = release {
                    release.unstopped = ecs.unstopped_on(&release.instance_id);
                    self.journal.releases.push(release);
                }
                Ok(response)
            }
            Request::CloudFormation(request) => deployed.serve_cloudformation(present, request),
            Request::EventBridge(request) => deployed.serve_events(&present.settings, request),
            Request::Iam(request) => deployed.serve_iam(request),
        }
    }
}
