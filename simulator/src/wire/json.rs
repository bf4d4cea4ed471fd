//! The JSON 1.1 protocol of ECS and EventBridge.

use std::io;

use bytes::Bytes;
use hyper::Request as HttpRequest;
use serde::Serialize;
use serde_json::{
    Map, Value, from_value, json,
    ser::{Formatter, Serializer},
};

use super::deployed::event_bridge;
use crate::world::{ApiError, EcsRequest, Edit, EventBridgeRequest, Operation, Request, Response, Service};

mod ecs;
pub(super) mod value;

pub(super) const CONTENT_TYPE: &str = "application/x-amz-json-1.1";

/// The header that names the operation.
pub(super) const TARGET: &str = "x-amz-target";

/// What stands before the operation in it.
const TARGETS: [(&str, Service); 2] =
    [("AmazonEC2ContainerServiceV20141113", Service::Ecs), ("AWSEvents", Service::EventBridge)];

/// Reads a request.
pub(super) fn decode(request: &HttpRequest<Bytes>) -> Result<Request, ApiError> {
    let target = (request.headers().get(TARGET)).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let operation = operation(target).ok_or_else(|| {
        let message = format!("{target} does not exist or is not modelled");
        ApiError::new("UnknownOperationException", message)
    })?;
    let members: Map<String, Value> = serde_json::from_slice(request.body())
        .map_err(|error| ApiError::new("SerializationException", error.to_string()))?;
    // `serde`'s picture of an enum: the variant's name, then its members.
    let tagged = json!({ operation.name(): members });
    // ECS API reference, InvalidParameterException; EventBridge API reference, "Common Error Types", ValidationException.
    let (read, code) = match operation.service() {
        Service::EventBridge => (from_value::<EventBridgeRequest>(tagged).map(Request::from), "ValidationException"),
        _ => (from_value::<EcsRequest>(tagged).map(Request::from), "InvalidParameterException"),
    };
    read.map_err(|error| ApiError::new(code, format!("Invalid, or not modelled: {error}")))
}

fn operation(target: &str) -> Option<Operation> {
    let (prefix, name) = target.split_once('.')?;
    let (_, service) = TARGETS.into_iter().find(|(of_service, _)| *of_service == prefix)?;
    name.parse::<Operation>().ok().filter(|operation| operation.service() == service)
}

/// Writes an answer.
pub(super) fn encode(operation: Operation, response: &Response, edit: Option<&Edit>) -> String {
    let mut content = match operation.service() {
        Service::EventBridge => event_bridge::content(response),
        _ => ecs::content(operation, response),
    };
    if let Some(edit) = edit {
        value::edit(&mut content, edit);
    }
    let mut bytes = Vec::new();
    let written = content.serialize(&mut Serializer::with_formatter(&mut bytes, WithExponents));
    written.ok().and_then(|()| String::from_utf8(bytes).ok()).unwrap_or_default()
}

/// Writes an error.
pub(super) fn encode_error(error: &ApiError) -> String {
    json!({ "__type": error.code, "message": error.message }).to_string()
}

/// Times have an exponent, and nothing but times has a fraction. Recorded.
struct WithExponents;

impl Formatter for WithExponents {
    fn write_f64<W: ?Sized + io::Write>(&mut self, writer: &mut W, value: f64) -> io::Result<()> {
        write!(writer, "{value:E}")
    }
}
