"""Runs the example's user data, and the functions as they ship.

They run in cargo-lambda's emulator, and deployed with SAM to an emulator of AWS.

One line for each group of checks; the exit status is 1 when one failed. The template must have been built by `sam
build`; run.sh does all of it.
"""

import argparse
import sys
from pathlib import Path

# The sources stay as they are in the repository.
sys.dont_write_bytecode = True

WORKSPACE = Path(__file__).resolve().parents[2]
# The simulator as a process, and how checks are told of, are the same as there.
sys.path.append(str(WORKSPACE / "simulator/conformance"))

import bill_of_materials
import budgets
import deployed
import local_lambda
import user_data
from report import checked, told


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("architecture", choices=["arm64", "x86_64"], help="what the functions were built for")
    parser.add_argument("--simulator", type=Path, default=WORKSPACE / "target/debug/simulator", help="the binary")
    arguments = parser.parse_args()

    groups = {
        "bill of materials": lambda checks: bill_of_materials.is_whole(checks, WORKSPACE),
        "nothing of the command": lambda checks: bill_of_materials.has_nothing_of_the_command(checks, WORKSPACE),
        "budgets": lambda checks: budgets.are_kept(checks, WORKSPACE),
        "user data of the example": lambda checks: user_data.parts_do_what_they_say(checks, WORKSPACE),
        "cargo lambda watch and invoke": lambda checks: local_lambda.drain(checks, WORKSPACE, arguments.simulator),
        "deployed": lambda checks: deployed.drains(checks, WORKSPACE, arguments.simulator, arguments.architecture),
    }
    status = told(checked(name, group) for name, group in groups.items())
    print(deployed.NOT_CHECKED)
    return status


if __name__ == "__main__":
    sys.exit(main())
