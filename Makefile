# CI calls these same targets.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
REPO ?=
BASE ?=
TASK ?= code-review
SAMPLE ?= python
PYTHON_CHECK := import sys; sys.exit(sys.version_info < (3, 11) and "batch-action needs Python 3.11 or newer: make PYTHON=python3.13 ...")
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check
LOCK := printf 'flit_core>=3.12,<4\n' | $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --python-version 3.11 pyproject.toml -
YAML_RULES := {extends: default, rules: {line-length: {max: 200}, document-start: disable, truthy: {check-keys: false}, comments: {min-spaces-from-content: 1}}}

.DEFAULT_GOAL := help
.PHONY: help bench trace crashes demo e2e e2e-webhooks screenshots test tests lint types imports record format release-dry-run container lock clean

help: ## Show this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-15s %s\n", $$1, $$2}'

# What the demo needs; `ready` adds the tools of the tests to the same environment.
$(VENV)/demo-ready: requirements-demo.lock pyproject.toml
	@$(PYTHON) -c '$(PYTHON_CHECK)'
	@echo "Installing what the demo needs into $(VENV), once: about 170 MB on disk ..."
	@$(PYTHON) -m venv $(VENV)
	@$(PIP_INSTALL) --require-hashes -r requirements-demo.lock
	@$(PIP_INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/ready: requirements-dev.lock pyproject.toml
	@$(PYTHON) -c '$(PYTHON_CHECK)'
	$(PYTHON) -m venv $(VENV)
	$(PIP_INSTALL) --require-hashes -r requirements-dev.lock
	$(PIP_INSTALL) --no-deps --no-build-isolation --editable .
	@touch $(VENV)/demo-ready $@

demo: $(VENV)/demo-ready ## Submit and collect against the sandbox (REPO=path, TASK=…, SAMPLE=python|typescript|go|monorepo)
	@$(BIN)/batch-action demo $(if $(REPO),--repo "$(REPO)") $(if $(BASE),--base "$(BASE)") --task $(TASK) --sample $(SAMPLE)

test: lint types imports tests ## Everything that needs no container

tests: $(VENV)/ready
	$(BIN)/python -m pytest -q -n auto --dist loadfile

lint: $(VENV)/ready ## ruff, zizmor, yamllint, hadolint and the schemas of action.yml and the workflows
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/zizmor --offline --no-progress --quiet --config .github/zizmor.yml action.yml .github workflows-examples/*.yml
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-actions action.yml
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml workflows-examples/*.yml
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.dependabot .github/dependabot.yml
	$(BIN)/hadolint Dockerfile
	$(BIN)/yamllint --strict -d "$(YAML_RULES)" action.yml .github workflows-examples batch_action

types: $(VENV)/ready
	$(BIN)/mypy

imports: $(VENV)/ready
	$(BIN)/lint-imports

screenshots: $(VENV)/ready ## Take the pictures of the documents (needs Chromium)
	$(BIN)/python -m tests.screenshots

crashes: $(VENV)/ready ## The crash table: every outside call, two deaths, three ways to go on (ALL=1: other ways of sending, too)
	$(BIN)/python -m tests.crashes $(if $(ALL),--all)

e2e: $(VENV)/ready ## The example workflows under act, and GitHub's own artifact clients (needs node, npm; ALL=1: all examples)
	ALL=$(ALL) $(BIN)/python -m pytest -q tests/e2e

e2e-webhooks: $(VENV)/ready ## A sender of webhooks in JavaScript and the real `serve` (needs node and npm)
	$(BIN)/python -m tests.e2e.webhooks

bench: $(VENV)/ready ## Measure start, ledger, queries, calls, plan, submit and collect into one table (fails over a bound)
	NO_PROXY=127.0.0.1,localhost no_proxy=127.0.0.1,localhost $(BIN)/python -m benchmarks

trace: $(VENV)/ready ## Which modules a submit and a collect of the demo enter
	NO_PROXY=127.0.0.1,localhost no_proxy=127.0.0.1,localhost $(BIN)/python -m benchmarks.trace

record: $(VENV)/ready ## Record the contract tests' cassettes again (with keys: from the services)
	$(BIN)/python -m tests.contract.record

format: $(VENV)/ready ## Format the code
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

release-dry-run: $(VENV)/ready ## Build and try what a release publishes, as far as this machine can
	$(BIN)/python -m tests.release

container: $(VENV)/ready ## Build the image and run it as GitHub's runner would
	$(BIN)/python -m pytest -q tests/container

lock: $(VENV)/ready ## Renew the lock files
	$(BIN)/python -m pip install --quiet uv
	$(LOCK) --extra server -o requirements.lock
	$(LOCK) --extra demo --extra server --group dev -o requirements-dev.lock
	$(LOCK) --extra demo --constraint requirements-dev.lock -o requirements-demo.lock

clean:
	rm -rf $(VENV) .cache batch-action-demo .mypy_cache .ruff_cache .pytest_cache .hypothesis
