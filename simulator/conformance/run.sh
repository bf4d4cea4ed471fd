#!/usr/bin/env bash
# Checks the simulator with clients that know nothing of it. Arguments go to check.py.
set -euo pipefail
cd "$(dirname "$0")/../.."

here=simulator/conformance
venv=${CONFORMANCE_VENV:-target/conformance-venv}
python=$venv/bin/python
stamp=$venv/requirements.sha256

# With the interpreter's version: a venv does not outlive the Python it was made with.
wanted=$(python3 - "$here/requirements.txt" <<'PYTHON'
import hashlib, pathlib, sys
print(hashlib.sha256(pathlib.Path(sys.argv[1]).read_bytes()).hexdigest(), sys.version.split()[0])
PYTHON
)
if [ ! -x "$python" ] || [ "$(cat "$stamp" 2>/dev/null)" != "$wanted" ]; then
    python3 -m venv "$venv"
    "$python" -m pip install --quiet --disable-pip-version-check -r "$here/requirements.txt"
    # Last, so that an install that broke off is done again.
    printf '%s\n' "$wanted" >"$stamp"
fi
# What it starts unless told otherwise; a stale one would be checked without a word.
cargo build --quiet --locked --package simulator
exec "$python" "$here/check.py" "$@"
