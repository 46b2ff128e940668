#!/usr/bin/env bash
# The whole test suite on a machine with nothing installed. What was not running before does not run afterwards.
set -euo pipefail
py=$1
section() { printf '\n=== %s (%s s since start)\n' "$1" "$SECONDS"; }
section "lint"; bash scripts/lint.sh "$py"
section "unit"; "$py" -m pytest tests/unit -q
section "packages and tools"; "$py" -m devcluster install-deps
running=$("$py" -m devcluster status --quiet 2>/dev/null || true)
cleanup() { [ -n "$running" ] || "$py" -m devcluster down || true; "$py" -m devcluster down --control-plane-only || true; }
trap cleanup EXIT
section "integration"; "$py" -m pytest tests/integration -q -m integration
section "end to end"; "$py" -m pytest tests/e2e tests/integration/devcluster -q -m e2e
section "done"
