//! What happens to a request: faults, quotas, its effect, its record.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    ApiError, FaultKind, Outcome, Recorded, Reply, Request, RequestError, Response, Service, World, fault,
    refusal::{server_error, throttled},
};

impl World {
    /// A request of `client` comes at `now`. It has its effect at once; the answer takes the reply's delay.
    pub fn request(&mut self, now: Timestamp, client: &str, request: Request) -> Reply {
        self.advance(now);
        let operation = request.operation();
        let fails = self.settings.failing > 0.0 && self.rng.f64() < self.settings.failing;
        let stranger = self.credentials_refused(client, operation);
        let planned = fault::strike(&mut self.plan, &request);
        let forbidden = if stranger.is_none() { self.forbidden(client, &request) } else { None };
        let fault = planned.or(fails.then_some(FaultKind::ServerError));
        let answer = match (fault, stranger, &forbidden) {
            (_, Some(refusal), _) => Err(refusal.into()),
            (_, _, Some(denied)) => Err(self.access_denied(client, &request, Some(&denied.access)).into()),
            (Some(FaultKind::DropConnection), ..) => Err(RequestError::ConnectionLost),
            (Some(FaultKind::Throttle), ..) => Err(throttled(operation).into()),
            (Some(FaultKind::ServerError), ..) => Err(server_error(operation).into()),
            (Some(FaultKind::AccessDenied), ..) => Err(self.access_denied(client, &request, None).into()),
            (Some(FaultKind::LoseAnswer), ..) => {
                // Whether it was refused, nobody learns either.
                let _unheard = self.serve(&request);
                Err(RequestError::ConnectionLost)
            }
            (Some(FaultKind::Slow(_)) | None, ..) => self.serve(&request).map_err(RequestError::from),
        };
        if let Some(forbidden) = forbidden {
            self.denied.push(forbidden);
        }
        self.settle();
        let outcome = match &answer {
            Ok(_) => Outcome::Answered,
            Err(RequestError::Api(error)) => Outcome::Refused(error.code.clone()),
            Err(RequestError::ConnectionLost) => Outcome::Lost { effect: fault == Some(FaultKind::LoseAnswer) },
        };
        self.requests.push(Recorded { at: self.now, client: client.to_owned(), request, outcome });
        *self.counts.entry(operation).or_default() += 1;
        let slow = match fault {
            Some(FaultKind::Slow(by)) => by,
            _ => Duration::ZERO,
        };
        Reply { delay: self.jitter() + slow, answer }
    }

    fn serve(&mut self, request: &Request) -> Result<Response, ApiError> {
        let operation = request.operation();
        if !(self.meters).take(&self.settings.quotas, operation, self.now) {
            return Err(throttled(operation));
        }
        match operation.service() {
            Service::Ecs => self.serve_ecs(request),
            Service::AutoScaling => self.serve_auto_scaling(request),
            Service::CloudFormation => self.serve_cloudformation(request),
            Service::EventBridge => self.serve_events(request),
            Service::Iam => self.serve_iam(request),
        }
    }
}
