#!/usr/bin/env bash
# fake-nodes.sh N [--taint]: makes N nodes that KWOK plays (0 removes them). With --taint only pods that tolerate
# kwok.x-k8s.io/node=fake:NoSchedule land there: use it where a real kubelet runs too.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

count=${1:?usage: fake-nodes.sh N [--taint]}
taints='[]'
if [ "${2:-}" = --taint ]; then taints='[{key: kwok.x-k8s.io/node, value: fake, effect: NoSchedule}]'; fi

kubectl get nodes -l type=kwok -o name | while read -r node; do
  if [ "${node#node/fake-}" -ge "$count" ]; then echo "$node"; fi
done | xargs -r "$BIN/kubectl" --kubeconfig "$ADMIN_KUBECONFIG" delete --wait=false

[ "$count" -gt 0 ] || exit 0
for ((i = 0; i < count; i++)); do
  cat <<EOF
---
apiVersion: v1
kind: Node
metadata:
  name: fake-$i
  labels: {type: kwok, kubernetes.io/hostname: fake-$i, kubernetes.io/os: linux, kubernetes.io/arch: amd64}
  annotations: {kwok.x-k8s.io/node: fake, node.alpha.kubernetes.io/ttl: "0"}
spec: {taints: $taints}
status:
  allocatable: {cpu: "64", memory: 256Gi, pods: "1000", ephemeral-storage: 1Ti}
  capacity: {cpu: "64", memory: 256Gi, pods: "1000", ephemeral-storage: 1Ti}
EOF
done | kubectl apply -f -
kubectl wait --for=condition=Ready nodes -l type=kwok --timeout=60s
