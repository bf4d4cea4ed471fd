"""The user data of `example/cluster.yaml`: two MIME parts, and what the script makes of a host."""

import email
import re
import stat
import subprocess
import tempfile
from pathlib import Path

from samcli.yamlhelper import yaml_parse

VALUES = {
    "ConfigBucket": "bucket",
    "ConfigKey": "ecs.config",
    "ClusterName": "prod",
    "RegistrySecretArn": "",
    "AWS::Region": "us-west-2",
}
SECRET = '{"https://registry.example.com":{"password":"hunter2"}}'
SETTINGS = "ECS_CONTAINER_STOP_TIMEOUT=30s"
RUNS_WITHIN = 10

# Stand-ins for the host's commands: each notes that it was called.
STAND_INS = {
    "aws": """
case "$1" in
    s3) [ -n "$NO_SUCH_KEY" ] && exit 1; printf '%s' "$SETTINGS" >"$4" ;;
    secretsmanager) printf '%s\\n' "$SECRET" ;;
esac
""",
    "systemctl": "",
    "dnf": "exit 1",
}


def parts_do_what_they_say(checks, workspace):
    template = yaml_parse((workspace / "example/cluster.yaml").read_text())
    text = template["Resources"]["HostTemplate"]["Properties"]["LaunchTemplateData"]["UserData"]["Fn::Base64"]["Fn::Sub"]

    hook, script = parts(text, VALUES)
    types = (hook.get_content_type(), script.get_content_type())
    checks.equal(types, ("text/cloud-boothook", "text/x-shellscript"), "the parts")
    for part in (hook, script):
        checked = subprocess.run(["bash", "-n"], input=part.get_payload(), text=True, check=False)
        checks.equal(checked.returncode, 0, f"bash reads {part.get_content_type()}")

    config, called, _ = run(script)
    checks.equal(config, f"{SETTINGS}\nECS_CLUSTER=prod\n", "ecs.config")
    checks.that("systemctl" not in called, "the agent is left to start")

    config, _, said = run(parts(text, VALUES | {"RegistrySecretArn": "arn:aws:secretsmanager:x"})[1])
    credentials = f"ECS_ENGINE_AUTH_TYPE=docker\nECS_ENGINE_AUTH_DATA={SECRET}\n"
    checks.equal(config, f"{SETTINGS}\nECS_CLUSTER=prod\n{credentials}", "ecs.config with credentials")
    checks.that("hunter2" not in said, "nothing secret is printed")

    config, called, _ = run(script, NO_SUCH_KEY="1")
    checks.equal(config, None, "ecs.config without its settings")
    checks.that("systemctl disable --now --no-block ecs" in called, "the agent does not start then")


def parts(text, values):
    return email.message_from_string(re.sub(r"\$\{([\w:]+)\}", lambda name: values[name[1]], text)).get_payload()


def run(script, **environment):
    """Runs the script in a folder instead of on a host. Answers its ecs.config, what it called and what it printed."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "ecs").mkdir()
        for command, body in STAND_INS.items():
            stand_in = folder / command
            stand_in.write_text(f'#!/bin/bash\necho "{command} $*" >>{folder}/called\n{body}')
            stand_in.chmod(stand_in.stat().st_mode | stat.S_IXUSR)
        done = subprocess.run(
            ["bash", "-s"],
            input=script.get_payload().replace("/etc/ecs/", f"{folder}/ecs/"),
            env={"PATH": f"{folder}:/usr/bin:/bin", "SETTINGS": SETTINGS, "SECRET": SECRET} | environment,
            capture_output=True,
            text=True,
            timeout=RUNS_WITHIN,
            check=False,
        )
        config = folder / "ecs/ecs.config"
        if config.exists() and config.stat().st_mode & 0o077:
            raise AssertionError("others may read the credentials")
        return (
            config.read_text() if config.exists() else None,
            (folder / "called").read_text(),
            done.stdout + done.stderr,
        )
