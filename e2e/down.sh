#!/usr/bin/env bash
# make down: removes what make up made, on the cluster that it chose (or CLUSTER says).
set -euo pipefail
. "$(dirname "$0")/choose.sh"
. "$(dirname "$0")/kind/kind.sh"

cd "$REPO"
CLUSTER=${CLUSTER:-$(cat target/up-cluster 2>/dev/null || true)}
choose_cluster
case $CLUSTER in
local) e2e/cluster/down.sh ;;
kind) kind_down ;;
current)
  # The operator outlives its tenants: it is what removes them. Tenants with deletionPolicy Retain leave their namespaces.
  reachable || die "the cluster of the current KUBECONFIG does not answer"
  kubectl delete -k config/samples --ignore-not-found --timeout=180s
  helm uninstall tenant-operator --namespace tenant-operator-system --ignore-not-found --wait
  kubectl delete namespace tenant-operator-system shared-applications --ignore-not-found
  say "The CustomResourceDefinitions stay, for they would take all tenants with them: kubectl get crd | grep tenant-operator.io"
  ;;
esac
rm -f target/up-cluster
