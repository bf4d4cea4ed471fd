"""Output that is written once: `status`, its colours, and `check`."""

import re

from command import are_bold, colors_of, ending, shown, under_heads, until
from served import CLUSTER, DAEMON, GROUP, JOB, LEAVING, SERVICE
from terminal import NARROW, WIDE

# As narrow as a terminal beside an editor.
NARROWEST = 40
# Whatever could be broken comes to the end of a line in one of these.
RATHER_NARROW = range(NARROWEST, NARROW, 4)
LABELS = ("cluster", "cause", "since", "tasks", "deadline", "next")

# What stays in the world of Spot: the job, payments, and the daemon, which waits for them.
THAT_STAY = 3

# The seconds of a duration, which go on from one picture to the next.
SECONDS = re.compile(r"\d+s,")

# ANSI's yellow, as pyte has it.
YELLOW = "brown"


def status(checks, command, _):
    checks.that(until(command.drains), "a host that waits on the hook is in the list")
    with ending(checks, command.terminal("status"), 0, "status, wide") as wide:
        shown(checks, wide, "1 instance drains, 3 tasks left.", "what there is, in a sentence")
        wide.ended()
        values = {
            "INSTANCE": LEAVING,
            "CLUSTER": CLUSTER,
            "STATUS": "ACTIVE",
            "CAUSE": "termination",
            "TASKS": "3",
        }
        under = under_heads(wide.text())
        since, deadline = under.pop("SINCE", ""), under.pop("DEADLINE", "")
        checks.equal(under, values, "a wide terminal has a table, each value under its head")
        checks.that(re.fullmatch(r"\d+s, \d\d:\d\d:\d\dZ", since), "since when, which the scaling activity tells")
        checks.that(re.fullmatch(r"in 59m \d+s, \d\d:\d\d:\d\dZ", deadline), "and the deadline that follows")
        checks.equal(colors_of(wide, "ACTIVE"), {"red"}, "that it is not DRAINING is red")
        checks.equal(colors_of(wide, "(?<=ACTIVE) +termination"), {"default"}, "and nothing after it")
        for group in (f"family:{JOB}", f"service:{SERVICE}", f"service:{DAEMON}"):
            shown(checks, wide, group, "each task that is left")
        details = [" ".join(line.split()) for line in wide.text().splitlines()[4:]]
    checks.equal(len(details), 6, "below it what comes next, a line for each task, and two on the settings")

    with ending(checks, command.terminal("status", columns=NARROW), 0, "status, narrow") as narrow:
        narrow.ended()
        lines = narrow.text().splitlines()
        checks.equal(under_heads(narrow.text()), {}, "a narrow terminal has no table")
        checks.that(f"{LEAVING}  ACTIVE" in lines, "but a block that begins with the host")
        for label in LABELS:
            checks.that(any(line.startswith(f"  {label} ") for line in lines), f"and has its {label}")

    known = {*wide.sentences().split(), *LABELS, f"{CLUSTER},", "group", GROUP}
    for columns in RATHER_NARROW:
        with ending(checks, command.terminal("status", columns=columns), 0, f"status in {columns} columns") as narrow:
            narrow.ended()
            words = {word for word in narrow.sentences().split() if not SECONDS.fullmatch(word)}
            checks.equal(words - known, set(), f"no word is broken in {columns} columns")
            for sentence in details:
                shown(checks, narrow, sentence, f"nothing is cut off in {columns} columns")


def colors(checks, command, _):
    command.set_draining(THAT_STAY)
    for columns in (WIDE, NARROW):
        with ending(checks, command.terminal("status", columns=columns), 0, "status in colour") as terminal:
            terminal.ended()
            checks.equal(colors_of(terminal, "DRAINING"), {YELLOW}, "DRAINING is yellow")
            checks.that(are_bold(terminal, LEAVING), "the host is bold")
            checks.equal(colors_of(terminal, f"family:{JOB}"), {"cyan"}, "each task's owner stands out")
    for why, flags, variables in [
        ("--color never", ("--color", "never"), {}),
        ("NO_COLOR", (), {"NO_COLOR": "1"}),
        ("TERM=dumb", (), {"TERM": "dumb"}),
    ]:
        with ending(checks, command.terminal("status", *flags, **variables), 0, f"status with {why}") as terminal:
            shown(checks, terminal, "DRAINING", f"{why} says the same")
            terminal.ended()
            checks.equal(terminal.colors(), set(), f"{why}: no colours")
    with ending(checks, command.terminal("status", "--color", "always", NO_COLOR="1"), 0, "colours always") as terminal:
        terminal.ended()
        checks.equal(colors_of(terminal, "DRAINING"), {YELLOW}, "--color goes before NO_COLOR")

    written(checks, command.piped("status"), "DRAINING", "no colours into a pipe")
    always = command.piped("status", "--color", "always")
    written(checks, always, "\x1b[33mDRAINING\x1b[0m", "but with --color always, DRAINING in yellow")
    written(checks, always, f"\x1b[1m{LEAVING}\x1b[0m", "and the host in bold")

    with ending(checks, command.terminal("status", "--cluster", "nope", columns=NARROW), 3, "an error") as terminal:
        shown(checks, terminal, "error: there is no cluster nope in region us-west-2", "what is wrong")
        shown(checks, terminal, f"There are: {CLUSTER}.", "and what to do")
        checks.equal(colors_of(terminal, "error:"), {"red"}, "an error is red")
    written(checks, command.piped("status", "--cluster", "nope"), "error: there is no", "no error in colour into a pipe")


def written(checks, ran, text, what):
    """One check: the command wrote this, and no colours but those in it."""
    wrote = ran.stdout + ran.stderr
    colored = "\x1b" in wrote and "\x1b" not in text
    checks.none([] if text in wrote and not colored else [f"{text!r} is not all of {wrote!r}"], what)


def check(checks, command, _):
    for columns in (WIDE, NARROW, NARROWEST):
        with ending(checks, command.terminal("check", columns=columns), 0, "check") as terminal:
            summary = "0 problems, 0 warnings, 0 could not be looked at; 8 as it should be."
            shown(checks, terminal, summary, "an installation as it should be")
            terminal.ended()
            found = [line for line in terminal.everything().splitlines() if line.startswith("ok ")]
            checks.equal(len(found), 8, "each finding begins a line, and says ok")
            checks.equal(colors_of(terminal, "^ok"), {"green"}, "ok is green")


def managed_draining(checks, command, _):
    with ending(checks, command.terminal("check"), 0, "check with managed draining") as terminal:
        shown(checks, terminal, "managed draining is on, too", "managed draining is told of")
        shown(checks, terminal, "0 problems, 1 warning,", "as a warning")
        checks.equal(colors_of(terminal, "^warning"), {YELLOW}, "a warning is yellow")
        checks.equal(colors_of(terminal, "^ok"), {"green"}, "and the rest green")


def nothing_installed(checks, command, _):
    with ending(checks, command.terminal("check", columns=NARROW), 1, "check without an installation") as terminal:
        shown(checks, terminal, "problem stack ecs-drainer: there is none in region us-west-2", "a problem")
        checks.equal(colors_of(terminal, "^problem"), {"red"}, "a problem is red")
