"""`drain` and `undrain`, by hand in a terminal."""

import re

from command import (
    INTERRUPTED,
    MAINTENANCE_SINCE,
    NOTHING_CHANGED,
    QUESTION,
    are_bold,
    colors_of,
    ending,
    pictured,
    shown,
)
from pictures import YELLOW
from served import CLUSTER, DAEMON, JOB, LEAVING, SERVICE
from terminal import CTRL_C, NARROW, WIDE

# Of the world of Spot: scenario.rs. ECS may neither stop nor start its task.
HELD = "payments"

# `web` is gone some five seconds after the host is set DRAINING; long enough after that it is seen that the others are not.
DEADLINE = 10

WIDTHS = {"wide": WIDE, "narrow": NARROW}
CHANGES = ("UpdateContainerInstancesState", "PutAttributes", "StopTask")
# In every live picture, in one line at any width; and its last word.
CLOCK, LAST = "Ctrl-C ends", "DRAINING."


def plan(checks, command, simulator):
    for name, columns in WIDTHS.items():
        terminal = command.terminal("drain", LEAVING, columns=columns)
        with ending(checks, terminal, 1, f"a drain that is not wanted, {name}"):
            the_plan(checks, terminal, name)
            promise = "ecs-drainer stops no task that ECS does not stop by itself, however long that takes"
            shown(checks, terminal, promise, "what is done about what is left: nothing")
            checks.equal(command.status_of(LEAVING), "ACTIVE", f"the plan is shown before anything is changed, {name}")
            terminal.types("n\r")
            shown(checks, terminal, f"n {NOTHING_CHANGED}", "no is no")
        checks.equal(command.status_of(LEAVING), "ACTIVE", "nothing has changed")
        checks.equal(command.drains(), {}, "nothing drains")
    with ending(checks, command.terminal("drain", LEAVING), INTERRUPTED, "Ctrl-C at the question") as terminal:
        shown(checks, terminal, QUESTION, "it asks")
        terminal.types(CTRL_C)
        shown(checks, terminal, f"^C {NOTHING_CHANGED}", "and Ctrl-C is no")
    checks.equal(command.status_of(LEAVING), "ACTIVE", "nothing has changed")
    checks.none([it for it in CHANGES if it in simulator.told()], "the command has asked AWS for no change")


def the_plan(checks, terminal, name):
    shown(checks, terminal, f"{LEAVING} cluster {CLUSTER}, 4 tasks", f"the plan begins with the host, {name}")
    shown(checks, terminal, "2 tasks are in the way: they may stay for as long as they like.", "how many block")
    shown(checks, terminal, f"Drain it? {QUESTION}", "then it asks")
    plan = terminal.sentences()
    for group, why in [
        (f"family:{JOB}", "in the way: no service owns it, so ECS does not stop it: it runs to its own end"),
        (f"service:{HELD}", "in the way: its service may have neither fewer tasks nor more: 1 desired"),
        (f"service:{DAEMON}", "a daemon: ECS stops it when all other tasks of the host have"),
        (f"service:{SERVICE}", "its service starts another elsewhere, then stops it"),
    ]:
        checks.that(re.search(rf"{group} \w{{8}} RUNNING {why}", plan), f"what becomes of {group}, {name}")
    checks.that(plan.index(HELD) < plan.index(DAEMON), "those that block come first")
    checks.equal(colors_of(terminal, "in the way: they"), {YELLOW}, "that tasks block is yellow")
    checks.that(are_bold(terminal, LEAVING), "the host is bold")


