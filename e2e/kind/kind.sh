# shellcheck shell=bash
# To be sourced: makes the kind cluster, and loads images into it. It needs docker, and no root.
#   KIND_IMAGE=NAME   the node image (kind's own unless told)

KIND_AUDIT=$REPO/target/kind/audit
# The first version whose network plugin applies policies to traffic from a pod to its own node, which tests of egress try.
KIND_VERSION=0.33.0

kind_up() {
  local version
  version=$(kind version --quiet 2>/dev/null) || die "kind does not run: go install sigs.k8s.io/kind@v$KIND_VERSION"
  if [ "$(printf '%s\n' "$KIND_VERSION" "$version" | sort -V | head -n 1)" != "$KIND_VERSION" ]; then
    say "kind $version is older than $KIND_VERSION: its network plugin may let pods reach their own node despite policies, and tests of egress fail"
  fi
  docker info >/dev/null 2>&1 || die "docker does not answer, whose containers are kind's nodes: start it, and let this user use it"
  mkdir -p "$(dirname "$KIND_KUBECONFIG")"
  if ! kind get clusters 2>/dev/null | grep -qx "$KIND_NAME"; then
    # The API server appends to an existing log and keeps its mode. A log that it makes itself is readable by root only.
    rm -rf "$KIND_AUDIT"
    mkdir -p "$KIND_AUDIT"
    touch "$KIND_AUDIT/audit.log"
    chmod 644 "$KIND_AUDIT/audit.log"
    kind create cluster --name "$KIND_NAME" --config e2e/kind/cluster.yaml --kubeconfig "$KIND_KUBECONFIG" --wait 120s \
      ${KIND_IMAGE:+--image "$KIND_IMAGE"}
  fi
  kind export kubeconfig --name "$KIND_NAME" --kubeconfig "$KIND_KUBECONFIG"
}

kind_down() {
  kind delete cluster --name "$KIND_NAME" --kubeconfig "$KIND_KUBECONFIG"
  rm -rf "$KIND_AUDIT"
}

is_static() { "$1" true && [[ $(ldd "$1" 2>/dev/null) != */* ]]; }

# Finds a static busybox on this machine, else fetches and unpacks Debian's or Ubuntu's package, which needs no root.
static_busybox() {
  local folder=$REPO/target/kind/busybox found
  for found in "$(command -v busybox)" "$(unpacked "$folder")"; do
    if [ -n "$found" ] && is_static "$found"; then
      echo "$found"
      return
    fi
  done
  say "getting busybox-static for the shell image"
  rm -rf "$folder"
  mkdir -p "$folder"
  (cd "$folder" && apt-get download busybox-static && dpkg-deb --extract busybox-static_*.deb .) >"$folder/log" 2>&1 ||
    { tail -n 5 "$folder/log" >&2; die "the shell image needs a static busybox, and apt-get could not fetch one: install busybox-static"; }
  unpacked "$folder"
}
unpacked() { find "$1" -name busybox -type f -perm -u+x 2>/dev/null | head -n 1; }

# Makes and loads the images of the operator, of the samples and of the shell. Sets IMAGE.
kind_images() {
  local archive busybox
  docker build --tag tenant-operator:e2e .
  # A tag of its content makes the Deployment roll when the image changes.
  IMAGE=tenant-operator:$(docker image inspect --format '{{.Id}}' tenant-operator:e2e | cut -d: -f2 | cut -c1-12)
  docker tag tenant-operator:e2e "$IMAGE"
  kind load docker-image --name "$KIND_NAME" "$IMAGE"
  busybox=$(static_busybox)
  e2e/cluster/sample-image.sh --output target/kind/sample-image.tar
  BUSYBOX=$busybox e2e/cluster/shell-image.sh --output target/kind/shell-image.tar
  for archive in sample shell; do
    kind load image-archive --name "$KIND_NAME" "target/kind/$archive-image.tar"
  done
}
