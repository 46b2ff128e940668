#!/usr/bin/env bash
# Every check a machine can make without a cluster. Runs all of them, then fails if one failed.
set -uo pipefail
py=$1; bin=$(dirname "$py"); failed=0
run() { "$@" || { echo "lint: failed: $*" >&2; failed=1; }; }
run "$bin/ruff" check .
run "$bin/ruff" format --check .
run "$bin/mypy" api/src operator/src server/src sandbox/src devcluster/src scripts bench
run "$bin/lint-imports"
run "$py" scripts/house_rules.py
run "$py" -m mcp_optimizer_api.crd --check crds charts/mcp-operator/files/crds
run "$py" -m mcp_optimizer_api.reference --check docs/reference
run "$py" -m scripts.chart_readme --check
exit $failed
