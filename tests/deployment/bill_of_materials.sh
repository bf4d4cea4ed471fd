#!/usr/bin/env bash
# Writes the bill of materials of the functions to standard output, in CycloneDX 1.6. Takes `cargo install cargo-sbom`.
set -euo pipefail
cd "$(dirname "$0")/../.."

# Cargo's metadata unites the features of all members: with the command among them, ways to sign in that no function is
# built with would be on the bill.
without=$(mktemp -d)
trap 'rm -rf "$without"' EXIT
tar -cf - --exclude=./target --exclude=./.git --exclude=./.aws-sam --exclude=./cli . | tar -xf - -C "$without"
sed 's/"cli", //' Cargo.toml >"$without/Cargo.toml"
cd "$without"
cargo sbom --cargo-package ecs-drainer-functions --output-format cyclone_dx_json_1_6
