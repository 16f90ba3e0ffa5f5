#!/usr/bin/env bash
# Turns this machine into the cluster's node: containerd, kubelet, kube-proxy, the network-policy enforcer.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

# Old values are kept for down.sh.
kernel() {
  local key value
  if [ ! -e /proc/sys/net/bridge/bridge-nf-call-iptables ]; then modprobe br_netfilter || die "the kernel lacks br_netfilter"; fi
  for key in net.ipv4.ip_forward net.bridge.bridge-nf-call-iptables; do
    value=$(sysctl -n "$key")
    if [ "$value" != 1 ]; then
      echo "$key=$value" >>"$RUN/sysctl"
      sysctl -qw "$key=1"
    fi
  done
}

# A cgroup of the cluster's own above all pods: down.sh ends what is in it, and nothing else.
cgroups() {
  local root=/sys/fs/cgroup controller dir
  if [ -e "$root/cgroup.controllers" ]; then
    mkdir -p "$root/$CGROUP"
    for controller in cpuset cpu io memory hugetlb pids; do
      if grep -qw "$controller" "$root/cgroup.controllers"; then
        echo "+$controller" | tee "$root/cgroup.subtree_control" "$root/$CGROUP/cgroup.subtree_control" >/dev/null
      fi
    done
    return
  fi
  for controller in cpu cpuacct cpuset memory devices freezer blkio pids hugetlb systemd; do
    dir=$root/$controller
    [ -d "$dir" ] || continue
    mkdir -p "$dir/$CGROUP"
    if [ "$controller" = cpuset ]; then
      cat "$dir/cpuset.cpus" >"$dir/$CGROUP/cpuset.cpus"
      cat "$dir/cpuset.mems" >"$dir/$CGROUP/cpuset.mems"
    fi
  done
}

