"""The bill of materials that is made with the release build, against what Cargo builds the functions from."""

import json
import shutil
import subprocess
import tempfile
from pathlib import Path

PACKAGE = "ecs-drainer-functions"

# What others of the workspace are made of, and the functions are not: those of the command would cost their cold start.
OF_OTHERS = [
    "simulator",
    "proptest",
    "empty-function",
    "ecs-drainer",
    "clap",
    "clap_complete",
    "console",
    "textwrap",
    "aws-sdk-cloudformation",
    "aws-sdk-eventbridge",
    "aws-sdk-iam",
    "aws-sdk-signin",
    "aws-sdk-sso",
    "aws-sdk-ssooidc",
]


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
    strangers = sorted({name for name, _ in listed.keys() | shipped if name in OF_OTHERS})
    checks.that(not strangers, f"it has {strangers}, which do not ship")


def has_nothing_of_the_command(checks, workspace):
    """The functions are built from the same crates, with the same features, as if there were no command."""
    with tempfile.TemporaryDirectory() as folder:
        without = Path(folder) / "workspace"
        shutil.copytree(workspace, without, ignore=shutil.ignore_patterns("target", ".git", ".aws-sam"))
        manifest = without / "Cargo.toml"
        text = manifest.read_text()
        checks.that('"cli", ' in text, "the command is a member of the workspace")
        manifest.write_text(text.replace('"cli", ', ""))
        shutil.rmtree(without / "cli")
        # Without it the lock file has too much in it, which Cargo takes out.
        graph, graph_without = features(workspace, "--locked"), features(without, "--offline")
    checks.that(len(graph) > 500, f"Cargo names {len(graph)} crates and features")
    checks.that(graph == graph_without, f"the command adds {sorted(graph - graph_without)}")


def features(workspace, *options):
    """Every crate that is linked into the functions, and every feature that it is built with."""
    command = ["cargo", "tree", *options, "--package", PACKAGE, "--edges", "normal,features", "--prefix", "none"]
    told = subprocess.run(command, cwd=workspace, check=True, capture_output=True, text=True).stdout
    return {line.removesuffix(" (*)").replace(str(workspace), "") for line in told.splitlines()}


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
