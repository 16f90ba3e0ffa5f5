#!/usr/bin/env bash
# make example NAME=hotdash: one of examples/ on the cluster of make up, and what to look at. May be run again at any time.
#   NAME=FOLDER             of examples/
#   DELETE=1                removes it again, with its tenants and their data
#   READY_TIMEOUT=SECONDS   how long its tenants may take (120)
#   EXAMPLE_APP=FILE        the application's program, where it is built already
set -euo pipefail
. "$(dirname "$0")/choose.sh"
. "$(dirname "$0")/database.sh"
. "$(dirname "$0")/gateway.sh"
. "$(dirname "$0")/rust.sh"

cd "$REPO"
NAME=${NAME:-}
READY_TIMEOUT=${READY_TIMEOUT:-120}
NAMES=$(cd examples && for each in */kustomization.yaml; do dirname "$each"; done | xargs)
SOURCE=examples/$NAME
# What this machine alone knows: the issuer's key, and the overlay with the cluster's addresses.
LOCAL=target/example/$NAME

usable() {
  [ -n "$NAME" ] && [ -f "$SOURCE/kustomization.yaml" ] || die "NAME is one of $NAMES, as in make example NAME=hotdash"
  choose_cluster
  [ "$CLUSTER" = local ] || die "the examples need the local cluster (CLUSTER=local), which has a PostgreSQL and a gateway. Elsewhere: fill in
examples/$NAME/servers.yaml, execute database.sql if there is one, and kubectl apply -k examples/$NAME"
  reachable || die "no cluster answers: make up starts one"
  . target/cluster/env
  DATABASE_ADDRESSES=$DATABASE_IP/32
}

# For tokens: `token.py` signs with it, and the tiers have its public part in place of the issuer's address.
issuer() {
  mkdir -p "$LOCAL"
  [ -f "$LOCAL/key.pem" ] || (umask 077 && openssl genpkey -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out "$LOCAL/key.pem" 2>/dev/null)
}

overlay() {
  cat >"$LOCAL/kustomization.yaml" <<EOF
resources: [../../../$SOURCE]
patches:
- target: {kind: DatabaseServer}
  patch: |-
    - {op: replace, path: /spec/host, value: $DATABASE_HOST}
    - {op: add, path: /spec/port, value: $DATABASE_PORT}
    - {op: add, path: /spec/addresses, value: [$DATABASE_ADDRESSES]}
    - {op: replace, path: /spec/tls/caSecretRef/name, value: sample-database-ca}
    - {op: replace, path: /spec/adminSecretRef/name, value: sample-database-admin}
EOF
  if grep -q example-issuer "$SOURCE/tiers.yaml"; then
    cat >>"$LOCAL/kustomization.yaml" <<EOF
- target: {kind: TenantTier, labelSelector: example-issuer}
  patch: |-
    - {op: replace, path: /spec/gateway/jwt/jwks, value: {inline: '$(examples/token.py jwks "$NAME")'}}
EOF
  fi
}

image() {
  local binary=${EXAMPLE_APP:-} loaded=target/example/image
  if [ -z "$binary" ]; then
    build_operator
    binary=target/$RUST_TARGET/debug/example-app
  fi
  # Of a cluster that has been removed the image is gone.
  if [ "$(cat "$loaded" 2>/dev/null)" = "$(sum "$binary")" ]; then return; fi
  e2e/cluster/image.sh "$binary" example-app:1.0.0
  sum "$binary" >"$loaded"
}
sum() { echo "$(sha256sum <"$1") $(kubectl get namespace kube-system -o jsonpath='{.metadata.uid}')"; }

# The platform's own database, and its application's login. The password goes by standard input only.
platform_database() {
  local application password database
  [ -f "$SOURCE/database.sql" ] || return 0
  application=$(sed -nE "s/^ALTER ROLE (\w+) PASSWORD.*/\1/p" "$SOURCE/database.sql" | head -n 1)
  database=$(database_name)
  password=$(openssl rand -hex 24)
  { printf "\\\\set password '%s'\n\\\\set operator '%s'\n" "$password" "$DATABASE_ADMIN" && cat "$SOURCE/database.sql"; } |
    "$DATABASE_CONTROL" psql --quiet --no-psqlrc --set ON_ERROR_STOP=1 >/dev/null
  kubectl create secret generic "$(secret_name)" --namespace "$APPLICATIONS" --dry-run=client -o yaml \
    --from-literal=host="$DATABASE_HOST" --from-literal=port="$DATABASE_PORT" --from-literal=database="$database" \
    --from-literal=username="$application" --from-file=password=<(printf %s "$password") --from-file=ca.crt="$DATABASE_CA_FILE" |
    kubectl apply -f - >/dev/null
}
database_name() { sed -nE 's/^\\connect (\w+)$/\1/p' "$SOURCE/database.sql"; }
secret_name() { sed -nE 's/.*secretName: ([a-z-]+).*/\1/p' "$SOURCE/platform.yaml" | sort -u; }

tenants() { kubectl get -k "$LOCAL" --ignore-not-found -o custom-columns="KIND:.kind,NAME:.metadata.name" --no-headers | awk '$1 == "Tenant" { print $2 }' | xargs; }

apply() {
  local began
  issuer
  overlay
  image
  platform_database
  began=$SECONDS
  kubectl apply -k "$LOCAL"
  # shellcheck disable=SC2046
  kubectl wait --for=condition=Ready --timeout="${READY_TIMEOUT}s" tenant $(tenants) >/dev/null || {
    kubectl get tenants >&2
    die "not Ready after $READY_TIMEOUT s: kubectl describe tenant NAME says why"
  }
  say "all Ready after $((SECONDS - began)) s"
  echo
  # shellcheck disable=SC2046
  kubectl get tenants $(tenants)
  echo
  echo "To look further ($SOURCE/README.md says what each object stands for):"
  echo "  export KUBECONFIG=$KUBECONFIG PATH=$BIN:\$PATH URL=${GATEWAY_SCHEME:-http}://$GATEWAY_ADDRESS"
  awk '/^## Look/ { found = 1 } found && /^```$/ { exit } printing { print "  " $0 } found && /^```sh$/ { printing = 1 }' "$SOURCE/README.md"
  echo "To remove it: make example NAME=$NAME DELETE=1"
}

# Tenants first: their data is on the servers, and servers wait for them.
delete() {
  local database
  issuer
  overlay
  # shellcheck disable=SC2046
  kubectl delete tenant $(tenants) --ignore-not-found --timeout=180s
  kubectl delete -k "$LOCAL" --ignore-not-found --timeout=60s
  if [ -f "$SOURCE/database.sql" ]; then
    kubectl delete secret "$(secret_name)" --namespace "$APPLICATIONS" --ignore-not-found
    database=$(database_name)
    printf 'DROP DATABASE IF EXISTS %s WITH (FORCE);\n' "$database" | "$DATABASE_CONTROL" psql --quiet --no-psqlrc
  fi
}

usable
if [ -n "${DELETE:-}" ]; then delete; else apply; fi
