"""Compares an answer, as it came over the wire and as boto3 read it, with AWS's own service model."""

import json
import re
from datetime import datetime
from xml.etree import ElementTree

# What boto3 makes of each type.
IN_PYTHON = {
    "string": str,
    "integer": int,
    "long": int,
    "float": (int, float),
    "double": (int, float),
    "boolean": bool,
    "timestamp": datetime,
}

# The JSON protocol sends timestamps as seconds since the epoch.
IN_JSON = IN_PYTHON | {"timestamp": (int, float)}

# The Query protocol sends them as ISO 8601.
IN_XML = {
    "string": r"(?s).*",
    "integer": r"-?\d+",
    "long": r"-?\d+",
    "float": r"-?\d+(\.\d+)?",
    "double": r"-?\d+(\.\d+)?",
    "boolean": r"true|false",
    "timestamp": r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z",
}

# Errors that any operation may answer, from "Common Error Types" of the API references and from the protocols' own
# specifications. Rate limits are `ThrottlingException` in ECS and `Throttling` in Auto Scaling. What ECS has errors of
# its own for is a `ValidationException` in EventBridge.
COMMON_ERRORS = {
    "json": {"ThrottlingException", "UnknownOperationException", "SerializationException", "ValidationException"},
    "query": {"Throttling", "ValidationError", "InvalidAction", "MissingAction", "MalformedQueryString"},
}

# Values that real AWS answered and its own service model has not.
RECORDED = {"ScalingActivityStatusCode": {"MidTerminatingLifecycleAction"}}

CONTENT_TYPES = {"json": "application/x-amz-json-1.1", "query": "text/xml"}


def problems(operation, response, parsed):
    """What is wrong with the answer to `operation`: `response` is raw, `parsed` is boto3's."""
    protocol = operation.service_model.metadata["protocol"]
    content_type = response.headers.get("content-type")
    if content_type != CONTENT_TYPES[protocol]:
        yield f"content type {content_type!r}"
    if not response.headers.get("x-amzn-requestid"):
        yield "no request id"
    if response.status_code == 200:
        raw = _in_json_answer if protocol == "json" else _in_xml_answer
        yield from raw(operation, response.content)
        wanted = {name: value for name, value in parsed.items() if name != "ResponseMetadata"}
        if operation.output_shape is not None:
            yield from in_python(operation.output_shape, wanted)
    else:
        raw = _in_json_error if protocol == "json" else _in_xml_error
        yield from raw(operation, response)


def in_python(shape, value, at=""):
    return _walk(shape, value, at or shape.name, IN_PYTHON, lambda member, name: name)


def _in_json_answer(operation, body):
    return _walk(
        operation.output_shape,
        json.loads(body),
        operation.output_shape.name,
        IN_JSON,
        lambda member, name: member.serialization.get("name", name),
    )


def _walk(shape, value, at, types, wire_name):
    if shape.type_name == "structure":
        if not isinstance(value, dict):
            yield f"{at} is {value!r}, no structure"
            return
        members = {wire_name(member, name): (name, member) for name, member in shape.members.items()}
        yield from _membership(at, value, members, shape)
        for name in value.keys() & members.keys():
            yield from _walk(members[name][1], value[name], f"{at}.{name}", types, wire_name)
    elif shape.type_name == "list":
        if not isinstance(value, list):
            yield f"{at} is {value!r}, no list"
            return
        yield from _length(at, shape, value)
        for item in value:
            yield from _walk(shape.member, item, f"{at}[]", types, wire_name)
    elif shape.type_name not in types:
        yield f"{at} is a {shape.type_name}, which is not looked at"
    # A bool is an int in Python, and not in AWS.
    elif not isinstance(value, types[shape.type_name]) or isinstance(value, bool) != (shape.type_name == "boolean"):
        yield f"{at} is {value!r}, no {shape.type_name}"
    elif shape.type_name == "string":
        yield from _text(at, shape, value)
    elif shape.type_name == "integer" and not -(2**31) <= value < 2**31:
        yield f"{at} is {value}, more than 32 bits"


def _in_xml_answer(operation, body):
    root = ElementTree.fromstring(body)
    namespace = operation.service_model.metadata["xmlNamespace"]
    foreign = {element.tag for element in root.iter() if not element.tag.startswith(f"{{{namespace}}}")}
    if foreign:
        yield f"elements outside of {namespace}: {sorted(foreign)}"
        return
    if _tag(root) != f"{operation.name}Response":
        yield f"the root is {_tag(root)}"
    shape = operation.output_shape
    result = shape.serialization["resultWrapper"]
    if sorted(map(_tag, root)) != sorted([result, "ResponseMetadata"]):
        yield f"the root holds {[_tag(child) for child in root]}"
        return
    for child in root:
        if _tag(child) == result:
            yield from _xml(shape, child, shape.name)
        elif [_tag(element) for element in child] != ["RequestId"]:
            yield "ResponseMetadata is not a RequestId"


