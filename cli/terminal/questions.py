"""The question before a change: `enroll` and `unenroll`."""

from command import INTERRUPTED, NOTHING_CHANGED, QUESTION, ending, shown, until
from served import GROUP, LEAVING
from terminal import CTRL_C, CTRL_D, NARROW

ENROLL = ("enroll", GROUP, "--heartbeat", "20m")
CHANGE = "heartbeat timeout 300 s becomes 1200 s"


def enroll(checks, command, _):
    def asked(answer, status, columns):
        terminal = command.terminal(*ENROLL, columns=columns)
        with ending(checks, terminal, status, f"enroll, answered {answer!r}"):
            shown(checks, terminal, f"{CHANGE} Change 1 group? {QUESTION}", "it says what it would do, and asks")
            terminal.types(answer)
            terminal.ended()
        return terminal

    for answer, status in [("n\r", 1), ("\r", 1), ("yellow\r", 1), (CTRL_D, 1), (CTRL_C, INTERRUPTED)]:
        lines = asked(answer, status, NARROW).text().splitlines()
        checks.equal(lines[-1], NOTHING_CHANGED, f"{answer!r} changes nothing, and what is said of it stands in its own line")
        before = command.piped(*ENROLL)
        checks.that(CHANGE in " ".join(before.stdout.split()), f"{answer!r} has changed nothing")

    said = asked("y\r", 0, NARROW).text().splitlines()
    checks.equal(said[-1], f"{GROUP}: done", "y does it")
    with ending(checks, command.terminal(*ENROLL), 0, "enroll again") as again:
        shown(checks, again, f"{GROUP} nothing to do", "what was done need not be done again")
        again.ended()
        checks.that(QUESTION not in again.everything(), "and nothing is asked")


def answered_late(checks, command, _):
    """A host of the group begins to leave while the question waits for its answer."""
    with ending(checks, command.terminal("unenroll", GROUP), 1, "unenroll, answered late") as terminal:
        shown(checks, terminal, f"is taken off Change 1 group? {QUESTION}", "it asks")
        checks.that(until(lambda: LEAVING in command.drains()), "meanwhile a host begins to leave")
        terminal.types("y\r")
        shown(checks, terminal, f"{LEAVING} of group {GROUP} waits on its hooks", "it looks again before it does it")
        terminal.ended()
    checks.that(LEAVING in command.drains(), "and the host is held as before")


def changed_meanwhile(checks, command, _):
    """Another operator changes the hook while the question waits for its answer."""
    with ending(checks, command.terminal(*ENROLL), 1, "enroll, while another operator does") as terminal:
        shown(checks, terminal, f"{CHANGE} Change 1 group? {QUESTION}", "it asks")
        checks.equal(command.piped("enroll", GROUP, "--heartbeat", "1h", "--yes").returncode, 0, "another operator does")
        terminal.types("y\r")
        shown(checks, terminal, f"hook ecs-drainer of group {GROUP} was changed meanwhile: look again", "it looks again")
        terminal.ended()
    after = " ".join(command.piped(*ENROLL).stdout.split())
    checks.that("heartbeat timeout 3600 s becomes 1200 s" in after, "and what the other did stands")
