"""The command with a simulator as its AWS: in a terminal, and in a pipe."""

import json
import re
import subprocess
import time
from contextlib import contextmanager

from served import CLUSTER, LEAVING, REGION
from terminal import COMES_WITHIN, CTRL_C, HIGH, WIDE, Terminal

# Not more often: the simulated account has AWS's quotas, and the requests of all clients count.
LOOK_EVERY = 1

# The exit status of a program that SIGINT ended.
INTERRUPTED = 130

QUESTION = "[y/N]"
NOTHING_CHANGED = "Nothing was changed."
MAINTENANCE_SINCE = "ecs-drainer.maintenance-since"


class Command:
    def __init__(self, binary, url):
        self._binary = str(binary)
        # None of your own variables: neither NO_COLOR nor a profile may count.
        self._environment = {
            "TERM": "xterm-256color",
            "HOME": "/nonexistent",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_ENDPOINT_URL": url,
            "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        }

    def terminal(self, *arguments, columns=WIDE, rows=HIGH, **variables):
        return Terminal([self._binary, *arguments], self._environment | variables, columns, rows)

    def after(self, line, *arguments, **options):
        """The same, below a line that another program wrote."""
        script = ["sh", "-c", 'echo "$0"; exec "$@"', line, self._binary, *arguments]
        return Terminal(script, self._environment, **options)

    def piped(self, *arguments, **variables):
        return subprocess.run(
            [self._binary, *arguments],
            env=self._environment | variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=COMES_WITHIN,
        )

    def drains(self):
        """What `status` tells, by instance."""
        return {it["instanceId"]: it for it in self._json("status")["drains"]}

    def status_of(self, host):
        """ACTIVE, or DRAINING."""
        return self._json("drain", host, "--dry-run")["plan"][0]["status"]

    def set_draining(self, tasks_left):
        """Drains the leaving host and stops to wait for it, with so many tasks left that stay."""
        with self.terminal("drain", LEAVING, "--yes") as terminal:
            if not terminal.until(lambda: pictured(terminal, "DRAINING")):
                raise AssertionError(f"it is not drained:\n{terminal.everything()}")
            terminal.types(CTRL_C)
            terminal.ended()
        if not until(lambda: self.drains()[LEAVING]["tasksLeft"] == tasks_left):
            raise AssertionError(f"{tasks_left} tasks are not what is left: {self.drains()}")

    def _json(self, *arguments):
        ran = self.piped(*arguments, "--json")
        if ran.returncode != 0:
            raise AssertionError(f"{arguments} ended with {ran.returncode}: {ran.stderr}")
        return json.loads(ran.stdout)


def until(holds):
    """Whether it comes to hold, of something that no screen shows."""
    deadline = time.monotonic() + COMES_WITHIN
    while not (held := holds()) and time.monotonic() < deadline:
        time.sleep(LOOK_EVERY)
    return held


def shown(checks, terminal, words, what):
    """One check: these words come to stand on the screen."""
    checks.none([] if terminal.shows(words) else [f"{words!r} is not in\n{terminal.everything()}"], what)


def ends(checks, terminal, status, what):
    """Checks how it ends, and that the terminal is left as it was found."""
    got = terminal.ended()
    checks.none([] if got == status else [f"{got} instead of {status}:\n{terminal.everything()}"], f"{what}: exit status")
    screen = terminal.screen
    checks.that(not screen.cursor.hidden, f"{what}: afterwards the cursor is visible")
    checks.equal(screen.cursor.attrs, screen.default_char, f"{what}: afterwards no colour and no attribute is left set")
    checks.equal(screen.cursor.x, 0, f"{what}: the prompt stands at the beginning of a line")
    checks.that(terminal.settings_are_as_before(), f"{what}: afterwards the terminal echoes and edits as before")
    checks.equal(screen.broken, [], f"{what}: no line was longer than the terminal is wide")


@contextmanager
def ending(checks, terminal, status, what):
    """The same for a terminal that is closed with it."""
    with terminal:
        yield terminal
        ends(checks, terminal, status, what)


def pictured(terminal, status):
    """Whether a table or a block says this of the leaving host."""
    return re.search(rf"^{LEAVING} +({CLUSTER} +)?{status}", terminal.text(), re.MULTILINE)


def colors_of(terminal, pattern):
    """The colours of what matches, wherever it stands."""
    return {cell.fg for cells in terminal.cells(pattern) for cell in cells}


def are_bold(terminal, pattern):
    places = terminal.cells(pattern)
    return bool(places) and all(cell.bold for cells in places for cell in cells)


def under_heads(text):
    """The value under each head of the table's first row; empty where there is no table."""
    lines = text.splitlines()
    at = next((at for at, line in enumerate(lines) if line.startswith("INSTANCE")), None)
    if at is None or at + 1 == len(lines):
        return {}
    heads = [(match.start(), match[0]) for match in re.finditer(r"\S+", lines[at])]
    ends = [start for start, _ in heads[1:]] + [None]
    row = lines[at + 1]
    return {
        head: row[start:end].strip()
        for (start, head), end in zip(heads, ends)
        # It begins where its head does.
        if row[start : start + 1].strip() and (start == 0 or row[start - 1] == " ")
    }
