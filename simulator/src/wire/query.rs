//! The Query protocol of Auto Scaling, CloudFormation and IAM: form-encoded requests, XML answers.

use bytes::Bytes;
use serde_json::{from_value, json};

use super::{
    deployed::{cloudformation, iam},
    form,
    xml::{edited, element, text},
};
use crate::world::{
    ApiError, AutoScalingRequest, CloudFormationRequest, Edit, IamRequest, Operation, Request, Response, Service,
};

mod auto_scaling;

pub(super) const CONTENT_TYPE: &str = "text/xml";

/// The services that speak it, each with the API version of every request and the namespace of every answer.
// Each service's API reference, "Common Parameters": Version.
const SERVICES: [(Service, &str, &str); 3] = [
    (Service::AutoScaling, "2011-01-01", "http://autoscaling.amazonaws.com/doc/2011-01-01/"),
    (Service::CloudFormation, "2010-05-15", "http://cloudformation.amazonaws.com/doc/2010-05-15/"),
    (Service::Iam, "2010-05-08", "https://iam.amazonaws.com/doc/2010-05-08/"),
];

/// Whose request it is, by its version, else by its action.
pub(super) fn service(body: &Bytes) -> Service {
    let fields = form::read(body).unwrap_or_default();
    let by_version = fields.get("Version").and_then(|version| {
        let (service, ..) = SERVICES.into_iter().find(|(_, of_service, _)| of_service == version)?;
        Some(service)
    });
    let by_action = || fields.get("Action")?.parse::<Operation>().ok().map(Operation::service);
    by_version.or_else(by_action).filter(|service| !service.speaks_json()).unwrap_or(Service::AutoScaling)
}

/// Reads a request.
pub(super) fn decode(body: &Bytes, service: Service) -> Result<Request, ApiError> {
    let malformed = || ApiError::new("MalformedQueryString", "the body is not form-encoded");
    let mut fields = form::read(body).ok_or_else(malformed)?;
    fields.remove("Version");
    let action = fields.remove("Action").ok_or_else(|| ApiError::new("MissingAction", "An Action is required"))?;
    let operation = action.parse::<Operation>().ok().filter(|operation| operation.service() == service);
    let operation = operation.ok_or_else(|| invalid_action(&action, service))?;
    // `serde`'s picture of an enum: the variant's name, then its members.
    let tagged = json!({ operation.name(): form::members(fields) });
    let read = match service {
        Service::CloudFormation => from_value::<CloudFormationRequest>(tagged).map(Request::from),
        Service::Iam => from_value::<IamRequest>(tagged).map(Request::from),
        _ => from_value::<AutoScalingRequest>(tagged).map(Request::from),
    };
    read.map_err(|error| ApiError::new("ValidationError", format!("Invalid, or not modelled: {error}")))
}

/// Writes an answer.
pub(super) fn encode(operation: Operation, response: &Response, id: &str, edit: Option<&Edit>) -> String {
    let service = operation.service();
    let content = match service {
        Service::CloudFormation => cloudformation::content(response),
        Service::Iam => iam::content(response),
        _ => auto_scaling::content(response),
    };
    let content = match edit {
        Some(edit) => edited(&content, edit),
        None => content,
    };
    let (name, namespace) = (operation.name(), namespace(service));
    let result = element(&format!("{name}Result"), &content);
    let metadata = element("ResponseMetadata", &text("RequestId", id));
    format!("<{name}Response xmlns=\"{namespace}\">{result}{metadata}</{name}Response>")
}

/// Writes an error.
pub(super) fn encode_error(error: &ApiError, service: Service, id: &str) -> String {
    let side = if error.status < 500 { "Sender" } else { "Receiver" };
    let described = [text("Type", side), text("Code", &error.code), text("Message", &error.message)];
    let error = element("Error", &described.concat());
    let (id, namespace) = (text("RequestId", id), namespace(service));
    format!("<ErrorResponse xmlns=\"{namespace}\">{error}{id}</ErrorResponse>")
}

fn described(service: Service) -> (&'static str, &'static str) {
    let found = SERVICES.into_iter().find(|(of_service, ..)| *of_service == service);
    found.map(|(_, version, namespace)| (version, namespace)).unwrap_or_default()
}

fn namespace(service: Service) -> &'static str {
    described(service).1
}

// Each service's API reference, "Common errors".
fn invalid_action(action: &str, service: Service) -> ApiError {
    let (version, _) = described(service);
    ApiError::new("InvalidAction", format!("Could not find operation {action} for version {version}"))
}