def _xml(shape, element, at):
    if shape.type_name == "structure":
        yield from _stray_text(element, at)
        members = {member.serialization.get("name", name): (name, member) for name, member in shape.members.items()}
        tags = [_tag(child) for child in element]
        yield from _membership(at, tags, members, shape)
        if len(tags) != len(set(tags)):
            yield f"{at} holds a member twice: {tags}"
        for child in element:
            if _tag(child) in members:
                yield from _xml(members[_tag(child)][1], child, f"{at}.{_tag(child)}")
    elif shape.type_name == "list":
        yield from _stray_text(element, at)
        yield from _length(at, shape, list(element))
        item = shape.member.serialization.get("name", "member")
        for child in element:
            if _tag(child) != item:
                yield f"{at} holds a {_tag(child)}, where its items are called {item}"
            yield from _xml(shape.member, child, f"{at}[]")
    elif len(element):
        yield f"{at} holds elements, and is a {shape.type_name}"
    elif shape.type_name not in IN_XML:
        yield f"{at} is a {shape.type_name}, which is not looked at"
    else:
        text = element.text or ""
        if not re.fullmatch(IN_XML[shape.type_name], text):
            yield f"{at} is {text!r}, no {shape.type_name}"
        elif shape.type_name == "string":
            yield from _text(at, shape, text)


def _membership(at, present, members, shape):
    invented = set(present) - members.keys()
    if invented:
        yield f"{at} has members that {shape.name} has not: {sorted(invented)}"
    missing = {wire for wire, (name, _) in members.items() if name in shape.required_members} - set(present)
    if missing:
        yield f"{at} lacks what {shape.name} requires: {sorted(missing)}"


def _text(at, shape, text):
    # Only the enumerations are the service's word on its answers.
    if shape.enum and text not in shape.enum and text not in RECORDED.get(shape.name, ()):
        yield f"{at} is {text!r}, none of {shape.enum}"
    yield from _length(at, shape, text)


def _length(at, shape, value):
    least, most = shape.metadata.get("min", 0), shape.metadata.get("max")
    if len(value) < least or (most is not None and len(value) > most):
        yield f"{at} has length {len(value)}, and {shape.name} between {least} and {most}"


def _stray_text(element, at):
    texts = [element.text, *(child.tail for child in element)]
    if any(text and text.strip() for text in texts):
        yield f"{at} holds text between its elements"


def _in_json_error(operation, response):
    body = json.loads(response.content)
    # `prefix#Code` is the protocol's other spelling.
    code = body.get("__type", "").rpartition("#")[2]
    shape = next((shape for shape in operation.error_shapes if _code(shape) == code), None)
    members = set(shape.members) if shape else set()
    if invented := body.keys() - members - {"__type", "message"}:
        yield f"the error {code} has members of its own: {sorted(invented)}"
    if not isinstance(body.get("message"), str):
        yield f"the error {code} has no message"
    yield from _declared(operation, code, shape, response.status_code)


def _in_xml_error(operation, response):
    root = ElementTree.fromstring(response.content)
    tags = [(_tag(child), [_tag(element) for element in child]) for child in root]
    if (_tag(root), tags) != ("ErrorResponse", [("Error", ["Type", "Code", "Message"]), ("RequestId", [])]):
        yield f"an error in the form {_tag(root)} {tags}"
        return
    side, code, _ = (element.text for element in root[0])
    if side != ("Sender" if response.status_code < 500 else "Receiver"):
        yield f"HTTP status {response.status_code} is blamed on the {side}"
    shape = next((shape for shape in operation.error_shapes if _code(shape) == code), None)
    yield from _declared(operation, code, shape, response.status_code)


def _declared(operation, code, shape, status):
    if shape is None:
        if code not in COMMON_ERRORS[operation.service_model.metadata["protocol"]]:
            yield f"{operation.name} has no error {code!r}"
        return
    declared = shape.metadata.get("error", {}).get("httpStatusCode", 400)
    if status != declared:
        yield f"{code} has HTTP status {status} instead of {declared}"


def _code(shape):
    return shape.metadata.get("error", {}).get("code", shape.name)


def _tag(element):
    return element.tag.rpartition("}")[2]
