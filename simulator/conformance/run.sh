#!/usr/bin/env bash
# Checks the simulator with clients that know nothing of it. Arguments go to check.py.
set -euo pipefail
cd "$(dirname "$0")/../.."

here=simulator/conformance
venv=$(.ci/venv "${CONFORMANCE_VENV:-target/conformance-venv}" "$here/requirements.txt")
# What it starts unless told otherwise; a stale one would be checked without a word.
cargo build --quiet --locked --package simulator
exec "$venv/bin/python" "$here/check.py" "$@"
