"""Processes that run for as long as a `with` lasts, on loopback."""

import os
import signal
import socket
import subprocess
import tempfile
import time

LOOK_EVERY = 0.2
# After SIGTERM; then it is killed.
ENDS_WITHIN = 5


class TooLate(Exception):
    """Something did not happen in time."""


def wait_for(what, happened, within):
    """Answers what `happened()` answers as soon as that is true; raises after `within` seconds."""
    deadline = time.monotonic() + within
    while True:
        if answer := happened():
            return answer
        if time.monotonic() > deadline:
            raise TooLate(f"{what}: not within {within} s")
        time.sleep(LOOK_EVERY)


def free_port():
    """A port of loopback that is free now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def listens(port):
    """Whether a process listens on a port of loopback."""
    with socket.socket() as connection:
        return connection.connect_ex(("127.0.0.1", port)) == 0


class Running:
    """A process and all that it starts, its output kept in a file."""

    def __init__(self, command, environment=None, folder=None):
        self._command = [str(part) for part in command]
        self._environment = environment
        self._folder = folder

    def __enter__(self):
        # A file: a pipe without a reader fills up and stops the writer.
        self._output = tempfile.TemporaryFile()
        self._process = subprocess.Popen(
            self._command,
            env=self._environment,
            cwd=self._folder,
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        return self

    def __exit__(self, *_):
        self._signal(signal.SIGTERM)
        try:
            self._process.wait(ENDS_WITHIN)
        except subprocess.TimeoutExpired:
            pass
        # The processes that it started, too.
        self._signal(signal.SIGKILL)
        self._process.wait()
        self._output.close()

    def _signal(self, number):
        try:
            os.killpg(self._process.pid, number)
        except ProcessLookupError:
            pass

    def is_over(self):
        return self._process.poll() is not None

    def said(self):
        file = self._output.fileno()
        return os.pread(file, os.fstat(file).st_size, 0).decode(errors="replace")

    def listening(self, port, within):
        """Waits until it listens."""

        def ready():
            if self.is_over():
                raise TooLate(f"{self._command[0]} ended: {self.said()[-2000:]}")
            return listens(port)

        wait_for(f"{self._command[0]} listens on {port}", ready, within)
