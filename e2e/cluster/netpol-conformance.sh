#!/usr/bin/env bash
# Qualifies the network-policy enforcer by Kubernetes' own Netpol specs (all but SCTP), then turns it off and runs two of them
# again: they must fail, or the suite would prove nothing.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

need_root netpol-conformance.sh
"$CLUSTER_SRC/up.sh"
"$CLUSTER_SRC/build.sh" conformance

work=$(mktemp -d)
trap 'rm -rf "$work"; "$CLUSTER_SRC/enforcer.sh" on' EXIT
echo "promoterE2eRegistry: localhost" >"$work/images.yaml"
export KUBE_TEST_REPO_LIST=$work/images.yaml
agnhost=$("$BIN/e2e.test" --list-images 2>/dev/null | grep -E '^localhost/agnhost:' | sort -V | tail -n 1)
# The specs listen on ports 80 and 81 as root, as the original image does.
"$CLUSTER_SRC/image.sh" "$BIN/agnhost" "$agnhost" --cmd pause --user 0:0

# specs NAME SKIP FOCUS
specs() {
  "$BIN/e2e.test" --kubeconfig="$ADMIN_KUBECONFIG" --provider=skeleton --allowed-not-ready-nodes=-1 --report-dir="$LOGS/netpol-$1" \
    --ginkgo.no-color --ginkgo.skip="$2" --ginkgo.focus="$3" >"$LOGS/netpol-$1.log" 2>&1
}

began=$SECONDS
say "running the Netpol specs, about 12 minutes (log: $LOGS/netpol-on.log)"
if ! specs on SCTPConnectivity Netpol; then
  grep -E '^\s*\[FAIL\]|^(Ran [0-9]|FAIL!)' "$LOGS/netpol-on.log" >&2
  die "the enforcer does not pass"
fi
grep -E '^(Ran [0-9]|SUCCESS!)' "$LOGS/netpol-on.log"
say "all pass, $((SECONDS - began)) s; now some of them with the enforcer off"

"$CLUSTER_SRC/enforcer.sh" off
if specs off SCTP "should support a 'default-deny-ingress' policy"; then die "specs pass though nothing enforces policies"; fi
grep -E '^(Ran [0-9]|FAIL!)' "$LOGS/netpol-off.log"
grep -q '^FAIL! -- 0 Passed | [1-9]' "$LOGS/netpol-off.log" || die "not all of these specs ran and failed (log: $LOGS/netpol-off.log)"
say "they fail without the enforcer, as they must"
