"""`cargo lambda watch` and `cargo lambda invoke`, with the binary that ships, against `simulator serve`."""

import json
import os
import subprocess

from processes import Running, free_port, wait_for
from served import LEAVING, Simulator

STARTS_WITHIN = 30
# The demo's world drains in about ten seconds.
DRAINS_WITHIN = 60

# It reads `Terminating` for less than a second.
WAITS_WITHIN = 10

FUNCTION = "instance-terminating"


def drain(checks, workspace, simulator_binary):
    """A function by hand, as the README has it, but for the binary, which here is the one that ships."""
    with Simulator(simulator_binary, leave_after=0) as simulator:
        port = free_port()
        watch = ["cargo", "lambda", "watch", "--invoke-address", "127.0.0.1", "--invoke-port", port]
        # The binary is built; `watch` alone would build it once more, in another way.
        with Running([*watch, "--only-lambda-apis"], folder=workspace) as emulator:
            emulator.listening(port, STARTS_WITHIN)
            environment = os.environ | {
                "AWS_ENDPOINT_URL": simulator.url,
                "AWS_LAMBDA_RUNTIME_API": f"http://127.0.0.1:{port}/.rt/{FUNCTION}",
                "AWS_LAMBDA_FUNCTION_NAME": FUNCTION,
                "AWS_LAMBDA_FUNCTION_VERSION": "1",
                "AWS_LAMBDA_FUNCTION_MEMORY_SIZE": "128",
            }
            with Running([workspace / f"target/lambda/{FUNCTION}/bootstrap"], environment) as function:
                # The sample event is old: an old one is not looked at again until its instance waits.
                waiting = f"{LEAVING} is Terminating:Wait"
                wait_for(waiting, lambda: waiting in simulator.told(), WAITS_WITHIN)
                answer = invoke(workspace, port)
                checks.that(not function.is_over(), f"the function goes on: {function.said()[-2000:]}")
    [drained] = answer["drains"]
    checks.equal((drained["instanceId"], drained["outcome"]), (LEAVING, "drained"), "the answer")
    checks.equal(drained["remaining"], [], "tasks that remain")


def invoke(workspace, port):
    """Feeds the sample event to the function; answers its answer."""
    command = ["cargo", "lambda", "invoke", "--invoke-address", "127.0.0.1", "--invoke-port", str(port)]
    event = ["--data-file", "events/instance-terminate.json"]
    done = subprocess.run(
        [*command, FUNCTION, *event], cwd=workspace, capture_output=True, text=True, timeout=DRAINS_WITHIN, check=False
    )
    if done.returncode:
        raise AssertionError(f"cargo lambda invoke: {done.stdout}{done.stderr}")
    return json.loads(done.stdout)
