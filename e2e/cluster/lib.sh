# shellcheck shell=bash
# Helpers of the scripts beside this: messages, bounded waits, and processes that outlive the shell and are known again.

. "$(dirname "${BASH_SOURCE[0]}")/settings.sh"

say() { printf '%s\n' "cluster: $*" >&2; }
die() { say "error: $*"; exit 1; }

need_root() { [ "$(id -u)" -eq 0 ] || die "$1 needs root (bridges, mounts and iptables): run it as root or by sudo"; }

# One of up.sh and down.sh at a time on a machine; processes that are started close descriptor 9.
take_lock() {
  [ -n "${TENANT_CLUSTER_LOCKED:-}" ] && return
  mkdir -p /run/lock
  exec 9>/run/lock/tenant-cluster.lock
  flock -n 9 || { say "waiting for another up or down on this machine"; flock -w 1800 9 || die "the other did not end within 30 minutes"; }
  export TENANT_CLUSTER_LOCKED=1
}

# wait_for SECONDS WHAT COMMAND...: until the command succeeds.
wait_for() {
  local seconds=$1 what=$2 end
  shift 2
  end=$((SECONDS + seconds))
  until "$@" >/dev/null 2>&1; do
    if [ "$SECONDS" -ge "$end" ]; then
      say "waited $seconds s in vain for $what"
      return 1
    fi
    sleep 0.2
  done
}

# A process is known by pid and start time: after a reboot, or when the pid went to another, it is not ours.
start_time() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | awk '$1 != "Z" { print $20 }'; }

pid_of() {
  local pid started
  { read -r pid started <"$RUN/pids/$1"; } 2>/dev/null || return 1
  [ -n "$started" ] && [ "$(start_time "$pid")" = "$started" ] && echo "$pid"
}

running() { pid_of "$1" >/dev/null; }

# start NAME COMMAND...: with KEEP_LOG its log goes on where it ended. No file is left open that whoever calls has: a lock would be
# held as long as the process lives.
start() {
  local name=$1 pid
  shift
  mkdir -p "$RUN/pids" "$LOGS"
  if [ -z "${KEEP_LOG:-}" ]; then : >"$LOGS/$name.log"; fi
  (
    cd /
    for file in "/proc/$BASHPID/fd"/*; do
      file=${file##*/}
      if [ "$file" -gt 2 ]; then eval "exec $file>&-"; fi
    done
    exec setsid nohup env -i PATH="$BIN:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin" HOME=/root LANG=C \
      "$@" >>"$LOGS/$name.log" 2>&1 </dev/null
  ) &
  pid=$!
  echo "$pid $(start_time "$pid")" >"$RUN/pids/$name"
}

# stop SECONDS NAME...: asks all, waits for all, ends hard what is left.
stop() {
  local seconds=$1 name pid end left
  shift
  for name in "$@"; do
    pid=$(pid_of "$name") && kill -TERM "$pid" 2>/dev/null
  done
  end=$((SECONDS + seconds))
  for name in "$@"; do
    while running "$name" && [ "$SECONDS" -lt "$end" ]; do sleep 0.1; done
    if pid=$(pid_of "$name"); then kill -KILL "$pid" 2>/dev/null; fi
    left=50
    while running "$name" && [ "$left" -gt 0 ]; do left=$((left - 1)); sleep 0.1; done
    rm -f "$RUN/pids/$name"
  done
}

# must_run NAME SECONDS WHAT COMMAND...: like wait_for, but ends at once when the process died, and shows its last words.
must_run() {
  local name=$1 seconds=$2 what=$3
  shift 3
  # shellcheck disable=SC2317
  still_starting() { "$@" || ! running "$name"; }
  wait_for "$seconds" "$what" still_starting "$@" && running "$name" && return
  say "$name does not run; its log ($LOGS/$name.log) ends with:"
  tail -n 15 "$LOGS/$name.log" >&2
  exit 1
}

kubectl() { "$BIN/kubectl" --kubeconfig "$ADMIN_KUBECONFIG" "$@"; }

# libraries PROGRAM: image.sh's options, a line each, for the shared libraries that it loads.
libraries() {
  ldd "$1" | grep -o '/[^ ]*\.so[^ ]*' | sort -u | while read -r library; do
    printf -- '--file\n%s:%s\n' "$(readlink -f "$library")" "$library"
  done
}

apply() { kubectl apply --server-side --force-conflicts "$@" >/dev/null; }

# definitions DIRECTORY: created where nothing of them is, which costs the API server a fraction of what applying these large ones does.
definitions() {
  kubectl create --validate=false -f "$1" >/dev/null 2>&1 || apply -f "$1"
  kubectl wait --for=condition=Established --timeout=60s -f "$1" >/dev/null
}

# image_once BINARY NAME:TAG [options of image.py]: one that is there is not made again: it would be the same.
image_once() {
  local name=$2
  if "$BIN/ctr" --address "$CONTAINERD_SOCKET" -n k8s.io images ls -q 2>/dev/null | grep -qxF "$name"; then return; fi
  "$CLUSTER_SRC/image.sh" "$@"
}
