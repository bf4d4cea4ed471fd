"""Drives the command in terminals, beside a simulated AWS, and looks at what stands on their screens.

One line for each group of checks; the exit status is 1 when one failed.
"""

import argparse
import sys
from pathlib import Path

# The sources stay as they are in the repository.
sys.dont_write_bytecode = True
WORKSPACE = Path(__file__).resolve().parents[2]
# How a simulator is started and checks are told of is the same as there.
sys.path.append(str(WORKSPACE / "simulator" / "conformance"))

import drains
import pictures
import questions
import watches
from command import Command
from report import Checks, told
from served import NEVER, Simulator

INSTALLED = ("--template", str(WORKSPACE / "template.yaml"))
# Seconds from the start until the host leaves: long enough for a question to be asked before.
THINKING = 5
# The longest there is, so that no hook's timeout comes in between.
HELD = ("--heartbeat-timeout", "7200")

# The group, the flags of its world, and when the host leaves.
GROUPS = {
    "status, wide and narrow": (pictures.status, HELD, 0),
    "colours": (pictures.colors, ("--spot",), NEVER),
    "check": (pictures.check, INSTALLED, NEVER),
    "check with managed draining": (pictures.managed_draining, (*INSTALLED, "--managed-draining"), NEVER),
    "check without an installation": (pictures.nothing_installed, (), NEVER),
    "enroll asks": (questions.enroll, INSTALLED, NEVER),
    "enroll, answered late": (questions.changed_meanwhile, INSTALLED, NEVER),
    "unenroll, answered late": (questions.answered_late, (*INSTALLED, *HELD), THINKING),
    "drain: the plan": (drains.plan, ("--spot",), NEVER),
    "drain to the end, wide": (drains.to_the_end("wide"), ("--spot",), NEVER),
    "drain to the end, narrow": (drains.to_the_end("narrow"), ("--spot",), NEVER),
    "Ctrl-C while it drains": (drains.interrupted, ("--spot",), NEVER),
    "watch beside a drain": (watches.beside_a_drain, ("--spot",), NEVER),
    "a terminal that is resized": (watches.resized, ("--spot",), NEVER),
    "a terminal with few rows": (watches.few_rows, ("--spot",), NEVER),
}


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--built", type=Path, default=WORKSPACE / "target/debug", help="where the binaries are")
    parser.add_argument("groups", nargs="*", metavar="GROUP", help="only these, by a part of their names")
    arguments = parser.parse_args()
    parts = arguments.groups or [""]
    wanted = {name: it for name, it in GROUPS.items() if any(part in name for part in parts)}
    if not wanted:
        sys.exit(f"no group has such a name; there are: {', '.join(GROUPS)}")
    return told(checked(name, arguments.built, *it) for name, it in wanted.items())


def checked(name, built, group, flags, leave_after):
    checks = Checks(name)
    # Each has a world of its own, so none finds what another left.
    with checks.nothing_raised(), Simulator(built / "simulator", *flags, leave_after=leave_after) as simulator:
        group(checks, Command(built / "ecs-drainer", simulator.url), simulator)
    return checks


if __name__ == "__main__":
    sys.exit(main())
