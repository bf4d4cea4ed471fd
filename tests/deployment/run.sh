#!/usr/bin/env bash
# Checks both templates with AWS's own tools, builds the functions as they ship, and runs them: in cargo-lambda's
# emulator, and deployed with SAM to an emulator of AWS. No account, no Docker.
set -euo pipefail
cd "$(dirname "$0")/../.."

here=tests/deployment
venv=$(.ci/venv "${DEPLOYMENT_VENV:-target/deployment-venv}" "$here/requirements.txt")
export PATH="$venv/bin:$PATH"

# Your own account, profile and endpoint must not count.
for variable in $(compgen -e | grep '^AWS_' || true); do unset "$variable"; done
export AWS_CONFIG_FILE=/dev/null AWS_SHARED_CREDENTIALS_FILE=/dev/null
export AWS_REGION=us-west-2 AWS_DEFAULT_REGION=us-west-2
# An access key of twelve digits is an account to the emulator.
export AWS_ACCESS_KEY_ID=123456789012 AWS_SECRET_ACCESS_KEY=made-up
export SAM_CLI_TELEMETRY=0

say() {
    printf -- '-- %s (after %d s)\n' "$1" "$SECONDS"
}

# Counts instructions.
command -v valgrind >/dev/null || { apt-get update -q && apt-get install -qy valgrind; }

say 'cargo deny'
cargo deny --locked check bans licenses sources
say 'cfn-lint on both templates'
cfn-lint template.yaml example/cluster.yaml
say 'sam validate'
sam validate --lint
say 'cargo lambda build'
cargo lambda build --release --locked
say 'bill of materials'
cargo install --quiet --locked --root target/tools cargo-sbom@0.10.0
PATH="$PWD/target/tools/bin:$PATH" "$here/bill_of_materials.sh" >target/lambda/bill-of-materials.cdx.json
say 'sam build, from the same target folder'
case $(uname -m) in
    aarch64 | arm64) architecture=arm64 ;;
    *) architecture=x86_64 ;;
esac
sam build --parameter-overrides "Architecture=$architecture"
for built in InstanceTerminating:instance-terminating SpotInterruption:spot-interruption Reconcile:reconcile; do
    cmp "target/lambda/${built#*:}/bootstrap" ".aws-sam/build/${built%:*}Function/bootstrap"
done
# What it starts unless told otherwise; a stale one would be checked without a word.
cargo build --quiet --locked --package simulator
say 'the functions at work'
exec "$venv/bin/python" "$here/check.py" "$architecture"
