#!/usr/bin/env bash
# The whole test suite on a machine with nothing installed. What was not running before does not run afterwards.
# Integration tests mostly wait for an API server, so their groups run side by side, each on a control plane of its own.
set -euo pipefail
py=$1
logs=$(mktemp -d)
section() { printf '\n=== %s (%s s since start)\n' "$1" "$SECONDS"; }
running=$("$py" -m devcluster status --quiet 2>/dev/null || true)
cleanup() {
  [ -n "$running" ] || "$py" -m devcluster down || true
  for name in integration-a integration-b integration-c; do "$py" -m devcluster down --control-plane-only --name "$name" || true; done
  rm -rf "$logs"
}
trap cleanup EXIT
group() { # NAME, then pytest's words; its output goes to a file
  local name=$1; shift
  MCP_CONTROL_PLANE=$name "$py" -m pytest -q --durations=15 --durations-min=3 "$@" >"$logs/$name" 2>&1 &
}
finish() { # PID NAME: wait for a group and print what it said
  local status=0
  wait "$1" || status=$?
  section "$2"; cat "$logs/$2"
  return $status
}

section "lint"; bash scripts/lint.sh "$py"
section "packages and tools"; "$py" -m devcluster install-deps; "$py" -m devcluster tool kubectl; "$py" -c 'from tests.conformance.suite import installed; print(installed().home)'
section "unit, and integration side by side"
group integration-a -m integration tests/integration/chart tests/integration/crds tests/integration/devcluster tests/integration/sandbox tests/integration/server
a=$!
group integration-b -m integration tests/integration/operator
b=$!
failed=0
"$py" -m pytest -q --durations=10 --durations-min=3 tests/unit || failed=1
group integration-c -m integration tests/integration/operator_edge tests/conformance tests/fuzz
c=$!
group cluster -m e2e tests/integration/devcluster
d=$!
finish $a integration-a || failed=1
finish $c integration-c || failed=1
finish $b integration-b || failed=1
finish $d cluster || failed=1
section "end to end"; MCP_E2E_HAND_OVER=1 "$py" -m pytest -q -m e2e tests/e2e --durations=15 || failed=1
section "attacks; the proofs are in make test-long"; "$py" -m tests.attack --only attacks || failed=1
section "done"
exit $failed