pod_network() {
  mkdir -p "$STATE/cni"
  cat >"$STATE/cni/10-pods.conflist" <<EOF
{"cniVersion": "1.0.0", "name": "tenant-cluster", "plugins": [
  {"type": "bridge", "bridge": "$POD_BRIDGE", "isGateway": true, "hairpinMode": true,
   "ipam": {"type": "host-local", "dataDir": "$STATE/cni/addresses", "ranges": [[{"subnet": "$POD_CIDR"}]],
            "routes": [{"dst": "0.0.0.0/0"}]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}]}
EOF
  iptables -w -t nat -N TNP-MASQUERADE 2>/dev/null || iptables -w -t nat -F TNP-MASQUERADE
  iptables -w -t nat -A TNP-MASQUERADE -s "$POD_CIDR" ! -d "$POD_CIDR" -j MASQUERADE
  iptables -w -t nat -C POSTROUTING -j TNP-MASQUERADE 2>/dev/null || iptables -w -t nat -A POSTROUTING -j TNP-MASQUERADE
}

container_runtime() {
  cat >"$STATE/containerd.toml" <<EOF
version = 3
root = '$STATE/containerd'
state = '$RUN/containerd'
disabled_plugins = ['io.containerd.nri.v1.nri', 'io.containerd.snapshotter.v1.btrfs', 'io.containerd.snapshotter.v1.zfs',
  'io.containerd.snapshotter.v1.devmapper', 'io.containerd.snapshotter.v1.blockfile', 'io.containerd.tracing.processor.v1.otlp']
[grpc]
  address = '$CONTAINERD_SOCKET'
[ttrpc]
  address = '$CONTAINERD_SOCKET.ttrpc'
[plugins.'io.containerd.cri.v1.images']
  snapshotter = 'overlayfs'
  [plugins.'io.containerd.cri.v1.images'.pinned_images]
    sandbox = '$PAUSE_IMAGE'
[plugins.'io.containerd.cri.v1.runtime']
  # Some machines' root lacks CAP_SYS_RESOURCE.
  restrict_oom_score_adj = true
  netns_mounts_under_state_dir = true
  [plugins.'io.containerd.cri.v1.runtime'.cni]
    bin_dirs = ['$BIN']
    conf_dir = '$STATE/cni'
    use_internal_loopback = true
  [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
    runtime_type = 'io.containerd.runc.v2'
    [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
      SystemdCgroup = false
      Root = '$RUN/runc'
EOF
  start containerd "$BIN/containerd" --config "$STATE/containerd.toml"
  must_run containerd 60 "containerd" "$BIN/ctr" --address "$CONTAINERD_SOCKET" version
}

images() {
  local image=$CLUSTER_SRC/image.sh busybox
  busybox=$(command -v busybox)
  "$image" "$busybox" "$PAUSE_IMAGE" --as /busybox --entrypoint "/sleep 2147483647" --user 65535:65535 --link busybox:/sleep
  "$CLUSTER_SRC/shell-image.sh"
  "$image" "$BIN/agnhost" "$AGNHOST_IMAGE" --cmd pause
  # The workload that the samples name.
  "$image" "$BIN/agnhost" executive-service:1.0.0 --cmd "netexec --http-port=8080"
  "$CLUSTER_SRC/psql-image.sh"
  "$image" "$BIN/coredns" "$COREDNS_IMAGE"
}

kubelet() {
  # No name server of the machine's: names outside of the cluster are not resolved in it.
  : >"$STATE/resolv.conf"
  cat >"$STATE/kubelet.yaml" <<EOF
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
address: $NODE_IP
tlsCertFile: $PKI/kubelet-server.crt
tlsPrivateKeyFile: $PKI/kubelet-server.key
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $PKI/ca.crt}}
authorization: {mode: Webhook}
containerRuntimeEndpoint: unix://$CONTAINERD_SOCKET
cgroupDriver: cgroupfs
cgroupRoot: /$CGROUP
failCgroupV1: false
failSwapOn: false
oomScoreAdj: 0
clusterDNS: [$DNS_SERVICE_IP]
clusterDomain: cluster.local
resolvConf: $STATE/resolv.conf
podLogsDir: $STATE/pod-logs
volumePluginDir: $STATE/volume-plugins
evictionHard: {memory.available: 100Mi, nodefs.available: 1%, nodefs.inodesFree: 1%, imagefs.available: 1%}
imageGCHighThresholdPercent: 100
maxPods: 240
serializeImagePulls: false
kubeAPIQPS: 100
kubeAPIBurst: 200
readOnlyPort: 0
EOF
  # The kubelet makes this folder whatever its root is.
  if [ ! -e /var/lib/kubelet ]; then touch "$RUN/made-var-lib-kubelet"; fi
  start kubelet "$BIN/kubelet" --config="$STATE/kubelet.yaml" --kubeconfig="$PKI/kubelet.kubeconfig" --root-dir="$STATE/kubelet" \
    --cert-dir="$PKI" --hostname-override="$NODE_NAME" --node-ip="$NODE_IP" --v=1
  must_run kubelet 60 "the kubelet" curl -sf http://127.0.0.1:10248/healthz
}

proxy() {
  cat >"$STATE/kube-proxy.yaml" <<EOF
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
bindAddress: $NODE_IP
healthzBindAddress: 127.0.0.1:10256
metricsBindAddress: 127.0.0.1:10249
clientConnection: {kubeconfig: $PKI/kube-proxy.kubeconfig}
clusterCIDR: $POD_CIDR
hostnameOverride: $NODE_NAME
mode: iptables
iptables: {minSyncPeriod: 200ms}
nodePortAddresses: [primary]
conntrack: {maxPerCore: 0, min: 0}
EOF
  start kube-proxy "$BIN/kube-proxy" --config="$STATE/kube-proxy.yaml" --v=1
  must_run kube-proxy 60 "kube-proxy" curl -sf http://127.0.0.1:10249/healthz
}

kernel
cgroups
pod_network
container_runtime
images
kubelet
"$CLUSTER_SRC/enforcer.sh" on
proxy
must_run kubelet 90 "the node to be ready" kubectl wait --for=condition=Ready "node/$NODE_NAME" --timeout=1s
