"""`watch`: beside a drain, interrupted, resized, and in a terminal with few rows."""

import re

from command import INTERRUPTED, ending, pictured, shown, under_heads
from drains import DEADLINE, time_goes_on
from pictures import THAT_STAY
from served import LEAVING
from terminal import CTRL_C, HIGH, NARROW, WIDE

# More often than by itself, so that a test need not wait.
WATCH = ("watch", "--every", "1s")
ENDS = "Ctrl-C ends the watch, and nothing else."
SUMMARY = "1 instance drains"

FEW = 10


def beside_a_drain(checks, command, _):
    drain = command.terminal("drain", LEAVING, "--yes", "--deadline", f"{DEADLINE}s", columns=NARROW)
    with ending(checks, drain, 0, "a drain that others watch"):
        checks.that(drain.until(lambda: pictured(drain, "DRAINING")), "it drains")
        with ending(checks, command.terminal(*WATCH), 0, "a watch until the end") as watch:
            shown(checks, watch, ENDS, "a watch says how to end it")
            with ending(checks, command.terminal(*WATCH, columns=NARROW), INTERRUPTED, "Ctrl-C in a watch") as other:
                checks.that(other.redrawn(ENDS), "another watches, too")
                other.types(CTRL_C)
                shown(checks, other, "The watch has ended; the drains go on without it.", "Ctrl-C ends only the watch")
            checks.that(drain.process.poll() is None, "the drain goes on")
            shown(checks, watch, "1 is empty, and nothing is left to wait for.", "a watch ends when nothing is left")
            watch.ended()
            checks.that(ENDS not in watch.everything(), "the end is written in place of the picture")
        shown(checks, drain, "drained in", "the drain comes to its end")
    seen = [it for it in map(under_heads, watch.seen) if it]
    checks.equal({(it.get("INSTANCE"), it.get("CAUSE")) for it in seen}, {(LEAVING, "maintenance")}, "whose drain, and why")
    time_goes_on(checks, watch.seen)
    tasks = [int(it["TASKS"]) for it in seen if it.get("TASKS", "").isdigit()]
    checks.that(tasks == sorted(tasks, reverse=True) and len(set(tasks)) > 1, f"tasks become fewer: {tasks}")
    checks.equal(tasks[-1:], [0], "until none is left")
    checks.that(all(text.count(SUMMARY) <= 1 for text in watch.seen), "the picture stands there once, always")


def resized(checks, command, _):
    command.set_draining(THAT_STAY)
    above = "a line of the shell"

    def once():
        return watch.text().count(SUMMARY) == 1 and watch.text().count(ENDS.split()[0]) == 1

    with ending(checks, command.after(above, *WATCH), INTERRUPTED, "a watch in a terminal that is resized") as watch:
        checks.that(watch.until(lambda: under_heads(watch.text())), "a table")
        checks.that(watch.redrawn(ENDS), "it is drawn again and again")
        watch.resize(NARROW)
        blocks = watch.until(lambda: not under_heads(watch.text()) and "\n  cluster " in watch.text())
        checks.that(blocks, "blocks, when it is made narrow")
        checks.that(once(), f"nothing is left of the picture before: {watch.text()}")
        checks.that(watch.text().startswith(above), "and nothing above is gone")
        checks.that(watch.redrawn(ENDS), "again and again")
        watch.resize(WIDE)
        checks.that(watch.until(lambda: under_heads(watch.text())), "a table again, when it is made wide")
        checks.that(once(), f"nothing is left of the blocks: {watch.text()}")
        checks.that(watch.text().startswith(above), "and still nothing above is gone")
        watch.types(CTRL_C)


def few_rows(checks, command, _):
    command.set_draining(THAT_STAY)
    with command.terminal(*WATCH, rows=HIGH) as high:
        shown(checks, high, ENDS, "a watch with room for all of it")
        lines = len(high.text().splitlines())
    # The last row is the cursor's, and the one before it says how many lines are left out.
    more = f"… and {lines - (FEW - 2)} lines more"
    with ending(checks, command.terminal(*WATCH, rows=FEW), INTERRUPTED, "a watch in few rows") as watch:
        shown(checks, watch, more, f"what has no room is counted: {more}")
        drawn = len(watch.seen)
        checks.that(watch.until(lambda: len(watch.seen) > drawn + 2), "it is drawn again")
        checks.that(watch.text().startswith(SUMMARY), "the summary stands at the top")
        checks.equal(watch.screen.gone, [], "nothing has scrolled")
        watch.types(CTRL_C)

    # Here the plan scrolls, and the picture must not.
    with ending(checks, command.terminal("drain", LEAVING, "--yes", rows=FEW), INTERRUPTED, "a drain in few rows") as drain:
        checks.that(drain.until(lambda: re.search("… and [0-9]+ lines more$", drain.text())), "its picture is cut, too")
        gone, drawn = len(drain.screen.gone), len(drain.seen)
        checks.that(drain.until(lambda: len(drain.seen) > drawn + 2), "and drawn again")
        checks.equal(len(drain.screen.gone), gone, "without scrolling")
        checks.that(drain.text().startswith(SUMMARY), "from the top")
        drain.types(CTRL_C)
