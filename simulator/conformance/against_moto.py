"""Asks the simulator and moto the same, and compares the shapes of the answers: members, types, error codes."""

from botocore import xform_name
from botocore.exceptions import ClientError

import cases
from clients import Aws
from differences import DIFFERENCES, ONLY_MOTO, ONLY_SIMULATOR
from ecs import wait_for_events
from moto_world import moto_world
from report import Checks
from served import Simulator
from stack import RULE, physical_ids


def groups(binary, flags):
    """For each operation, the checks that it differs from moto as it is known to, and not otherwise."""
    setup = Checks("the same world in moto")
    simulators = motos = None
    with setup.nothing_raised():
        with Simulator(binary, *flags) as simulator:
            aws = Aws(simulator.url, setup)
            # moto's services tell nothing, however long one waits.
            wait_for_events(aws.ecs)
            rule = physical_ids(aws)[RULE]
            simulators = outcomes(cases.side(aws.ecs, aws.auto_scaling, aws.events, rule), ClientError)
        with moto_world() as (ecs, auto_scaling, events):
            # moto does not only refuse: what it does not foresee it raises as it comes.
            motos = outcomes(cases.side(ecs, auto_scaling, events, RULE), Exception)
    setup.close()
    yield setup
    for operation in cases.CASES if motos else ():
        checks = Checks(f"{operation}, next to moto")
        compare(checks, operation, simulators[operation], motos[operation])
        yield checks


def compare(checks, operation, simulators, motos):
    listed = {(row.at, row.what) for row in DIFFERENCES if operation in row.operations}
    found = set()
    for title in cases.CASES[operation]:
        here = set(differences(title, simulators[title], motos[title]))
        checks.none(
            [f"{at}: {what}" for at, what in sorted(here - listed)], f"{title}: a difference that is not listed"
        )
        found |= here
    for at, what in sorted(listed):
        checks.none([] if (at, what) in found else [what], f"{at}: a listed difference that is no more")


def outcomes(side, errors):
    """What comes of every case: an error code, or the shapes in the answer."""
    return {
        operation: {title: outcome(side, operation, request, errors) for title, request in requests.items()}
        for operation, requests in cases.CASES.items()
    }


def outcome(side, operation, request, errors):
    clients = (side.ecs, side.auto_scaling, side.events)
    client = next(it for it in clients if operation in it.meta.method_to_api_mapping.values())
    try:
        answer = getattr(client, xform_name(operation))(**request(side))
    except ClientError as error:
        return error.response["Error"]["Code"]
    except errors as error:
        return f"raises {type(error).__name__}"
    answer.pop("ResponseMetadata")
    shapes = {}
    collect(client.meta.service_model.operation_model(operation).output_shape, answer, shapes)
    return shapes


def collect(shape, value, shapes):
    """By the name of each structure in an answer: its members' types; `member[]` is a list's item, if it has any."""
    members = shapes.setdefault(shape.name, {})
    for name, held in value.items():
        member = shape.members[name]
        members.setdefault(name, set()).add(type(held).__name__)
        if member.type_name == "list":
            member, items, name = member.member, held, f"{name}[]"
            members.update({name: {type(item).__name__ for item in items}} if items else {})
        else:
            items = [held]
        if member.type_name == "structure":
            for item in items:
                collect(member, item, shapes)


def differences(title, simulator, moto):
    if isinstance(simulator, str) or isinstance(moto, str):
        told = [it if isinstance(it, str) else "answered" for it in (moto, simulator)]
        if told[0] != told[1]:
            yield title, f"moto: {told[0]}, simulator: {told[1]}"
        return
    # A structure that only one has is in a member or a list that only one has, which is told of.
    for name in simulator.keys() & moto.keys():
        for member in simulator[name].keys() | moto[name].keys():
            ours, theirs = simulator[name].get(member), moto[name].get(member)
            if ours is None:
                yield f"{name}.{member}", ONLY_MOTO
            elif theirs is None:
                yield f"{name}.{member}", ONLY_SIMULATOR
            elif ours != theirs:
                yield f"{name}.{member}", f"moto: {'/'.join(sorted(theirs))}, simulator: {'/'.join(sorted(ours))}"
