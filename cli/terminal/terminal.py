"""A command in a terminal: a pseudo-terminal, and a screen on which what comes out of it is drawn."""

import codecs
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time

import pyte

# Rows and columns of most terminals here.
WIDE = 140
NARROW = 60
# No picture is as high, so that none is cut where that is not what is looked at.
HIGH = 50

# A text that has not come by then does not come: the slowest, a drain with its deadline, takes some 15 s when idle.
COMES_WITHIN = 60

CTRL_C = "\x03"
CTRL_D = "\x04"


class Screen(pyte.Screen):
    """A screen that remembers what should not happen on it."""

    def __init__(self, columns, lines):
        # Lines that the terminal had to break, being longer than it is wide.
        self.broken = []
        # Lines that went out at the top.
        self.gone = []
        super().__init__(columns, lines)

    def draw(self, data):
        for char in data:
            before = self.cursor.y, len(self.gone)
            full = self.cursor.x == self.columns
            text = self.display[self.cursor.y] if full else ""
            super().draw(char)
            if full and before != (self.cursor.y, len(self.gone)):
                self.broken.append(text.rstrip() + "⏎" + char)

    def index(self):
        if self.cursor.y == self.lines - 1:
            self.gone.append(self.display[0].rstrip())
        super().index()

    def narrowed(self, columns):
        """As most terminals do it: what has no room in a line goes on in the next."""
        rows, cursor = [], 0
        for y in range(self.lines):
            cells = [self.buffer[y][x] for x in range(self.columns)]
            while cells and cells[-1].data == " " and not cells[-1].reverse:
                cells.pop()
            if y == self.cursor.y:
                cursor = len(rows)
            rows += [cells[at : at + columns] for at in range(0, max(len(cells), 1), columns)]
        away = max(0, cursor - self.lines + 1)
        self.gone += ["".join(cell.data for cell in row) for row in rows[:away]]
        x = min(self.cursor.x, columns - 1)
        self.resize(columns=columns)
        self.buffer.clear()
        for y, row in enumerate(rows[away : away + self.lines]):
            self.buffer[y].update(enumerate(row))
        self.cursor.y, self.cursor.x = cursor - away, x


class Terminal:
    """Runs a command in a terminal of its own for as long as the `with` lasts."""

    # Those whose output must be read for them not to wait: also while something else is looked at.
    _open = []

    def __init__(self, arguments, environment, columns=WIDE, rows=HIGH):
        self.columns = columns
        self.screen = Screen(columns, rows)
        # Every state of the screen that it was seen in.
        self.seen = []
        self._stream = pyte.Stream(self.screen)
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._master, slave = pty.openpty()
        self._size(columns, rows)
        self._settings = termios.tcgetattr(self._master)
        self.process = subprocess.Popen(
            [str(it) for it in arguments],
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=environment,
            start_new_session=True,
            # Ctrl-C goes to the processes of this terminal.
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(slave)
        self._open.append(self)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        if self in self._open:
            self._open.remove(self)
        os.close(self._master)

    def text(self):
        """What stands on the screen."""
        return "\n".join(line.rstrip() for line in self.screen.display).rstrip()

    def everything(self):
        """That, and what went out at the top before."""
        return "\n".join([*self.screen.gone, self.text()])

    def sentences(self):
        """Everything with its line breaks taken back, in which a sentence is found however it was wrapped."""
        return " ".join(self.everything().split())

    def shows(self, words):
        """Whether these words come to stand on the screen, wrapped or not."""
        return self.until(lambda: words in self.sentences())

    def until(self, holds):
        """Whether it comes to hold, of a screen that changes."""
        deadline = time.monotonic() + COMES_WITHIN
        while not holds():
            if self not in self._open or time.monotonic() > deadline:
                return False
            _read_all(self._open, deadline)
        return True

    def redrawn(self, last):
        """Whether it is drawn anew, to its last words: then nothing is on its way, which Ctrl-C would discard unread."""
        seen = len(self.seen)
        return self.until(lambda: len(self.seen) > seen and self.text().endswith(last))

    def ended(self):
        """The exit status, when nothing more comes; none if it does not end."""
        if not self.until(lambda: self not in self._open):
            return None
        return self.process.wait(COMES_WITHIN)

    def types(self, keys):
        os.write(self._master, keys.encode())

    def resize(self, columns):
        """Makes it narrower, and what is in it learns of that."""
        self.columns = columns
        self.screen.narrowed(columns)
        self._size(columns, self.screen.lines)

    def settings_are_as_before(self):
        return termios.tcgetattr(self._master) == self._settings

    def cells(self, pattern):
        """The cells in which what matches stands: of each place, a list."""
        return [
            [self.screen.buffer[y][x] for x in range(*match.span())]
            for y, line in enumerate(self.screen.display)
            for match in re.finditer(pattern, line)
        ]

    def colors(self):
        """Every colour and attribute that a cell has."""
        cells = [self.screen.buffer[y][x] for y in range(self.screen.lines) for x in range(self.screen.columns)]
        return {it for cell in cells for it in (cell.fg, cell.bg, cell.bold and "bold") if it not in ("default", False)}

    def _size(self, columns, rows):
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def _read(self):
        try:
            data = os.read(self._master, 65536)
        except OSError:
            # Linux tells this way that no process has the other side open any more.
            data = b""
        if not data:
            self._open.remove(self)
            return
        self._stream.feed(self._decoder.decode(data))
        self.seen.append(self.text())


def _read_all(terminals, deadline):
    by_file = {terminal._master: terminal for terminal in terminals}
    ready, _, _ = select.select(list(by_file), [], [], max(0, deadline - time.monotonic()))
    for file in ready:
        by_file[file]._read()
