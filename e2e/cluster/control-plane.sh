#!/usr/bin/env bash
# Starts etcd, the API server, the controller manager, the scheduler, KWOK for fake nodes, and what makes volumes.
#   restart-apiserver   for tests: kills the API server alone and starts it again with the same flags; returns when it is ready
#   stop-apiserver      for tests: kills it and leaves it down; restart-apiserver starts it again
set -euo pipefail
. "$(dirname "$0")/lib.sh"

# An address of the machine's own that pods can reach: the API server listens there, and the `kubernetes` service leads to it.
node_bridge() {
  ip link show "$NODE_BRIDGE" >/dev/null 2>&1 || ip link add "$NODE_BRIDGE" type bridge
  ip addr replace "$NODE_IP/32" dev "$NODE_BRIDGE"
  ip link set "$NODE_BRIDGE" up
}

etcd() {
  # Without fsync: what is stored here need not outlive a power failure, and two slow disks' worth of waiting is saved.
  start etcd "$BIN/etcd" --name=etcd --data-dir="$STATE/etcd" --unsafe-no-fsync \
    --listen-client-urls="$ETCD" --advertise-client-urls="$ETCD" \
    --listen-peer-urls=http://127.0.0.1:12380 --initial-advertise-peer-urls=http://127.0.0.1:12380 \
    --initial-cluster=etcd=http://127.0.0.1:12380 --quota-backend-bytes=8589934592 --snapshot-count=50000 --log-level=warn
  must_run etcd 30 "etcd" curl -sf "$ETCD/health"
}

# In a file, which the API server reads again when it changes.
authorizers() {
  cat >"$AUTHORIZATION_CONFIG" <<EOF
apiVersion: apiserver.config.k8s.io/v1
kind: AuthorizationConfiguration
authorizers:
  - {type: Node, name: node}
  - {type: RBAC, name: rbac}
EOF
}

# To aggregated API servers it shows the certificate that kubelets know it by.
apiserver() {
  start kube-apiserver "$BIN/kube-apiserver" --etcd-servers="$ETCD" \
    --bind-address="$NODE_IP" --advertise-address="$NODE_IP" --secure-port=6443 \
    --tls-cert-file="$PKI/apiserver.crt" --tls-private-key-file="$PKI/apiserver.key" --client-ca-file="$PKI/ca.crt" \
    --kubelet-client-certificate="$PKI/apiserver-kubelet-client.crt" --kubelet-client-key="$PKI/apiserver-kubelet-client.key" \
    --kubelet-preferred-address-types=InternalIP \
    --proxy-client-cert-file="$PKI/apiserver-kubelet-client.crt" --proxy-client-key-file="$PKI/apiserver-kubelet-client.key" \
    --requestheader-client-ca-file="$PKI/ca.crt" --requestheader-allowed-names=kube-apiserver-kubelet-client \
    --requestheader-username-headers=X-Remote-User --requestheader-group-headers=X-Remote-Group \
    --requestheader-extra-headers-prefix=X-Remote-Extra- \
    --service-account-issuer=https://kubernetes.default.svc.cluster.local \
    --service-account-key-file="$PKI/service-accounts.pub" --service-account-signing-key-file="$PKI/service-accounts.key" \
    --service-cluster-ip-range="$SERVICE_CIDR" --authorization-config="$AUTHORIZATION_CONFIG" --enable-admission-plugins=NodeRestriction \
    --allow-privileged=true --max-requests-inflight=1600 --max-mutating-requests-inflight=800 \
    --audit-policy-file="$CLUSTER_SRC/audit-policy.yaml" --audit-log-path="$AUDIT_LOG" --audit-log-maxsize=8192 \
    --profiling=false --v=1
  must_run kube-apiserver 90 "the API server" kubectl get --raw /readyz
}

nobody_listens() { ! (exec 3<>"/dev/tcp/$NODE_IP/6443") 2>/dev/null; }

# Client limits well above the defaults: with them the controllers, not what is tested, would set the pace of 200 tenants.
controllers() {
  start kube-controller-manager "$BIN/kube-controller-manager" --kubeconfig="$PKI/controller-manager.kubeconfig" \
    --bind-address=127.0.0.1 --use-service-account-credentials --leader-elect=false \
    --service-account-private-key-file="$PKI/service-accounts.key" --root-ca-file="$PKI/ca.crt" \
    --cluster-signing-cert-file="$PKI/ca.crt" --cluster-signing-key-file="$PKI/ca.key" \
    --kube-api-qps=400 --kube-api-burst=800 --concurrent-resource-quota-syncs=10 --concurrent-namespace-syncs=20 \
    --profiling=false --v=1
  start kube-scheduler "$BIN/kube-scheduler" --kubeconfig="$PKI/scheduler.kubeconfig" --bind-address=127.0.0.1 \
    --leader-elect=false --kube-api-qps=400 --kube-api-burst=800 --profiling=false --v=1
  start kwok "$BIN/kwok" --kubeconfig="$PKI/kwok.kubeconfig" --config="$CLUSTER_DIR/kwok-stages.yaml" --cidr="$FAKE_POD_CIDR" \
    --manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake --node-lease-duration-seconds=40 --server-address=127.0.0.1:10247
  must_run kube-controller-manager 60 "the controller manager" curl -skf https://127.0.0.1:10257/healthz
  must_run kube-scheduler 60 "the scheduler" curl -skf https://127.0.0.1:10259/healthz
  must_run kwok 60 "KWOK" curl -sf http://127.0.0.1:10247/healthz
  wait_for 60 "the default ServiceAccount" kubectl get serviceaccount default
}

storage() {
  kubectl apply -f "$CLUSTER_SRC/addons/storage.yaml" >/dev/null
  start volumes "$BIN/volumes" --kubeconfig="$PKI/volumes.kubeconfig" --root="$STATE/volumes"
}

case ${1:-} in
"")
  node_bridge
  etcd
  rm -f "$AUDIT_LOG"
  authorizers
  apiserver
  controllers
  storage
  ;;
stop-apiserver)
  if pid=$(pid_of kube-apiserver); then kill -KILL "$pid"; fi
  wait_for 20 "the API server's end" nobody_listens
  ;;
restart-apiserver)
  if pid=$(pid_of kube-apiserver); then kill -KILL "$pid"; fi
  wait_for 20 "the former API server's end" nobody_listens
  KEEP_LOG=yes apiserver
  ;;
*) die "usage: control-plane.sh [restart-apiserver|stop-apiserver]" ;;
esac
