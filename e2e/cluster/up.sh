#!/usr/bin/env bash
# up.sh [--control-plane]: brings the cluster up, or says that it is. With --control-plane only etcd, API server, controller manager, scheduler and KWOK; a
# later up.sh adds the node to that. First it removes stale or half-dead parts.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

CONTROL_PLANE=(etcd kube-apiserver kube-controller-manager kube-scheduler kwok volumes)
NODE=(containerd kubelet kube-proxy network-policy-enforcer outside)

case ${1:-} in
"") wanted=("${CONTROL_PLANE[@]}" "${NODE[@]}") ;;
--control-plane) wanted=("${CONTROL_PLANE[@]}") ;;
*) die "usage: up.sh [--control-plane]" ;;
esac
need_root up.sh
take_lock

identity() {
  echo "$REPO"
  grep -hE '^\s*(k8s.io/kubernetes|go.etcd.io/etcd/server/v3|sigs.k8s.io/kwok|github.com/containerd/containerd/v2|github.com/envoyproxy/gateway|github.com/cert-manager/cert-manager) v' \
    "$CLUSTER_SRC/go.mod"
}

alive() {
  [ "$(cat "$RUN/identity" 2>/dev/null)" = "$(identity)" ] || return 1
  for name in "$@"; do running "$name" || return 1; done
  kubectl get --raw /readyz --request-timeout=10s >/dev/null 2>&1
}

node_ready() { kubectl wait --for=condition=Ready "node/$NODE_NAME" --timeout=10s >/dev/null 2>&1; }

write_env() {
  cat >"$CLUSTER_DIR/env" <<EOF
# Written by up.sh; for other scripts to source.
KUBECONFIG='$ADMIN_KUBECONFIG'
BIN='$BIN'
AUDIT_LOG='$AUDIT_LOG'
AUTHORIZATION_CONFIG='$AUTHORIZATION_CONFIG'
LOGS='$LOGS'
API_SERVER='$API_SERVER'
NODE_NAME='$NODE_NAME'
NODE_IP='$NODE_IP'
POD_CIDR='$POD_CIDR'
SERVICE_CIDR='$SERVICE_CIDR'
NODE_CIDR='$NODE_IP/32'
DNS_SERVICE_IP='$DNS_SERVICE_IP'
AGNHOST_IMAGE='$AGNHOST_IMAGE'
BUSYBOX_IMAGE='$BUSYBOX_IMAGE'
OUTSIDE_LISTED_IP='$OUTSIDE_LISTED_IP'
OUTSIDE_OTHER_IP='$OUTSIDE_OTHER_IP'
OUTSIDE_PORT='$OUTSIDE_PORT'
METADATA_IP='$METADATA_IP'
DATABASE_IP='$DATABASE_IP'
DATABASE_PORT='$DATABASE_PORT'
DATABASE_HOST='$DATABASE_HOST'
DATABASE_ADMIN='$DATABASE_ADMIN'
DATABASE_ADMIN_PASSWORD_FILE='$DATABASE_ADMIN_PASSWORD_FILE'
DATABASE_CA_FILE='$DATABASE_CA_FILE'
DATABASE_SOCKET='$DATABASE_SOCKET'
DATABASE_LOG='$DATABASE_LOG'
DATABASE_PID_FILE='$DATABASE_PID_FILE'
DATABASE_CONTROL='$DATABASE_CONTROL'
GATEWAY_ADDRESS='$GATEWAY_ADDRESS'
GATEWAY_CLASS='$GATEWAY_CLASS'
GATEWAY_NAME='$GATEWAY_NAME'
GATEWAY_NAMESPACE='$LOCAL_GATEWAY_NAMESPACE'
GATEWAY_CONTROLLER_NAMESPACE='$GATEWAY_CONTROLLER_NAMESPACE'
GATEWAY_CA_FILE='$GATEWAY_CA_FILE'
GATEWAY_METRICS='$GATEWAY_METRICS'
GATEWAY_CONTROL='$GATEWAY_CONTROL'
CERT_MANAGER_NAMESPACE='$CERT_MANAGER_NAMESPACE'
EOF
}

addresses_free() {
  local cidr
  for cidr in "$POD_CIDR" "$SERVICE_CIDR" "$NODE_IP/32" "$GATEWAY_ADDRESS/32" "$DATABASE_CIDR"; do
    if [ -n "$(ip -4 route show root "$cidr" table main)" ]; then
      die "$cidr, which this cluster uses, is routed on this machine already: $(ip -4 route show root "$cidr" table main | head -n 1)"
    fi
  done
}

if alive "${wanted[@]}" && { [ "${#wanted[@]}" -eq "${#CONTROL_PLANE[@]}" ] || node_ready; }; then
  # Nothing stands on the database, the gateway or cert-manager: when a test left one stopped or frozen, it alone is started again.
  if [ "${#wanted[@]}" -gt "${#CONTROL_PLANE[@]}" ]; then
    "$CLUSTER_SRC/postgres.sh" start
    "$CLUSTER_SRC/gateway.sh" start
    "$CLUSTER_SRC/cert-manager.sh" start
    "$CLUSTER_SRC/gateway.sh" wait
    "$CLUSTER_SRC/cert-manager.sh" wait
  fi
  write_env
  say "already up (KUBECONFIG=$ADMIN_KUBECONFIG)"
  exit 0
fi

"$CLUSTER_SRC/deps.sh"
if [ "${#wanted[@]}" -eq "${#CONTROL_PLANE[@]}" ]; then
  "$CLUSTER_SRC/build.sh" clients control-plane
else
  "$CLUSTER_SRC/build.sh" clients control-plane samples node gateway cert-manager
fi

began=$SECONDS
# A control plane that runs well and has no node yet may go on; anything else that is left is not to be built upon.
if ! alive "${CONTROL_PLANE[@]}" || [ -e "$STATE/containerd" ]; then
  if [ -e "$RUN" ] || [ -e "$STATE" ]; then
    say "removing what a cluster of before left"
    "$CLUSTER_SRC/down.sh"
  fi
  addresses_free
  mkdir -p "$RUN" "$STATE" "$LOGS"
  # To be passed through: the user postgres has its socket in it.
  chmod 711 "$RUN"
  identity >"$RUN/identity"
  say "starting the control plane"
  "$CLUSTER_SRC/certs.sh"
  "$CLUSTER_SRC/control-plane.sh"
fi
if [ "${#wanted[@]}" -gt "${#CONTROL_PLANE[@]}" ]; then
  say "starting PostgreSQL, the node, the gateway and cert-manager"
  # Their definitions and images come in while the node starts.
  "$CLUSTER_SRC/gateway.sh" start &
  gateway=$!
  "$CLUSTER_SRC/cert-manager.sh" start &
  issuing=$!
  trap 'kill "$gateway" "$issuing" 2>/dev/null || true' EXIT
  "$CLUSTER_SRC/postgres.sh" start
  "$CLUSTER_SRC/node.sh"
  "$CLUSTER_SRC/addons.sh"
  wait "$gateway" || die "the gateway could not be brought in"
  wait "$issuing" || die "cert-manager could not be brought in"
  trap - EXIT
  "$CLUSTER_SRC/gateway.sh" wait
  "$CLUSTER_SRC/cert-manager.sh" wait
fi
write_env
say "up after $((SECONDS - began)) s (KUBECONFIG=$ADMIN_KUBECONFIG)"
