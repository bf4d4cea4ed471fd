#!/usr/bin/env bash
# Drives the command in a terminal, and looks at what stands on the screen. Arguments go to check.py.
set -euo pipefail
cd "$(dirname "$0")/../.."

# The same environment as for the checks of the wire format.
venv=$(.ci/venv "${CONFORMANCE_VENV:-target/conformance-venv}" simulator/conformance/requirements.txt)
# What it starts; a stale one would be checked without a word. The same as `cargo test` has built.
cargo build --quiet --workspace --bins --locked
exec "$venv/bin/python" cli/terminal/check.py "$@"
