"""Counting checks, and telling of them."""

import traceback
from contextlib import contextmanager
from pathlib import Path

from botocore.exceptions import ClientError


class Checks:
    """The checks of one group."""

    def __init__(self, group):
        self.group = group
        self.count = 0
        self.failures = []
        self._answers = {}

    def answered(self, operation, problems):
        """The problems of one answer. They make one check for each operation, however often it is asked."""
        # A dict keeps the order, and each problem once.
        self._answers.setdefault(operation, {}).update(dict.fromkeys(problems))

    def close(self):
        for operation, problems in self._answers.items():
            self.none(problems, f"the answers of {operation} fit its model")

    def none(self, problems, what):
        """One check, which fails when there is any problem."""
        self.count += 1
        problems = list(problems)
        if problems:
            self.failures.append(f"{_asked_at()}{what}: " + "; ".join(problems))

    def that(self, holds, what):
        self.none([] if holds else ["is not so"], what)

    def equal(self, got, wanted, what):
        self.none([] if got == wanted else [f"{got!r} instead of {wanted!r}"], what)

    def refused(self, client, code, call, says="", status=400):
        """`call` is refused with `code`, as the exception class the client has for it."""
        what = f"a refusal with {code}"
        try:
            answer = call()
        except ClientError as error:
            self.none(_refusal_problems(client, error, code, says, status), what)
        else:
            self.none([f"answered {answer!r}"[:300]], what)

    @contextmanager
    def nothing_raised(self):
        """An exception is a failed check, not the end of the run."""
        try:
            yield
        except Exception as error:
            # The innermost frame is often the client's: the last one of ours says which check it was.
            frames = traceback.extract_tb(error.__traceback__)
            ours = [frame for frame in frames if "site-packages" not in frame.filename]
            self.none([f"{type(error).__name__}: {error}, at {_place(ours[-1])}"], "the group runs to its end")

    def line(self):
        if not self.failures:
            return f"ok  {self.group}: {self.count} checks"
        lines = [f"FAILED  {self.group}: {len(self.failures)} of {self.count} checks"]
        return "\n".join(lines + [f"    {failure}" for failure in self.failures])


def checked(name, group):
    """The checks that `group` makes."""
    checks = Checks(name)
    with checks.nothing_raised():
        group(checks)
    return checks


def told(groups):
    """Prints a line for each group of checks as it comes, and how many held; answers the exit status."""
    passed = failed = 0
    for checks in groups:
        print(checks.line(), flush=True)
        failed += len(checks.failures)
        passed += checks.count - len(checks.failures)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


def _asked_at():
    """Where in a group a check is, which its words alone may not say."""
    stack = traceback.extract_stack()
    frames = [frame for frame in stack if Path(frame.filename).name not in ("report.py", "check.py", "contextlib.py")]
    return f"{_place(frames[-1])}: " if frames else ""


def _place(frame):
    return f"{Path(frame.filename).name}:{frame.lineno}"


def _refusal_problems(client, error, code, says, status):
    got = error.response["Error"]
    if got["Code"] != code:
        yield f"{got['Code']} ({got.get('Message')}) instead"
        return
    if says.lower() not in got.get("Message", "").lower():
        yield f"the message is {got.get('Message')!r}, without {says!r}"
    http_status = error.response["ResponseMetadata"]["HTTPStatusCode"]
    if http_status != status:
        yield f"HTTP status {http_status} instead of {status}"
    # `client.exceptions.ClusterNotFoundException` and so on; a plain ClientError for what the model does not name.
    if not isinstance(error, client.exceptions.from_code(code)):
        yield f"raised as {type(error).__name__}"
