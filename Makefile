# `make up` is all that is needed to see the operator work; everything else is for those who change it.

.DEFAULT_GOAL := help
.PHONY: help up example down test test-all bench lint manifests cluster-up cluster-down netpol-conformance

help: ## What can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-20s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

up: ## A cluster with the operator and the sample tenants in it (CLUSTER=local|kind|current)
	@e2e/up.sh

example: ## One of the platforms in examples/ on the cluster of `make up` (NAME=hotdash; DELETE=1 removes it)
	@e2e/example.sh

down: ## Remove what `make up` made
	@e2e/down.sh

test: ## All tests that guard a change, on the cluster of `make up` or on one brought up for them (FILTER=NAME for a part)
	@e2e/test.sh

test-all: ## Everything there is: all versions of PostgreSQL, many rounds, the enforcer's qualification
	@ALL=1 e2e/test.sh

bench: ## N tenants (200) on the real control plane, beside the floor, into docs/benchmarks.md (DB=1: 1000, with a schema each; ROUTES=1: 1000, with a way in each; LOAD=1: requests to these)
	@e2e/bench/run.sh

lint: ## Formatting and lints
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets --features bench -- -D warnings
	# Those that only run by name, which the line above leaves out.
	cargo clippy --locked --test '*' -- -D warnings

manifests: ## Write crds/ from the Rust types, and what follows from them and the chart
	cargo run --quiet --locked -- crds --output-dir crds
	charts/tenant-operator/hack/generate.py

cluster-up: ## Only the local one-node cluster
	@e2e/cluster/up.sh

cluster-down: ## Remove the local cluster
	@e2e/cluster/down.sh

netpol-conformance: ## Kubernetes' own network-policy specs against the local cluster's enforcer (about 15 minutes)
	@e2e/cluster/netpol-conformance.sh
