#!/usr/bin/env bash
# Tests of the scripts of `make up`, `make test` and `make down` on kind, and of their choice of cluster. They run in a copy, with commands in the place of
# kind, docker, kubectl, helm, cargo and apt-get that record their calls. No cluster is needed.
# shellcheck disable=SC2016
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

repository=$PWD
helm=$(PATH=$PWD/target/cluster/bin:$PATH command -v helm) || { echo "error: helm is needed, to read YAML"; exit 1; }
failed=0 passed=0
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT
copy=$work/copy calls=$work/calls said=$work/said stand_ins=$work/bin

check() { # what, command...
  local what=$1
  shift
  if "$@"; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    echo "FAIL $what"
    sed 's/^/  called: /' "$calls" | tail -n 30
    tail -n 15 "$said"
  fi
}
called() { grep -qE -- "^$1" "$calls"; }
not_called() { ! called "$1"; }
says() { grep -qF -- "$1" "$said"; }
not_says() { ! says "$1"; }
fails() { ! "$@"; }

# stand_in NAME [SHELL CODE]: a command that records its call, and then does this.
stand_in() {
  printf '#!/bin/bash\nprintf "%%s\\n" "%s $*" >>"%s"\n%s\n' "$1" "$calls" "${2:-}" >"$stand_ins/$1"
  chmod +x "$stand_ins/$1"
}

# A checkout without its target folder, in which nothing is built, on a machine with docker and kind.
begin() {
  rm -rf "$copy" "$stand_ins"
  mkdir -p "$copy/target/cluster/bin" "$copy/tests/postgres" "$stand_ins"
  cp -r e2e "$copy/e2e"
  ln -s "$repository/charts" "$repository/config" "$copy/"
  printf '#!/bin/bash\necho "build.sh $*" >>%q\n' "$calls" >"$copy/e2e/cluster/build.sh"
  printf 'the server of the samples' >"$copy/target/cluster/bin/agnhost"
  : >"$calls"
  stand_in kind 'case "$1 $2" in
    "version --quiet") echo "${KIND_IS:-0.33.0}" ;;
    "get clusters") cat "$0.clusters" 2>/dev/null ;;
    "create cluster") echo tenant-operator >"$0.clusters" ;;
    "delete cluster") rm -f "$0.clusters" ;;
    esac'
  stand_in docker 'case "$*" in
    info) exit "${DOCKER_FAILS:-0}" ;;
    "image inspect"*) echo sha256:0123456789abcdef0123 ;;
    esac'
  stand_in kubectl 'case "$*" in
    *readyz*) exit "${CLUSTER_FAILS:-0}" ;;
    "apply -f -") cat >/dev/null ;;
    "get -k"*) echo "Tenant acme True" ;;
    "get deployment"* | *"get deployment tenant-operator"*) exit "${OPERATOR_FAILS:-0}" ;;
    "get nodes"*) printf "10.244.0.0/24\n172.18.0.2/32\n" ;;
    esac'
  stand_in helm
  stand_in cargo
  stand_in ldd 'exit 1'
  stand_in busybox 'if [ "$1" = --list ]; then printf "busybox\nls\nsh\n"; fi'
}

# run WORDS...: in the copy, with nothing of this machine's but the most common commands.
run() {
  (cd "$copy" && env -i PATH="$stand_ins:/usr/bin:/bin" HOME="$work" LANG=C "$@") >"$said" 2>&1 </dev/null
}

# chosen WORDS...: which cluster is chosen in this environment.
chosen() {
  run "$@" bash -c '. e2e/choose.sh && choose_cluster && echo "$CLUSTER $KUBECONFIG"'
  tail -n 1 "$said"
}

image_of() { tar -xOf "$copy/target/kind/$1-image.tar" manifest.json; }
layer_of() { tar -xOf "$copy/target/kind/$1-image.tar" "$(image_of "$1" | grep -o 'blobs/sha256/[0-9a-f]*' | tail -n 1)" | tar -t; }

# json FILE: a YAML file as JSON.
json() {
  mkdir -p "$work/chart/templates"
  printf 'apiVersion: v2\nname: json\nversion: 0.0.0\n' >"$work/chart/Chart.yaml"
  echo '{{ .Values | toJson }}' >"$work/chart/templates/json.yaml"
  "$helm" template "$work/chart" --values "$1" | grep -m 1 '^{'
}

# about FILE PYTHON: an expression about a YAML file, as `it`.
about() {
  json "$1" | python3 -c 'import json, re, sys; it = json.load(sys.stdin); sys.exit(0 if eval(sys.argv[1]) else 1)' "$2"
}

on_kind() { run env CLUSTER=kind "$@"; }
kubeconfig=$copy/target/kind/kubeconfig

begin
check "make up makes a kind cluster" on_kind e2e/up.sh
check "with its configuration, and kind's own node image" called \
  "kind create cluster --name tenant-operator --config e2e/kind/cluster.yaml --kubeconfig $kubeconfig --wait 120s\$"
