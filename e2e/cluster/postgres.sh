#!/usr/bin/env bash
# The PostgreSQL beside the cluster: pods, the operator and this machine reach it at DATABASE_IP.
# postgres.sh start|stop|restart    start does nothing when it answers
# postgres.sh pause|resume          freezes it with all its connections, as a machine that hangs; thaws it
# postgres.sh psql [ARGUMENTS]      as superuser, by the socket
set -euo pipefail
. "$(dirname "$0")/lib.sh"
. "$CLUSTER_SRC/../postgresql.sh"

PROGRAMS=$(distribution_postgresql)/bin || die "there is no PostgreSQL: install the package postgresql"
HOME_DIR=$STATE/postgres
DATA=$HOME_DIR/data
AS_POSTGRES=(setpriv --reuid=postgres --regid=postgres --init-groups)

# Behind the node, as the outside is: what pods send there is forwarded, and so judged by the network-policy enforcer.
network() {
  if ip netns exec "$DATABASE_NETNS" true 2>/dev/null && ip link show tc-db >/dev/null 2>&1; then return; fi
  ip netns del "$DATABASE_NETNS" 2>/dev/null || true
  ip link del tc-db 2>/dev/null || true
  ip netns add "$DATABASE_NETNS"
  ip link add tc-db type veth peer name eth0 netns "$DATABASE_NETNS"
  ip addr add "$DATABASE_GATEWAY/30" dev tc-db
  ip link set tc-db up
  ip -n "$DATABASE_NETNS" link set lo up
  ip -n "$DATABASE_NETNS" addr add "$DATABASE_IP/30" dev eth0
  ip -n "$DATABASE_NETNS" link set eth0 up
  ip -n "$DATABASE_NETNS" route add default via "$DATABASE_GATEWAY"
}

# Statements are logged so that tests can look for what must not stand in them. The superuser has no password: only root and
# the user postgres are let in as it, and by the socket only. "host" lets in with TLS and without.
configure() {
  cat >>"$1/postgresql.conf" <<CONF
listen_addresses = '$DATABASE_IP'
port = $DATABASE_PORT
unix_socket_directories = '$DATABASE_SOCKET'
max_connections = 200
password_encryption = 'scram-sha-256'
ssl = on
ssl_cert_file = '$HOME_DIR/server.crt'
ssl_key_file = '$HOME_DIR/server.key'
log_statement = 'all'
log_connections = on
log_disconnections = on
log_line_prefix = '%m [%p] user=%u,db=%d,app=%a,client=%h '
fsync = off
synchronous_commit = off
full_page_writes = off
shared_buffers = '64MB'
dynamic_shared_memory_type = mmap
CONF
  cat >"$1/pg_hba.conf" <<HBA
local all postgres     peer map=machine
host  all all      all scram-sha-256
HBA
  printf 'machine %s postgres\n' root postgres >"$1/pg_ident.conf"
}

data() {
  if [ ! -e "$DATA" ]; then
    rm -rf "$HOME_DIR"
    install -d -m 755 "$HOME_DIR"
    install -m 644 "$PKI/ca.crt" "$DATABASE_CA_FILE"
    install -m 644 "$PKI/postgres.crt" "$HOME_DIR/server.crt"
    install -m 600 -o postgres -g postgres "$PKI/postgres.key" "$HOME_DIR/server.key"
    install -d -m 700 -o postgres -g postgres "$DATA.new"
    (cd / && "${AS_POSTGRES[@]}" "$PROGRAMS/initdb" -D "$DATA.new" --username=postgres --encoding=UTF8 --locale=C.UTF-8 \
      --auth-local=peer --auth-host=reject --no-sync) >"$LOGS/initdb.log" 2>&1 ||
      { tail -n 15 "$LOGS/initdb.log" >&2; die "initdb failed"; }
    configure "$DATA.new"
    mv "$DATA.new" "$DATA"
    : >"$DATABASE_LOG"
  fi
  install -d -m 700 -o postgres -g postgres "$DATABASE_SOCKET"
}

superuser() { PGHOST=$DATABASE_SOCKET PGPORT=$DATABASE_PORT PGUSER=postgres PGDATABASE=${PGDATABASE:-postgres} "$PROGRAMS/psql" -X "$@"; }

# The operator's login: it may make roles and databases, and is no superuser.
admin() {
  if [ -e "$DATABASE_ADMIN_PASSWORD_FILE" ]; then return; fi
  (umask 077 && openssl rand -hex 24 >"$DATABASE_ADMIN_PASSWORD_FILE.new")
  # By stdin: a command line can be read by everybody.
  superuser -q -v ON_ERROR_STOP=1 <<SQL
SET log_statement = none;
CREATE ROLE $DATABASE_ADMIN LOGIN CREATEROLE CREATEDB PASSWORD '$(cat "$DATABASE_ADMIN_PASSWORD_FILE.new")';
SQL
  mv "$DATABASE_ADMIN_PASSWORD_FILE.new" "$DATABASE_ADMIN_PASSWORD_FILE"
}

answers() { "$PROGRAMS/pg_isready" -q -h "$DATABASE_IP" -p "$DATABASE_PORT" -t 3; }

# Every connection has a process, each in a process group of its own; the network namespace knows them all.
signal() { ip netns pids "$DATABASE_NETNS" 2>/dev/null | xargs -r kill "-$1" 2>/dev/null || true; }

ended() { [ -z "$(ip netns pids "$DATABASE_NETNS" 2>/dev/null)" ]; }

start_postgres() {
  if running postgres && answers; then return; fi
  stop_postgres
  network
  data
  KEEP_LOG=1 start postgres ip netns exec "$DATABASE_NETNS" "${AS_POSTGRES[@]}" "$PROGRAMS/postgres" -D "$DATA"
  must_run postgres 30 "PostgreSQL" answers
  admin
}

# INT makes it end its connections and write what it has, QUIT end at once.
stop_postgres() {
  local name pid end
  signal CONT
  for name in INT QUIT; do
    pid=$(pid_of postgres) || break
    kill "-$name" "$pid" 2>/dev/null || true
    end=$((SECONDS + 8))
    while running postgres && [ "$SECONDS" -lt "$end" ]; do sleep 0.1; done
  done
  signal KILL
  wait_for 5 "PostgreSQL's processes to end" ended || true
  # A postmaster that was killed may stay a zombie for a while, which the next would take for a living one.
  rm -f "$RUN/pids/postgres" "$DATABASE_PID_FILE" "$DATABASE_SOCKET"/.s.PGSQL.*
}

[ "${1:-}" = psql ] || need_root postgres.sh
case ${1:-} in
start) start_postgres ;;
stop) stop_postgres ;;
restart)
  stop_postgres
  start_postgres
  ;;
pause)
  # The one that makes the others first.
  pid=$(pid_of postgres) || die "PostgreSQL does not run"
  kill -STOP "$pid"
  signal STOP
  ;;
resume) signal CONT ;;
psql)
  shift
  superuser "$@"
  ;;
*) die "usage: postgres.sh start|stop|restart|pause|resume, or psql [ARGUMENTS]" ;;
esac
