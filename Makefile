# `make up` is all that is needed to see the operator work; everything else is for those who change it.

.DEFAULT_GOAL := help
.PHONY: help up down cluster-up cluster-down netpol-conformance

help: ## What can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-20s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

up: ## A cluster with the operator and the sample tenants in it (CLUSTER=local|kind|current)
	@e2e/up.sh

down: ## Remove what `make up` made
	@e2e/down.sh

cluster-up: ## Only the local one-node cluster
	@e2e/cluster/up.sh

cluster-down: ## Remove the local cluster
	@e2e/cluster/down.sh

netpol-conformance: ## Kubernetes' own network-policy specs against the local cluster's enforcer (about 15 minutes)
	@e2e/cluster/netpol-conformance.sh
