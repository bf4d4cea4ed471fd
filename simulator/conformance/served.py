"""The simulator as a process of its own."""

import os
import re
import subprocess
import tempfile
import time

STARTS_WITHIN = 10
LOOK_EVERY = 0.01

# What `simulator serve` serves: see scenario.rs.
CLUSTER = "prod"
GROUP = "my-asg"
HOOK = "ecs-drainer"
HEARTBEAT_TIMEOUT = 300
LEAVING = "i-1234567890abcdef0"
STAYING = ("i-0a1b2c3d4e5f60718", "i-0f1e2d3c4b5a69788")
SERVICE = "web"
DAEMON = "log-agent"
JOB = "nightly-report"
STACK = "ecs-drainer"
REGION = "us-west-2"
ACCOUNT = "123456789012"

# Longer than any group of checks takes.
NEVER = 3600


class Simulator:
    """Serves a fresh world for as long as the `with` lasts, on a free port that it finds itself unless one is given.

    Further `options` are those of `simulator serve`.
    """

    def __init__(self, binary, *options, leave_after=NEVER, port=0):
        self._command = [str(binary), "serve", "--port", str(port), "--leave-after", str(leave_after), *options]

    def __enter__(self):
        # A file: a pipe without a reader fills up and stops the writer.
        self._output = tempfile.TemporaryFile()
        self._process = subprocess.Popen(self._command, stdout=self._output, stderr=subprocess.STDOUT)
        try:
            self.url = self._listening()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        self._process.kill()
        self._process.wait()
        self._output.close()

    def _listening(self):
        deadline = time.monotonic() + STARTS_WITHIN
        while time.monotonic() < deadline:
            said = self.told()
            # It greets when it listens.
            if found := re.search(r"listen on (http://127\.0\.0\.1:\d+)", said):
                return found[1]
            if self._process.poll() is not None:
                raise RuntimeError(f"the simulator ended: {said.strip()}")
            time.sleep(LOOK_EVERY)
        raise TimeoutError(f"the simulator does not listen after {STARTS_WITHIN} s: {self.told().strip()}")

    def told(self):
        """All that it told of what happens in its world."""
        # Not by seeking: the process writes at the same offset.
        file = self._output.fileno()
        return os.pread(file, os.fstat(file).st_size, 0).decode()
