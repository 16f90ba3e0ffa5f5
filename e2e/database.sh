# To be sourced: a PostgreSQL server for the samples. The local cluster has one; elsewhere these say which:
#   DATABASE_HOST=HOST                 that the pods reach
#   DATABASE_PORT=PORT                 (5432)
#   DATABASE_ADMIN=ROLE                with CREATEROLE and CREATEDB (tenant_operator)
#   DATABASE_ADMIN_PASSWORD_FILE=FILE  its password
#   DATABASE_CA_FILE=FILE              what signs the server's certificate; without it the well-known authorities
#   DATABASE_TLS_MODE=MODE             (VerifyFull)
#   DATABASE_ADDRESSES=CIDR,…          where the host is a name: what the tenants' network policies let through

has_database() { [ -n "${DATABASE_HOST:-}" ]; }

# The server as a DatabaseServer.
database_server() {
  local tls="{mode: ${DATABASE_TLS_MODE:-VerifyFull}"
  [ -z "${DATABASE_CA_FILE:-}" ] || tls+=", caSecretRef: {name: sample-database-ca}"
  cat <<EOF
apiVersion: tenant-operator.io/v1alpha1
kind: DatabaseServer
metadata: {name: sample, labels: {region: local}}
spec:
  host: $DATABASE_HOST
  port: ${DATABASE_PORT:-5432}
  tls: $tls}
  addresses: [${DATABASE_ADDRESSES:-}]
  adminSecretRef: {name: sample-database-admin}
  database: tenants
  capacity: {maxTenants: 1000}
  extensions: [pgcrypto]
EOF
}

# Hardening that only a superuser can do, where this machine has one: $1 is the operator's program.
harden_database() {
  [ -n "${DATABASE_CONTROL:-}" ] || return 0
  say "closing it to PUBLIC, as its superuser (tenant-operator database-script)"
  database_server | "$1" database-script --admin "$DATABASE_ADMIN" -f - | "$DATABASE_CONTROL" psql -q
}

# Its Secrets go by standard input: no password stands in an argument.
apply_database() {
  {
    kubectl create secret generic sample-database-admin --namespace "$NAMESPACE" --dry-run=client -o yaml \
      --from-literal=username="${DATABASE_ADMIN:-tenant_operator}" \
      --from-file=password=<(tr -d '\n' <"$DATABASE_ADMIN_PASSWORD_FILE")
    echo ---
    if [ -n "${DATABASE_CA_FILE:-}" ]; then
      kubectl create secret generic sample-database-ca --namespace "$NAMESPACE" --dry-run=client -o yaml --from-file=ca.crt="$DATABASE_CA_FILE"
      echo ---
    fi
    database_server
  } | kubectl apply -f -
}