check "the configuration is there" test -f "$copy/e2e/kind/cluster.yaml"
check "everybody reads the audit log" test "$(stat -c %a "$copy/target/kind/audit/audit.log")" = 644
check "the operator's image is loaded" called 'kind load docker-image --name tenant-operator tenant-operator:0123456789ab$'
check "so is the samples'" called 'kind load image-archive --name tenant-operator target/kind/sample-image.tar$'
check "so is the one with a shell" called 'kind load image-archive --name tenant-operator target/kind/shell-image.tar$'
check "the samples' image has the samples' name" grep -q '"docker.io/library/executive-service:1.0.0"' <(image_of sample)
check "the other has the tests' name for it" grep -q '"e2e.example.com/busybox:e2e"' <(image_of shell)
check "it has every applet" grep -qx bin/ls <(layer_of shell)
check "the operator is installed from the image that was loaded" called 'helm upgrade .*image.repository=tenant-operator .*image.tag=0123456789ab '
check "it is told the nodes' addresses and the pods'" called 'helm upgrade .*clusterCIDRs=\{10\.244\.0\.0/24,172\.18\.0\.2/32\}'
check "nothing is done that only root may" not_called '(sudo|apt-get install)'
check "the samples without databases and routes are applied" called 'kubectl apply -k config/samples$'
check "and why is said" says 'no PostgreSQL is named (DATABASE_HOST)'
check "it is remembered for make down" grep -qx kind "$copy/target/up-cluster"

: >"$calls"
echo kept >>"$copy/target/kind/audit/audit.log"
check "make up again" on_kind e2e/up.sh
check "makes no second cluster" not_called 'kind create'
check "and asks for the kubeconfig of the one that is there" called "kind export kubeconfig --name tenant-operator --kubeconfig $kubeconfig\$"
check "whose audit log goes on" grep -qx kept "$copy/target/kind/audit/audit.log"
check "all images are loaded again" test "$(grep -c '^kind load' "$calls")" = 3

: >"$calls"
check "make down" run e2e/down.sh
check "removes the kind cluster" called "kind delete cluster --name tenant-operator --kubeconfig $kubeconfig\$"
check "and its audit log" fails test -e "$copy/target/kind/audit"
check "and is done" fails test -e "$copy/target/up-cluster"

begin
echo secret >"$work/password"
check "make up with somebody's PostgreSQL and gateway" on_kind env DATABASE_HOST=db.example.com DATABASE_ADMIN_PASSWORD_FILE="$work/password" \
  GATEWAY_CONTROLLER=APISIX GATEWAY_NAME=apisix GATEWAY_NAMESPACE=ways e2e/up.sh
check "takes that server" says 'PostgreSQL at db.example.com becomes DatabaseServer sample'
check "and that gateway" called 'helm upgrade .*network.gatewayNamespace=ways .*gateway.controller=APISIX,gateway.name=apisix,'
check "for samples with both" called 'kubectl apply -k config/samples-databases-routes$'
begin
check "make up with a node image" on_kind env KIND_IMAGE=kindest/node:v1.33.0 e2e/up.sh
check "takes it" called 'kind create cluster .* --image kindest/node:v1.33.0$'
begin
check "make up with an old kind" on_kind env KIND_IS=0.29.0 e2e/up.sh
check "says what that lacks" says 'kind 0.29.0 is older than 0.33.0'
begin
check "without docker make up on kind fails" fails on_kind env DOCKER_FAILS=1 e2e/up.sh
check "and says so" says 'docker does not answer'
begin
rm "$stand_ins/kind"
check "without kind make up on kind fails" fails on_kind e2e/up.sh
check "and says how to get it" says 'go install sigs.k8s.io/kind@'

# A shell image for which nobody need be root.
dynamic() {
  begin
  stand_in ldd 'case $1 in *target/kind/busybox*) exit 1 ;; *) echo "libc.so.6 => /lib/libc.so.6" ;; esac'
  stand_in apt-get "$1"
  stand_in dpkg-deb 'mkdir -p usr/bin && cp "$(dirname "$0")/busybox" usr/bin/'
}
dynamic 'touch busybox-static_1_amd64.deb'
check "where busybox is no static one make up" on_kind e2e/up.sh
check "fetches the package" called 'apt-get download busybox-static$'
check "unpacks it" called 'dpkg-deb --extract busybox-static_1_amd64.deb \.$'
check "and loads the image all the same" called 'kind load image-archive --name tenant-operator target/kind/shell-image.tar$'
: >"$calls"
check "make up again" on_kind e2e/up.sh
check "fetches it no more" not_called 'apt-get'
dynamic 'exit 100'
check "where it cannot be fetched make up fails" fails on_kind e2e/up.sh
check "and says what is missing" says 'install busybox-static'

