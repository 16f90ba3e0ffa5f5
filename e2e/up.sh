#!/usr/bin/env bash
# make up: a cluster, the operator in it, the sample tenants Ready. May be run again at any time.
#   CLUSTER=local|kind|current   which cluster (chosen unless told)
#   IMAGE=NAME:TAG               with CLUSTER=current: the operator's image, which that cluster can pull
#   KIND_IMAGE=NAME              with CLUSTER=kind: the node image (kind's own unless told)
#   GATEWAY_NAMESPACE=NAME       where the gateway's proxies run (gateway-system, as in the local cluster)
#   GATEWAY_CONTROLLER=NAME      with CLUSTER=current|kind: the gateway that samples have routes for; see gateway.sh
#   DATABASE_HOST=HOST           with CLUSTER=current|kind: a PostgreSQL server for the samples; see database.sh
#   READY_TIMEOUT=SECONDS        how long the samples may take (300)
set -euo pipefail
. "$(dirname "$0")/choose.sh"
. "$(dirname "$0")/database.sh"
. "$(dirname "$0")/gateway.sh"
. "$(dirname "$0")/kind/kind.sh"
. "$(dirname "$0")/rust.sh"

NAMESPACE=tenant-operator-system
READY_TIMEOUT=${READY_TIMEOUT:-300}
cd "$REPO"

bring_up() {
  local building
  case $CLUSTER in
  local)
    # Both compile for minutes; one's linking leaves room for the other.
    say "building the operator"
    build_operator &
    building=$!
    trap 'kill "$building" 2>/dev/null || true' EXIT
    e2e/cluster/up.sh
    wait "$building" || die "the operator does not build"
    trap - EXIT
    # The addresses of its PostgreSQL and its gateway.
    . target/cluster/env
    DATABASE_ADDRESSES=$DATABASE_IP/32
    GATEWAY_CONTROLLER=EnvoyGateway
    ;;
  kind)
    kind_up
    e2e/cluster/build.sh clients samples
    ;;
  current)
    e2e/cluster/build.sh clients
    reachable || die "the cluster of the current KUBECONFIG does not answer"
    ;;
  esac
}

# Makes the operator's image and brings it to the cluster's nodes; sets IMAGE.
load_image() {
  local binary=$OPERATOR_BINARY
  case $CLUSTER in
  local)
    # Named after its content: another binary is another tag, so that the Deployment rolls.
    IMAGE=localhost/tenant-operator:$(sha256sum "$binary" | cut -c1-12)
    e2e/cluster/image.sh "$binary" "$IMAGE"
    ;;
  kind) kind_images ;;
  current)
    [ -n "${IMAGE:-}" ] || die "IMAGE=NAME:TAG must say which image of the operator that cluster can pull"
    say "the samples' image, executive-service:1.0.0, must be there too (e2e/cluster/sample-image.sh --output FILE makes it)"
    say "and for make test the one with a shell, e2e.example.com/busybox:e2e (e2e/cluster/shell-image.sh --output FILE)"
    ;;
  esac
}

# Pods', services' and nodes' addresses, which tenants' egress to the internet leaves out.
cluster_cidrs() {
  if [ "$CLUSTER" = local ]; then
    echo "$POD_CIDR $SERVICE_CIDR $NODE_IP/32"
    return
  fi
  {
    kubectl get nodes -o jsonpath='{range .items[*]}{range .spec.podCIDRs[*]}{@}{"\n"}{end}{end}'
    kubectl get servicecidrs -o jsonpath='{range .items[*]}{range .spec.cidrs[*]}{@}{"\n"}{end}{end}' 2>/dev/null || true
    kubectl get nodes -o jsonpath='{range .items[*]}{.status.addresses[?(@.type=="InternalIP")].address}{"/32\n"}{end}'
  } | grep -v : | sort -u | tr '\n' ' '
}

# The tests wait for what is done once in a period; on a user's cluster the chart's own hold.
short_periods() { if [ "$CLUSTER" != current ]; then echo "--set databases.period=10s"; fi; }

