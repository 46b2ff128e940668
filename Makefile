# One entry point for everything: see docs/development.md. Recipes stay one line; logic lives in scripts/ and devcluster/.
SHELL := /bin/bash
.DEFAULT_GOAL := help
VENV := .venv
PY := $(VENV)/bin/python
MEMBERS := api operator server sandbox devcluster

.PHONY: help venv lock crds docs lint format unit images cluster-up cluster-down demo demo-down integration conformance fuzz e2e attack test test-long bench

help: ## this list
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

venv: $(VENV)/.ready ## the virtual environment, from the hash-locked requirements
$(VENV)/.ready: requirements/dev.txt $(MEMBERS:%=%/pyproject.toml)
	@bash scripts/venv.sh $(VENV) $(MEMBERS)

lock: venv ## lock requirements/*.in again, with hashes
	@for f in requirements/*.in docs/examples/servers/*/requirements.in tests/conformance/*/requirements.in; do $(PY) -m uv pip compile --quiet --no-header --generate-hashes --no-emit-index-url --python-version 3.11 $$f -o $${f%.in}.txt; done

crds: venv ## write crds/ and the chart's copy from the models
	@$(PY) -m mcp_optimizer_api.crd crds charts/mcp-operator/files/crds

docs: venv ## write the field reference and the chart's values table
	@$(PY) -m mcp_optimizer_api.reference docs/reference && $(PY) -m scripts.chart_readme

lint: venv ## ruff, mypy strict, import contracts, file lengths, generated files up to date
	@bash scripts/lint.sh $(PY)

format: venv ## let ruff fix what it can
	@$(VENV)/bin/ruff check --fix . ; $(VENV)/bin/ruff format .

unit: venv ## tests without I/O
	@$(PY) -m pytest tests/unit

images: venv ## build all container images that changed
	@$(PY) -m scripts.images

cluster-up: venv ## a Kubernetes cluster: CLUSTER=existing|kind|local
	@$(PY) -m devcluster install-deps && $(PY) -m devcluster up

cluster-down: venv ## remove the cluster and everything in it
	@$(PY) -m devcluster down && $(PY) -m devcluster down --control-plane-only

demo: venv ## from nothing to a printed result on a real cluster
	@$(PY) -m scripts.demo

demo-down: venv ## remove everything the demo made
	@$(PY) -m scripts.demo --down

integration: venv ## tests against a real control plane without nodes
	@$(PY) -m pytest tests/integration -m integration

conformance: venv ## the protocol's official suite against the server, both eras
	@$(PY) -m tests.conformance

fuzz: venv ## malformed requests by the ten thousand against the server process
	@$(PY) -m tests.fuzz

test-long: venv ## the attacks, the fuzz in full, 20 minutes of load (MINUTES=20), 2,000 jobs in a row
	@$(PY) -m tests.attack && $(PY) -m tests.fuzz && $(PY) -m tests.soak --minutes $(or $(MINUTES),20) && $(PY) -m bench.endurance

e2e: venv ## tests with real Pods
	@$(PY) -m pytest tests/e2e -m e2e

attack: venv ## every known way out of a sandbox, on runc and gVisor, and every wall taken down once
	@$(PY) -m tests.attack

test: venv ## lint, unit, integration, conformance, e2e, the attacks on runc and gVisor
	@bash scripts/test.sh $(PY)

bench: bench-operator bench-recall bench-tokens bench-sandbox bench-speed bench-scale bench-isolation bench-fastlane ## all benchmarks, each ends with one line of figures; bench-NAME: one

bench-%: venv
	@$(PY) -m bench.$*
