#!/usr/bin/env bash
# enforcer.sh on|off: the network-policy enforcer. Off removes its rules too: then nothing enforces policies.
# enforcer.sh test: the tests of how it turns policies into rules
set -euo pipefail
. "$(dirname "$0")/lib.sh"

case ${1:-} in
on)
  if running network-policy-enforcer; then exit 0; fi
  kubectl apply -f "$CLUSTER_SRC/addons/network-policy-enforcer.yaml" >/dev/null
  rm -f "$RUN/enforcer-ready"
  start network-policy-enforcer "$BIN/network-policy-enforcer" --kubeconfig "$PKI/network-policy-enforcer.kubeconfig" \
    --pod-cidr "$POD_CIDR" --ready-file "$RUN/enforcer-ready"
  must_run network-policy-enforcer 60 "the first network-policy rules" test -e "$RUN/enforcer-ready"
  ;;
off)
  stop 5 network-policy-enforcer
  "$BIN/network-policy-enforcer" --cleanup
  ;;
test) (cd "$CLUSTER_SRC" && CGO_ENABLED=0 exec go test -trimpath -gcflags=all=-dwarf=false ./enforcer) ;;
*) die "usage: enforcer.sh on|off|test" ;;
esac