# Definitions that were applied by hand before are taken over.
install() {
  local cidrs
  cidrs=${CLUSTER_CIDRS:-$(cluster_cidrs)}
  if has_gateway && ! kubectl get namespace "$APPLICATIONS" >/dev/null 2>&1; then kubectl create namespace "$APPLICATIONS"; fi
  say "installing the operator ($IMAGE)"
  if ! helm upgrade --install --take-ownership tenant-operator charts/tenant-operator --namespace "$NAMESPACE" --create-namespace \
    --set image.repository="${IMAGE%:*}" --set-string image.tag="${IMAGE##*:}" --set image.pullPolicy=IfNotPresent \
    --set network.gatewayNamespace="${GATEWAY_NAMESPACE:-gateway-system}" $(gateway_values) $(short_periods) \
    --set "network.clusterCIDRs={$(xargs <<<"$cidrs" | tr ' ' ',')}" --wait --timeout 3m >/dev/null; then
    why_not
    die "the operator does not come up"
  fi
}

# Only the samples: others may have tenants there too.
tenants() {
  kubectl get -k "$(samples)" --ignore-not-found --no-headers \
    -o custom-columns="KIND:.kind,NAME:.metadata.name,READY:.status.conditions[?(@.type=='Ready')].status" 2>/dev/null |
    awk '$1 == "Tenant" { print $2, $3 }'
}
not_ready() { tenants | awk '$2 != "True" { print $1 }' | xargs; }

wait_ready() {
  local end=$((SECONDS + READY_TIMEOUT)) waiting said=""
  [ -n "$(tenants)" ] || die "config/samples made no tenant"
  while waiting=$(not_ready) && [ -n "$waiting" ]; do
    if [ "$SECONDS" -ge "$end" ]; then
      why_not
      die "not Ready after $READY_TIMEOUT s: $waiting"
    fi
    if [ "$waiting" != "$said" ]; then
      say "waiting for Ready: $waiting"
      said=$waiting
    fi
    sleep 1
  done
}

why_not() {
  local name
  for name in $(not_ready); do
    say "--- tenant $name"
    kubectl get tenant "$name" -o jsonpath='{range .status.conditions[*]}{.type}={.status} {.reason}: {.message}{"\n"}{end}' >&2 || true
  done
  say "--- warnings"
  kubectl get events -A --field-selector type=Warning --sort-by=.lastTimestamp 2>/dev/null | tail -n 20 >&2 || true
  say "--- pods that do not run"
  kubectl get pods -A -o wide 2>/dev/null | awk 'NR == 1 || ($4 != "Running" && $4 != "Completed")' >&2 || true
  say "--- the operator's log"
  kubectl -n "$NAMESPACE" logs deployment/tenant-operator --all-containers --tail=30 >&2 || true
}

show() {
  local name
  echo
  kubectl get tenants
  if has_database; then
    echo
    kubectl get databaseservers
  fi
  for name in $(kubectl get tenants -o jsonpath='{range .items[*]}{range .status.namespaces[*]}{@}{"\n"}{end}{end}' | sort -u); do
    echo
    echo "namespace $name:"
    kubectl -n "$name" get resourcequotas,networkpolicies,deployments,pods -o name | sed 's/^/  /'
  done
  cat <<EOF

Up. To look further:
  export KUBECONFIG=${KUBECONFIG:-} PATH=$BIN:\$PATH
  kubectl get tenants,tenanttiers
  kubectl describe tenant NAME
  kubectl get events -A
  kubectl -n $NAMESPACE logs deployment/tenant-operator
EOF
  if has_gateway && [ -n "${GATEWAY_ADDRESS:-}" ]; then show_routes; fi
  echo "To remove it: make down"
}

choose_cluster
bring_up
mkdir -p target
echo "$CLUSTER" >target/up-cluster
load_image
install
kubectl wait --for=condition=Established --timeout=60s crd/tenants.tenant-operator.io crd/tenanttiers.tenant-operator.io crd/databaseservers.tenant-operator.io >/dev/null
if has_database; then
  say "PostgreSQL at $DATABASE_HOST becomes DatabaseServer sample"
  harden_database "$OPERATOR_BINARY"
  apply_database
else
  say "no PostgreSQL is named (DATABASE_HOST): the samples come without databases"
fi
say "applying $(samples)"
kubectl apply -k "$(samples)"
wait_ready
show
