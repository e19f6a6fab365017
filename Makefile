# Two commands: `make run` starts Sluice, `make test` proves it. Both install what they need.
# Everything else is below; `make help` lists it.

SHELL := /bin/bash
CARGO ?= cargo
PROFILE ?= ci
STAMPS := target/stamps

.PHONY: help run demo build test lint unit clients e2e bench micro soak clean

help: ## this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*## /\t/'

# System packages: the pattern engine and what its bindings are generated with.
$(STAMPS)/packages: deploy/packages.txt deploy/install-packages.sh
	@mkdir -p $(STAMPS)
	@deploy/install-packages.sh deploy/packages.txt
	@touch $@

build: $(STAMPS)/packages ## release binaries
	@echo "sluice: building (the first build takes some minutes)"
	@$(CARGO) build --release --bin sluice --bin sluice-datapath

run: build ## start Sluice with safe defaults and a built-in echo model
	@exec target/release/sluice run $(ARGS)

# Every command below selects the whole workspace: another selection would unify other features, and
# compile the dependencies once more.
test: lint unit e2e ## every test

lint: $(STAMPS)/packages ## format and clippy
	@$(CARGO) fmt --all --check
	@$(CARGO) clippy --profile $(PROFILE) --workspace --all-targets --quiet -- -D warnings

unit: $(STAMPS)/packages ## unit and property tests
	@$(CARGO) test --profile $(PROFILE) --workspace --no-fail-fast --lib --bins

# The real clients of the end-to-end tests, in the test folder and nowhere else.
$(STAMPS)/clients: tests/clients/requirements.txt tests/clients/package.json deploy/test-packages.txt deploy/install-packages.sh
	@mkdir -p $(STAMPS)
	@deploy/install-packages.sh deploy/test-packages.txt
	@python3 -m venv tests/clients/.venv
	@tests/clients/.venv/bin/pip install --quiet --disable-pip-version-check -r tests/clients/requirements.txt
	@cd tests/clients && npm install --no-audit --no-fund --loglevel=error
	@touch $@

clients: $(STAMPS)/clients ## the OpenAI clients that the end-to-end tests drive

e2e: $(STAMPS)/packages $(STAMPS)/clients ## component, end-to-end and fault tests, with the real binaries
	@$(CARGO) build --profile $(PROFILE) --workspace --all-targets
	@SLUICE_TESTS=require $(CARGO) test --profile $(PROFILE) --workspace --no-fail-fast --test '*' -- $(TEST_ARGS)

demo: build ## play the story: clean, card, hidden SSN, token in base64, injected tool result, verify
	@deploy/demo.sh

bench: $(STAMPS)/packages ## compare with nginx in one run (QUICK=1: two minutes)
	@deploy/install-packages.sh deploy/bench-packages.txt
	@$(CARGO) build --release --bin sluice --bin sluice-datapath --bin sluice-mock --bin sluice-load --bin bench
	@target/release/bench $(if $(QUICK),--quick)

micro: $(STAMPS)/packages ## criterion benches
	@$(CARGO) bench -p sluice-benches

soak: $(STAMPS)/packages $(STAMPS)/clients ## long fault tests
	@$(CARGO) build --profile $(PROFILE) --workspace --all-targets
	@SLUICE_TESTS=require SLUICE_KILL_ROUNDS=200 SLUICE_CANCELS=10000 $(CARGO) test --profile $(PROFILE) --workspace --test 'faults_*' -- --test-threads=1

clean: ## remove what was built
	@$(CARGO) clean
