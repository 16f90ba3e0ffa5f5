#!/usr/bin/env bash
# The gateway in the cluster: Envoy Gateway, the Envoys that it makes, its rate limiter with Redis, and the Gateway "platform".
# gateway.sh start            brings it in without waiting for it; does nothing when it answers
# gateway.sh wait [SECONDS]   until it answers at GATEWAY_ADDRESS (120)
# gateway.sh stop             ends all its pods, as a gateway that is away; what was configured stays, and start goes on with it
# gateway.sh metrics          Envoy's figures, as Prometheus reads them
set -euo pipefail
. "$(dirname "$0")/lib.sh"

CHART=$CLUSTER_DIR/gateway/chart
NAMESPACES=("$GATEWAY_CONTROLLER_NAMESPACE" "$LOCAL_GATEWAY_NAMESPACE")

in_controllers() { kubectl -n "$GATEWAY_CONTROLLER_NAMESPACE" "$@"; }
in_gateways() { kubectl -n "$LOCAL_GATEWAY_NAMESPACE" "$@"; }

images() {
  local redis loaded
  wait_for 120 "containerd" "$BIN/ctr" --address "$CONTAINERD_SOCKET" version || die "no containerd to bring the gateway's images to"
  image_once "$BIN/envoy-gateway" "$ENVOY_GATEWAY_IMAGE"
  mapfile -t loaded < <(libraries "$BIN/envoy")
  image_once "$BIN/envoy" "$ENVOY_IMAGE" --as /usr/local/bin/envoy "${loaded[@]}"
  image_once "$BIN/ratelimit" "$RATELIMIT_IMAGE" --as /bin/ratelimit
  # Debian's server and this tool of it are one program, which looks at its name; the package with the tool starts no service.
  redis=$(command -v redis-check-rdb)
  mapfile -t loaded < <(libraries "$redis")
  image_once "$redis" "$REDIS_IMAGE" --as /bin/redis-server "${loaded[@]}"
}

# Both as strict as tenants' own: Envoy Gateway makes pods that keep to it.
namespaces() {
  local name
  for name in "${NAMESPACES[@]}"; do
    cat <<EOF
{apiVersion: v1, kind: Namespace, metadata: {name: $name, labels: {pod-security.kubernetes.io/enforce: restricted}}}
---
EOF
  done | apply -f -
}

# The controller's own certificates are made by itself, those of the listener by certs.sh.
certificates() {
  install -m 644 "$PKI/ca.crt" "$GATEWAY_CA_FILE"
  env -i KUBECONFIG="$ADMIN_KUBECONFIG" ENVOY_GATEWAY_NAMESPACE="$GATEWAY_CONTROLLER_NAMESPACE" HOME=/root \
    timeout 60 "$BIN/envoy-gateway" certgen --disable-topology-injector >"$LOGS/gateway-certgen.log" 2>&1 ||
    { tail -n 5 "$LOGS/gateway-certgen.log" >&2; die "no certificates for the gateway's controller"; }
  in_gateways create secret tls platform --cert="$PKI/gateway.crt" --key="$PKI/gateway.key" --dry-run=client -o yaml | apply -f -
}

controller() {
  "$BIN/helm" template envoy-gateway "$CHART" --namespace "$GATEWAY_CONTROLLER_NAMESPACE" --no-hooks \
    --values "$CHART/values.tmpl.yaml" --values "$CLUSTER_SRC/gateway/values.yaml" | apply -f -
}

scale() {
  local namespace=$1 replicas=$2
  kubectl -n "$namespace" get deployments -o name | xargs -r "$BIN/kubectl" --kubeconfig "$ADMIN_KUBECONFIG" -n "$namespace" \
    scale --replicas="$replicas" >/dev/null
}

programmed() {
  in_gateways wait --for=condition=Programmed "gateway/$GATEWAY_NAME" --timeout=1s &&
    in_controllers wait --for=jsonpath='{.status.readyReplicas}'=1 deployment/envoy-ratelimit --timeout=1s
}

# Accepts any answer: without a route that is 404.
answers() {
  curl -s -o /dev/null --max-time 2 "http://$GATEWAY_ADDRESS/" &&
    curl -s -o /dev/null --max-time 2 --cacert "$GATEWAY_CA_FILE" --resolve "any.example.com:443:$GATEWAY_ADDRESS" https://any.example.com/
}

start_gateway() {
  local namespace bringing
  if answers && programmed >/dev/null 2>&1; then return; fi
  ip addr replace "$GATEWAY_ADDRESS/32" dev "$NODE_BRIDGE"
  images &
  bringing=$!
  definitions "$CLUSTER_DIR/gateway/crds"
  namespaces
  certificates
  # A pod whose image is not there yet would ask for it again only after ten seconds.
  wait "$bringing" || die "the gateway's images could not be brought in"
  controller
  apply -f "$CLUSTER_SRC/addons/gateway.yaml"
  for namespace in "${NAMESPACES[@]}"; do scale "$namespace" 1; done
}

wait_gateway() {
  local seconds=$1 began=$SECONDS namespace
  if wait_for "$seconds" "the gateway to be programmed" programmed &&
    wait_for $((seconds - SECONDS + began)) "an answer at http://$GATEWAY_ADDRESS/" answers; then
    return
  fi
  in_gateways get gateway "$GATEWAY_NAME" -o jsonpath='{range .status.conditions[*]}{.type}={.status} {.reason}: {.message}{"\n"}{end}' >&2 || true
  for namespace in "${NAMESPACES[@]}"; do
    kubectl -n "$namespace" get pods -o wide >&2 || true
    kubectl -n "$namespace" get events --field-selector type=Warning >&2 || true
  done
  in_controllers logs deployment/envoy-gateway --tail=20 >&2 || true
  exit 1
}

gone() { [ -z "$(kubectl -n "$1" get pods -o name)" ]; }

# The controller first, which would bring back the others.
stop_gateway() {
  local namespace
  for namespace in "${NAMESPACES[@]}"; do
    scale "$namespace" 0
    wait_for 60 "the pods in $namespace to end" gone "$namespace" || die "pods do not end"
  done
}

case ${1:-} in
start)
  need_root gateway.sh
  start_gateway
  ;;
wait) wait_gateway "${2:-120}" ;;
stop) stop_gateway ;;
metrics)
  address=$(in_gateways get endpoints platform-metrics -o jsonpath='{.subsets[0].addresses[0].ip}' 2>/dev/null) || true
  [ -n "$address" ] || die "no Envoy runs"
  curl -sf --max-time 30 "http://$address:19001/stats/prometheus"
  ;;
*) die "usage: gateway.sh start|stop|metrics, or wait [SECONDS]" ;;
esac
