"""The bill of materials that is made with the release build, against what Cargo builds the functions from."""

import json
import subprocess

PACKAGE = "ecs-drainer-functions"


def is_whole(checks, workspace):
    bill = json.loads((workspace / "target/lambda/bill-of-materials.cdx.json").read_text())
    checks.that((bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6"), "it is in CycloneDX 1.6")
    listed = {(part["name"], part["version"]): part for part in bill["components"]}
    shipped = set(parts(workspace))
    checks.that(len(shipped) > 100, f"Cargo names {len(shipped)} crates")
    missing = sorted(shipped - listed.keys() - {(PACKAGE, version(workspace))})
    checks.that(not missing, f"it lacks {missing}")
    unlicensed = sorted(part for part in shipped & listed.keys() if not listed[part].get("licenses"))
    checks.that(not unlicensed, f"it gives no licence of {unlicensed}")
    strangers = sorted(name for name, _ in listed if name in ("simulator", "proptest", "empty-function"))
    checks.that(not strangers, f"it has {strangers}, which do not ship")


def parts(workspace):
    """Name and version of every crate that is linked into the functions."""
    # `{p}` is a package's name and version, and where it comes from if not from the registry.
    command = ["cargo", "tree", "--locked", "--package", PACKAGE, "--edges", "normal", "--prefix", "none", "--format", "{p}"]
    told = subprocess.run(command, cwd=workspace, check=True, capture_output=True, text=True).stdout
    for line in filter(None, told.splitlines()):
        name, version, *_ = line.split()
        yield name, version.removeprefix("v")


def version(workspace):
    return next(version for name, version in parts(workspace) if name == PACKAGE)
