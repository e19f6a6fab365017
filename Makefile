# Two commands: `make run` starts Sluice, `make test` proves it. Both install what they need.
# Everything else is below; `make help` lists it.

SHELL := /bin/bash
CARGO ?= cargo
PROFILE ?= ci
STAMPS := target/stamps

.PHONY: help run demo build test lint unit e2e bench soak fuzz dist clean

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

test: lint unit e2e ## every test

lint: $(STAMPS)/packages ## format, clippy, dependency rules
	@$(CARGO) fmt --all --check
	@$(CARGO) clippy --profile $(PROFILE) --workspace --all-targets --quiet -- -D warnings

unit: $(STAMPS)/packages ## unit and property tests
	@$(CARGO) test --profile $(PROFILE) --workspace --exclude sluice-tests

e2e: $(STAMPS)/packages ## end-to-end tests with the real binaries
	@$(CARGO) build --profile $(PROFILE) --workspace --bins
	@$(CARGO) test --profile $(PROFILE) -p sluice-tests

clean: ## remove what was built
	@$(CARGO) clean
