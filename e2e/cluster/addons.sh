#!/usr/bin/env bash
# Add-ons in the cluster, or beside it, once there is a node: DNS, and a stand-in for the outside world.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

# A host behind the node, reached by routing only: what the internet, a listed network and the metadata address are to a cloud's
# pods. It answers HTTP on OUTSIDE_PORT at each address; to pods it is as foreign as the real ones, and it needs no network.
outside() {
  local address
  if running outside; then return; fi
  ip netns del "$OUTSIDE_NETNS" 2>/dev/null || true
  ip link del tc-out 2>/dev/null || true
  ip netns add "$OUTSIDE_NETNS"
  ip link add tc-out type veth peer name eth0 netns "$OUTSIDE_NETNS"
  ip addr add 10.98.0.1/30 dev tc-out
  ip link set tc-out up
  ip -n "$OUTSIDE_NETNS" link set lo up
  ip -n "$OUTSIDE_NETNS" addr add 10.98.0.2/30 dev eth0
  ip -n "$OUTSIDE_NETNS" link set eth0 up
  ip -n "$OUTSIDE_NETNS" route add default via 10.98.0.1
  for address in "$OUTSIDE_LISTED_IP" "$OUTSIDE_OTHER_IP" "$METADATA_IP"; do
    ip -n "$OUTSIDE_NETNS" addr add "$address/32" dev lo
    # A machine that has a real metadata service keeps its route: pods are sent to the stand-in by a table of their own.
    ip route replace "$address/32" via 10.98.0.2 table 977
  done
  ip rule del from "$POD_CIDR" table 977 2>/dev/null || true
  ip rule add from "$POD_CIDR" table 977
  start outside ip netns exec "$OUTSIDE_NETNS" "$BIN/agnhost" netexec --http-port="$OUTSIDE_PORT" --udp-port="$OUTSIDE_PORT"
  must_run outside 20 "the stand-in for the outside" ip netns exec "$OUTSIDE_NETNS" curl -sf "http://$OUTSIDE_LISTED_IP:$OUTSIDE_PORT/"
}

kubectl apply -f "$CLUSTER_SRC/addons/dns.yaml" >/dev/null
outside
wait_for 120 "cluster DNS" kubectl -n kube-system rollout status deployment/coredns --timeout=2s || {
  kubectl -n kube-system get pods -o wide >&2
  kubectl -n kube-system get events --field-selector type=Warning >&2
  exit 1
}
