"""Checks what the simulator says on the wire, with boto3 and against moto.

One line for each group of checks; the exit status is 1 when one failed.
"""

import argparse
import os
import sys
from pathlib import Path

# The sources stay as they are in the repository.
sys.dont_write_bytecode = True

# Your own settings must not count: AWS_ENDPOINT_URL would send moto's clients elsewhere.
for variable in [name for name in os.environ if name.startswith("AWS_")]:
    del os.environ[variable]
os.environ["AWS_CONFIG_FILE"] = os.environ["AWS_SHARED_CREDENTIALS_FILE"] = os.devnull

import against_moto
import auto_scaling
import clusters
import drain
import ecs
import hooks
import stack
import throttling
from clients import Aws
from report import Checks, told
from served import STACK, Simulator

WORKSPACE = Path(__file__).resolve().parents[2]
DEPLOYED = ("--template", str(WORKSPACE / "template.yaml"), "--stack", STACK)


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "simulator", nargs="?", type=Path, default=WORKSPACE / "target/debug/simulator", help="the binary"
    )
    binary = parser.parse_args().simulator
    if not binary.is_file():
        sys.exit(f"{binary} is not there; build it with `cargo build -p simulator`")
    return told(groups(binary))


def groups(binary):
    # Each has a world of its own, so none finds what another left.
    for name, group in (ecs.GROUPS | auto_scaling.GROUPS).items():
        yield checked(name, group, binary)
    for name, group in clusters.GROUPS.items():
        yield checked(name, group, binary, "--managed-draining")
    yield checked("PutLifecycleHook", hooks.put_lifecycle_hook, binary)
    yield checked("a scaling activity", auto_scaling.a_scaling_activity, binary, leave_after=0)
    yield checked("DeleteLifecycleHook", hooks.delete_lifecycle_hook, binary, leave_after=0)
    for name, group in stack.GROUPS.items():
        yield checked(name, group, binary, *DEPLOYED)
    yield checked("a whole drain", drain.drain, binary, leave_after=0)
    yield checked("throttling", throttling.throttling, binary)
    yield from against_moto.groups(binary, ("--managed-draining", *DEPLOYED))


def checked(name, group, binary, *flags, **options):
    checks = Checks(name)
    with checks.nothing_raised(), Simulator(binary, *flags, **options) as simulator:
        group(checks, Aws(simulator.url, checks))
    checks.close()
    return checks


if __name__ == "__main__":
    sys.exit(main())