def to_the_end(name):
    """A whole drain, and `undrain` afterwards, in a terminal of that width."""
    columns = WIDTHS[name]

    def drain(checks, command, simulator):
        terminal = command.terminal("drain", LEAVING, "--deadline", f"{DEADLINE}s", columns=columns)
        with ending(checks, terminal, 0, f"a drain to its end, {name}"):
            the_plan(checks, terminal, name)
            promise = f"After {DEADLINE}s, ecs-drainer stops the tasks that are left, gracefully; it waits 10m more at most."
            shown(checks, terminal, promise, "what is done about what is left")
            checks.equal(command.status_of(LEAVING), "ACTIVE", "it is asked before anything is changed")
            terminal.types("y\r")
            live(checks, terminal)
            terminal.ended()
            told = simulator.told().count("StopTask")
            checks.equal(told, 3, "the job, payments and the daemon were told to stop")
            end = f"4 tasks stopped: {4 - told} moved by ECS or ended, {told} told to stop. None is left."
            shown(checks, terminal, end, "the end says how many moved, and how many were told to stop")
            checks.that(CLOCK not in terminal.everything(), "the end is written in place of the picture")
            lines = terminal.text().splitlines()
            last = " ".join(" ".join(lines[-2:]).split())
            checks.that(last.endswith(f"DRAINING until: ecs-drainer undrain {LEAVING}"), "last, how to take it back")
            checks.equal(colors_of(terminal, "drained(?= in )"), {"green"}, "drained is green")
            checks.that(f"{QUESTION} y {LEAVING} drained in" in terminal.sentences(), "the plan still stands above")
        checks.equal(command.drains()[LEAVING]["status"], "DRAINING", "it stays DRAINING")

        with ending(checks, command.terminal("undrain", LEAVING, columns=columns), 0, f"undrain, {name}") as terminal:
            said = f"{LEAVING} ACTIVE in cluster {CLUSTER}: takes tasks again; deleted {MAINTENANCE_SINCE}"
            shown(checks, terminal, said, "undrain says what it has done")
        checks.equal(command.status_of(LEAVING), "ACTIVE", "and the host takes tasks again")
        checks.equal(command.drains(), {}, "nothing drains any more")

    return drain


def picture(text):
    """The live picture of a screen: what stands below the question and its answer."""
    _, _, below = text.partition(f"{QUESTION} y\n")
    return below


def live(checks, terminal):
    checks.that(terminal.until(lambda: CLOCK in picture(terminal.text())), "a live picture below the question")
    waiting = " ".join(picture(terminal.text()).split())
    for group, why in [
        (f"family:{JOB}", "no service owns it, and draining does not stop such tasks"),
        (f"service:{HELD}", "its service may have neither fewer tasks nor more"),
        (f"service:{DAEMON}", "a daemon, which ECS stops when all other tasks of the host have"),
        (f"service:{SERVICE}", ""),
    ]:
        checks.that(re.search(rf"{group} \w{{8}} [A-Z]+ {why}", waiting), f"the picture says why {group} is left")

    def gone():
        below = picture(terminal.text())
        return f"service:{HELD}" in below and f"service:{SERVICE}" not in below

    checks.that(terminal.until(gone), "web leaves the picture when it has left the host, and payments does not")
    terminal.ended()
    pictures = [picture(text) for text in terminal.seen if CLOCK in picture(text)]
    checks.that(all(it.count(LEAVING) == 1 and it.count(CLOCK) == 1 for it in pictures), "it stands there once, always")
    time_goes_on(checks, pictures)
    unknown = [it for it in pictures if f"{LEAVING}  ?" in it or "not known yet" in it]
    checks.equal(unknown, [], "it is never drawn before anything is known")


def time_goes_on(checks, pictures):
    found = [re.search(r"maintenance\s+(?:since\s+)?(\d+)s, \d\d:\d\d:\d\dZ", it) for it in pictures]
    seconds = [int(it[1]) for it in found if it]
    checks.that(len(set(seconds)) > 3 and seconds == sorted(seconds), f"the time in it goes on: {seconds}")


def interrupted(checks, command, _):
    for name, columns in WIDTHS.items():
        terminal = command.terminal("drain", LEAVING, "--yes", "--deadline", "1h", columns=columns)
        with ending(checks, terminal, INTERRUPTED, f"Ctrl-C while it drains, {name}"):
            checks.that(terminal.until(lambda: pictured(terminal, "DRAINING")), f"the picture says DRAINING, {name}")
            checks.that(terminal.redrawn(LAST), "and is drawn again")
            terminal.types(CTRL_C)
            shown(checks, terminal, f"Interrupted. {LEAVING} stays DRAINING, with", "Ctrl-C says what stays as it is")
            shown(checks, terminal, "nothing is told to stop at the deadline any more", "and what does not come")
            shown(checks, terminal, f"To take it back: ecs-drainer undrain {LEAVING}", "and how to take it back")
            checks.equal(terminal.text().count(CLOCK), 1, "the picture stays above")
        checks.equal(command.drains()[LEAVING]["status"], "DRAINING", "and DRAINING it is")
