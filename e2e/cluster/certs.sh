#!/usr/bin/env bash
# Keys, certificates and kubeconfigs of the cluster, made anew at every start.
set -euo pipefail
. "$(dirname "$0")/lib.sh"

umask 077
mkdir -p "$PKI" "$CLUSTER_DIR"
cd "$PKI"

key() { openssl ecparam -name prime256v1 -genkey -noout -out "$1.key"; }

ca() {
  key ca
  openssl req -x509 -new -key ca.key -subj "/CN=tenant-cluster" -days 365 -out ca.crt \
    -addext "basicConstraints=critical,CA:TRUE" -addext "keyUsage=critical,keyCertSign,cRLSign,digitalSignature"
}

# certificate FILE SUBJECT [SUBJECT-ALTERNATIVE-NAMES]
certificate() {
  key "$1"
  openssl req -new -key "$1.key" -subj "$2" -out "$1.csr"
  {
    echo "keyUsage=critical,digitalSignature"
    echo "extendedKeyUsage=serverAuth,clientAuth"
    if [ -n "${3:-}" ]; then echo "subjectAltName=$3"; fi
  } >"$1.ext"
  openssl x509 -req -in "$1.csr" -CA ca.crt -CAkey ca.key -CAcreateserial -days 365 -extfile "$1.ext" -out "$1.crt" 2>/dev/null
  rm "$1.csr" "$1.ext"
}

# kubeconfig FILE USER
kubeconfig() {
  cat >"$1" <<EOF
apiVersion: v1
kind: Config
clusters:
- name: tenant-cluster
  cluster: {server: "$API_SERVER", certificate-authority-data: $(base64 -w0 ca.crt)}
users:
- name: $2
  user: {client-certificate-data: $(base64 -w0 "$2.crt"), client-key-data: $(base64 -w0 "$2.key")}
contexts:
- name: tenant-cluster
  context: {cluster: tenant-cluster, user: $2}
current-context: tenant-cluster
EOF
}

# client NAME [GROUP] [USER]
client() {
  certificate "$1" "${2:+/O=$2}/CN=${3:-$1}"
  kubeconfig "$1.kubeconfig" "$1"
}

ca
key service-accounts
openssl ec -in service-accounts.key -pubout -out service-accounts.pub 2>/dev/null
certificate apiserver /CN=kube-apiserver \
  "DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local,DNS:localhost,IP:127.0.0.1,IP:$NODE_IP,IP:$API_SERVICE_IP"
certificate apiserver-kubelet-client /O=system:masters/CN=kube-apiserver-kubelet-client
certificate kubelet-server "/O=system:nodes/CN=system:node:$NODE_NAME" "DNS:$NODE_NAME,IP:$NODE_IP"
certificate postgres /CN=postgres "DNS:$DATABASE_HOST,IP:$DATABASE_IP"
# A wildcard covers only names with one label more.
certificate gateway /CN=gateway "DNS:*.example.com,DNS:*.api.example.com,IP:$GATEWAY_ADDRESS"
client kubernetes-admin system:masters
client controller-manager "" system:kube-controller-manager
client scheduler "" system:kube-scheduler
client kubelet system:nodes "system:node:$NODE_NAME"
client kube-proxy "" system:kube-proxy
client kwok system:masters
client volumes system:masters
client network-policy-enforcer
install -m 0600 kubernetes-admin.kubeconfig "$ADMIN_KUBECONFIG"
