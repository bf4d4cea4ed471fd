#!/usr/bin/env bash
# Looks at pages that the demo has written in Chromium: run.sh DRAINED.html UNDRAINED.html
set -euo pipefail
cd "$(dirname "$0")/../.."

# The same environment as for the checks of the wire format.
venv=$(.ci/venv "${CONFORMANCE_VENV:-target/conformance-venv}" simulator/conformance/requirements.txt)
command -v chromium >/dev/null || { apt-get update -q && apt-get install -qy --no-install-recommends chromium; }
exec "$venv/bin/python" simulator/page/check.py "$(command -v chromium)" "$@"
