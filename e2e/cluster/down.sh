#!/usr/bin/env bash
# down.sh: ends and removes the machine's cluster, whichever checkout started it and however much of it still lives: processes, containers, mounts, namespaces,
# bridges, rules, state. Built programs stay. Can be run twice.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

need_root down.sh
take_lock

if [ ! -e "$RUN" ] && [ ! -e "$STATE" ]; then
  rm -f "$ADMIN_KUBECONFIG" "$CLUSTER_DIR/env"
  say "nothing is up"
  exit 0
fi

cgroup_dirs() { find /sys/fs/cgroup -maxdepth 2 -type d -name "$CGROUP" 2>/dev/null; }

# Containers are found by the cluster's cgroup, and shims by the socket on their command line: neither needs containerd to live.
container_pids() { cgroup_dirs | while read -r dir; do find "$dir" -name cgroup.procs -exec cat {} + 2>/dev/null; done | sort -un; }
shim_pids() {
  local dir exe
  for dir in /proc/[0-9]*; do
    exe=$(readlink "$dir/exe" 2>/dev/null) || continue
    if [[ $exe == */containerd-shim-runc-v2* ]] && tr '\0' ' ' <"$dir/cmdline" 2>/dev/null | grep -qF -- "$CONTAINERD_SOCKET"; then
      echo "${dir#/proc/}"
    fi
  done
}

end_containers() {
  local pids try
  for try in $(seq 50); do
    pids=$(container_pids; shim_pids)
    [ -n "$pids" ] || return 0
    # shellcheck disable=SC2086
    kill -KILL $pids 2>/dev/null || true
    sleep 0.1
  done
  say "containers that do not end: $pids"
}

unmount() {
  local try
  for try in $(seq 10); do
    mounts=$(awk '{print $2}' /proc/self/mounts | grep -E "^($RUN|$STATE)/" | sort -r) || return 0
    if [ "$try" -eq 10 ]; then set -- -l; fi
    echo "$mounts" | while read -r mount; do umount "$@" "$mount" 2>/dev/null || true; done
  done
}

remove_cgroups() { cgroup_dirs | while read -r dir; do find "$dir" -depth -type d -exec rmdir {} + 2>/dev/null || true; done; }

# All chains of kube-proxy, the kubelet, the port mapper and ours, whoever would know their names is dead.
remove_rules() {
  local table all rest command
  for command in iptables ip6tables; do
    command -v "$command" >/dev/null || continue
    for table in raw mangle nat filter; do
      all=$("$command-save" -t "$table" 2>/dev/null) || continue
      rest=$(grep -vE '(^:|-[Aj] |-g )(KUBE-|TNP-|CNI-)' <<<"$all")
      if [ "$rest" != "$all" ]; then "$command-restore" --wait --table="$table" <<<"$rest"; fi
    done
  done
  for set in $(ipset list -name 2>/dev/null | grep '^TNP-'); do ipset destroy "$set" || true; done
  conntrack -D --orig-dst "$SERVICE_CIDR" >/dev/null 2>&1 || true
  conntrack -D --orig-src "$POD_CIDR" >/dev/null 2>&1 || true
}

remove_links() {
  for name in "$POD_BRIDGE" "$NODE_BRIDGE" tc-out tc-db; do ip link del "$name" 2>/dev/null || true; done
  ip netns del "$OUTSIDE_NETNS" 2>/dev/null || true
  ip netns del "$DATABASE_NETNS" 2>/dev/null || true
  while ip rule del from "$POD_CIDR" table 977 2>/dev/null; do :; done
  ip route flush table 977 2>/dev/null || true
  if [ -e "$RUN/sysctl" ]; then sysctl -q -p "$RUN/sysctl" || true; fi
}

remove_files() {
  local left
  left=$(grep -cE " ($RUN|$STATE)/" /proc/self/mounts) || true
  [ "$left" -eq 0 ] || die "$left mounts under $RUN or $STATE do not go: see /proc/self/mounts"
  rm -rf --one-file-system "$STATE"
  # Files of containerd, its shims, CNI and the kubelet in other places.
  find /var/log/containers -maxdepth 1 -type l -lname "$STATE/*" -delete 2>/dev/null || true
  find /var/lib/cni/results -maxdepth 1 -name 'tenant-cluster-*' -delete 2>/dev/null || true
  if ! pgrep containerd-shim >/dev/null; then rm -rf /run/containerd/s; fi
  if [ -e "$RUN/made-var-lib-kubelet" ]; then rm -rf --one-file-system /var/lib/kubelet; fi
  rmdir /var/log/containers /var/lib/cni/results /var/lib/cni /run/containerd 2>/dev/null || true
  rm -f "$ADMIN_KUBECONFIG" "$CLUSTER_DIR/env"
  rm -rf --one-file-system "$RUN"
}

say "stopping"
"$CLUSTER_SRC/postgres.sh" stop
stop 5 network-policy-enforcer kubelet kube-proxy kwok volumes kube-scheduler kube-controller-manager outside
end_containers
stop 5 containerd kube-apiserver
stop 5 etcd
unmount
remove_cgroups
remove_links
remove_rules
remove_files
say "down"
