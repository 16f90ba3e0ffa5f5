#!/usr/bin/env bash
# The PostgreSQL server of `make bench DB=1`: a throwaway one beside the cluster, that its pods reach on the node's address.
#   database.sh start DIR    with TLS; DIR then has host, port, password (the superuser's), ca.crt and log
#   database.sh stop DIR     ends it and removes DIR
set -euo pipefail
. "$(dirname "$0")/../cluster/lib.sh"

VERSION=16
# Port that the chart lets the operator reach.
PORT=5432
servers() { "$REPO/tests/postgres/servers.sh" "$@" >/dev/null; }

key() { openssl ecparam -name prime256v1 -genkey -noout -out "$1"; }

# An authority, and a certificate for the host.
certificates() {
  local dir=$1
  key "$dir/ca.key"
  openssl req -x509 -new -key "$dir/ca.key" -subj /CN=bench -days 30 -out "$dir/ca.crt" \
    -addext "basicConstraints=critical,CA:TRUE" -addext "keyUsage=critical,keyCertSign"
  key "$dir/data/server.key"
  openssl req -new -key "$dir/data/server.key" -subj /CN=postgres -out "$dir/server.csr"
  openssl x509 -req -in "$dir/server.csr" -CA "$dir/ca.crt" -CAkey "$dir/ca.key" -CAcreateserial -days 30 \
    -extfile <(echo "subjectAltName=IP:$NODE_IP") -out "$dir/data/server.crt" 2>/dev/null
  chmod 600 "$dir/data/server.key"
  chown --reference="$dir/data/PG_VERSION" "$dir/data/server.key" "$dir/data/server.crt"
}

start_server() {
  local dir=$1
  servers stop "$dir"
  rm -rf "$dir"
  servers start "$VERSION" "$dir"
  servers stop "$dir"
  certificates "$dir"
  cat >>"$dir/data/postgresql.conf" <<CONF
listen_addresses = '$NODE_IP'
ssl = on
ssl_cert_file = 'server.crt'
ssl_key_file = 'server.key'
shared_buffers = '64MB'
CONF
  echo "host all all all scram-sha-256" >>"$dir/data/pg_hba.conf"
  echo "$PORT" >"$dir/port"
  echo "$NODE_IP" >"$dir/host"
  servers start "$VERSION" "$dir"
}

case "${1:-} $#" in
"start 2") start_server "$2" ;;
"stop 2")
  servers stop "$2"
  rm -rf "$2"
  ;;
*) die "usage: database.sh start|stop DIR" ;;
esac