begin
check "kind is chosen where docker answers" test "$(chosen)" = "kind $kubeconfig"
check "and why is said" says 'Docker runs and kind is installed'
check "else the local cluster" test "$(chosen DOCKER_FAILS=1)" = "local $copy/target/cluster/kubeconfig"
check "a cluster that KUBECONFIG names and that answers comes first" test "$(chosen KUBECONFIG=/elsewhere)" = "current /elsewhere"
check "one that does not answer is passed over" test "$(chosen KUBECONFIG=/elsewhere CLUSTER_FAILS=1)" = "kind $kubeconfig"
mkdir -p "$copy/target/kind" && touch "$kubeconfig" "$copy/target/cluster/kubeconfig"
check "KUBECONFIG may be kind's" test "$(chosen KUBECONFIG="$kubeconfig" DOCKER_FAILS=1)" = "kind $kubeconfig"
check "or the local cluster's" test "$(chosen KUBECONFIG="$copy/target/cluster/kubeconfig")" = "local $copy/target/cluster/kubeconfig"
check "CLUSTER says it before all" test "$(chosen CLUSTER=local KUBECONFIG="$kubeconfig")" = "local $copy/target/cluster/kubeconfig"
rm "$stand_ins/kind"
check "without kind it is the local cluster" test "$(chosen)" = "local $copy/target/cluster/kubeconfig"
check "another word is refused" fails run env CLUSTER=minikube e2e/up.sh
check "with the words that there are" says 'CLUSTER is one of local, kind, current'

begin
check "on another cluster make up needs an image" fails run env CLUSTER=current KUBECONFIG=/elsewhere e2e/up.sh
check "and says so" says 'IMAGE=NAME:TAG must say which image'
check "before it installs anything" not_called helm

# make test: what is skipped is said, and counted at the end.
suite() {
  printf '#!/bin/bash\nexit %s\n' "$1" >"$copy/tests/postgres/servers.sh"
  printf '#!/bin/bash\ntrue\n' | tee "$copy/tests/chart.sh" "$copy/tests/postgres/servers_test.sh" >"$copy/tests/scripts.sh"
  chmod +x "$copy"/tests/*.sh "$copy"/tests/*/*.sh
  stand_in python3
  # As libtest prints it: behind the dots of tests that passed.
  stand_in cargo 'case "$*" in *e2e_disruptive*) printf "..SKIPPED one: no such thing here\n.SKIPPED two: nor that\n" ;; esac'
}
begin
suite 77
check "make test on kind passes" on_kind e2e/test.sh
check "without PostgreSQL, which only root could install" says 'SKIPPED postgres: a package for PostgreSQL is missing'
check "and names and counts all that was skipped" says '3 skipped:'
check "each once" test "$(grep -c '^SKIPPED two: nor that' "$said")" = 1
check "nothing is tried on servers that are not there" not_called 'cargo .*--test postgres'
check "all else is" called 'cargo .*--test e2e '
check "and all passed" says 'all passed'
begin
suite 0
check "with PostgreSQL make test passes too" on_kind e2e/test.sh
check "and tries it" called 'cargo .*--test postgres$'
begin
suite 1
stand_in cargo 'exit 1'
check "a failure to fetch it skips nothing" fails on_kind e2e/test.sh
check "but is a failure" not_says 'SKIPPED postgres'
begin
chmod 755 "$work"
check "who lacks a package and is not root is told by status 77" test "$(
  run setpriv --reuid=65534 --clear-groups e2e/cluster/deps.sh no-such-program:no-such-package
  echo $?
)" = 77
check "and by its name" says 'missing: no-such-package'

kind=e2e/kind/cluster.yaml
check "kind's configuration is of one node" about "$kind" 'it["kind"] == "Cluster" and [node["role"] for node in it["nodes"]] == ["control-plane"]'
check "what it mounts is there" about "$kind" \
  'all(__import__("os").path.exists(mount["hostPath"]) or mount["hostPath"] == "target/kind/audit" for mount in it["nodes"][0]["extraMounts"])'
workflow=.github/workflows/test.yaml
check "the workflow is one" about "$workflow" 'it["jobs"] and all(job["runs-on"] and job["steps"] for job in it["jobs"].values())'
check "it calls targets that the Makefile has" about "$workflow" \
  '(lambda called: called and called <= set(re.findall(r"^([a-z-]+):", open("Makefile").read(), re.M)))(
     {word for job in it["jobs"].values() for step in job["steps"] for word in re.findall(r"\bmake ([a-z-]+)", step.get("run", ""))})'
check "it runs the suite on kind" about "$workflow" \
  'any(re.search(r"\bmake test CLUSTER=kind$", step.get("run", ""), re.M) for job in it["jobs"].values() for step in job["steps"])'
check "it takes what is well known" about "$workflow" \
  '{step["uses"].split("@")[0] for job in it["jobs"].values() for step in job["steps"] if "uses" in step} <= {"actions/checkout", "actions/cache", "actions/setup-go"}'
check "it has the kind that up.sh asks for" grep -q "sigs.k8s.io/kind@v$(sed -n 's/^KIND_VERSION=//p' e2e/kind/kind.sh)" "$workflow"
check "no registry's host is named" fails grep -rqE '(docker|gcr|ghcr|quay|registry\.k8s)\.io' e2e/kind "$workflow"

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
