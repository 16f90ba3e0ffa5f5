# shellcheck shell=bash disable=SC2034
# What the cluster is: names, addresses, paths. Versions of what is built are pinned in the go.mod files beside this.

CLUSTER_SRC=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
REPO=$(cd "$CLUSTER_SRC/../.." && pwd)

# Kept between runs, inside the checkout.
CLUSTER_DIR=$REPO/target/cluster
BIN=$CLUSTER_DIR/bin
LOGS=$CLUSTER_DIR/logs
ADMIN_KUBECONFIG=$CLUSTER_DIR/kubeconfig
AUDIT_LOG=$LOGS/audit.log

# Removed by down.sh. Outside of the checkout at fixed places, so that any checkout finds and removes what another left:
# there is one such cluster a machine.
STATE=/var/lib/tenant-cluster
RUN=/run/tenant-cluster
PKI=$STATE/pki
AUTHORIZATION_CONFIG=$STATE/authorization.yaml
CGROUP=tenant-cluster
CONTAINERD_SOCKET=$RUN/containerd.sock

NODE_NAME=node-1
NODE_BRIDGE=tc-node
NODE_IP=10.97.0.1
POD_BRIDGE=tc-pods
POD_CIDR=10.244.0.0/24
FAKE_POD_CIDR=10.246.0.0/16
SERVICE_CIDR=10.96.0.0/16
API_SERVICE_IP=10.96.0.1
DNS_SERVICE_IP=10.96.0.10
API_SERVER=https://$NODE_IP:6443
ETCD=http://127.0.0.1:12379

# A stand-in for the world outside of the cluster (outside.sh): none of these addresses exists elsewhere.
OUTSIDE_NETNS=tc-outside
OUTSIDE_LISTED_IP=203.0.113.10
OUTSIDE_OTHER_IP=198.51.100.10
METADATA_IP=169.254.169.254
OUTSIDE_PORT=8080

# PostgreSQL beside the cluster (postgres.sh).
DATABASE_NETNS=tc-database
DATABASE_CIDR=10.98.0.4/30
DATABASE_GATEWAY=10.98.0.5
DATABASE_IP=10.98.0.6
DATABASE_PORT=5432
DATABASE_HOST=database.tenant-cluster.test
DATABASE_ADMIN=tenant_operator
DATABASE_ADMIN_PASSWORD_FILE=$RUN/postgres-admin-password
DATABASE_CA_FILE=$STATE/postgres/ca.crt
DATABASE_SOCKET=$RUN/postgres
DATABASE_LOG=$LOGS/postgres.log
DATABASE_PID_FILE=$STATE/postgres/data/postmaster.pid
DATABASE_CONTROL=$CLUSTER_SRC/postgres.sh

# The gateway (gateway.sh): an address of its own beside the node's, so that ports 80 and 443 are nobody else's. Its namespace is
# GATEWAY_NAMESPACE to others; that name is already what a user of e2e/up.sh says of another cluster.
GATEWAY_ADDRESS=10.97.0.2
GATEWAY_CLASS=envoy
GATEWAY_NAME=platform
LOCAL_GATEWAY_NAMESPACE=gateway-system
GATEWAY_CONTROLLER_NAMESPACE=envoy-gateway-system
GATEWAY_CA_FILE=$STATE/gateway-ca.crt
GATEWAY_METRICS=http://platform-metrics.$LOCAL_GATEWAY_NAMESPACE.svc.cluster.local:19001/stats/prometheus
GATEWAY_CONTROL=$CLUSTER_SRC/gateway.sh

# cert-manager (cert-manager.sh). The Secrets of ClusterIssuers are in its namespace.
CERT_MANAGER_NAMESPACE=cert-manager

PAUSE_IMAGE=localhost/pause:e2e
AGNHOST_IMAGE=localhost/agnhost:e2e
BUSYBOX_IMAGE=e2e.example.com/busybox:e2e
PSQL_IMAGE=e2e.example.com/psql:e2e
COREDNS_IMAGE=localhost/coredns:e2e
ENVOY_GATEWAY_IMAGE=localhost/envoy-gateway:e2e
ENVOY_IMAGE=localhost/envoy:e2e
RATELIMIT_IMAGE=localhost/ratelimit:e2e
REDIS_IMAGE=localhost/redis:e2e
CERT_MANAGER_IMAGE=localhost/cert-manager:e2e
METRICS_SERVER_IMAGE=localhost/metrics-server:e2e
