#!/usr/bin/env bash
# Proves the chart: generated files are fresh, every variant renders, an API server (where one is reachable) accepts it, and the schema refuses wrong values.
set -euo pipefail
cd "$(dirname "$0")/.."

export PATH="$PWD/target/cluster/bin:$PATH"
export KUBECONFIG="${KUBECONFIG:-$PWD/target/cluster/kubeconfig}"
chart=charts/tenant-operator
namespace=tenant-operator-system
mutating=admissionregistration.k8s.io/v1/MutatingAdmissionPolicy
failed=0 passed=0
work=$(mktemp -d)
made_namespace=
ended() {
  rm -rf "$work"
  if [ "$made_namespace" ]; then kubectl delete namespace "$made_namespace" --wait=false >/dev/null; fi
}
trap ended EXIT

check() { # what, command...
  local what=$1
  shift
  if "$@" >"$work/out" 2>&1; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    echo "FAIL $what"
    head -n 20 "$work/out"
  fi
}
refuse() { # what, command...
  local what=$1
  shift
  if "$@" >"$work/out" 2>&1; then
    failed=$((failed + 1))
    echo "FAIL $what: was taken"
  else
    passed=$((passed + 1))
  fi
}
render() { helm template tenant-operator "$chart" --namespace "$namespace" --kube-version 1.36.0 "$@"; }
has() { render "${@:2}" >"$work/rendered" && grep -Eq -- "$1" "$work/rendered"; }
lacks() { render "${@:2}" >"$work/rendered" && ! grep -Eq -- "$1" "$work/rendered"; }
# The verbs of each rule on Secrets in a role's file are these, in this order.
verbs_on_secrets() { # file, verbs...
  local found
  found=$(render --show-only "templates/rbac/$1.yaml" | awk '/resources:/ { on = /secrets/ } on && /verbs:/ { sub(/.*verbs: /, ""); print }')
  shift
  [ "$found" = "$(printf '%s\n' "$@")" ]
}
# The ports that the operator may reach besides the DNS and the API server.
egress() {
  render --show-only templates/network-policy/networkpolicy.yaml "$@" | sed -n '/^  egress:/,$p' | awk '/ - port: / { print $3 }' |
    grep -vxE '443|6443' | xargs
}

check "generated files are fresh" "$chart/hack/generate.py" --check

cluster=
if kubectl --request-timeout=5s get --raw /readyz >/dev/null 2>&1; then cluster=yes; else echo "note: no API server is reachable, so none judges what is rendered"; fi
# Roles for the applications of ci/everything-values.yaml lie in their namespace.
if [ "$cluster" ] && kubectl create namespace applications >/dev/null 2>&1; then made_namespace=applications; fi
for values in "$chart"/ci/*-values.yaml; do
  name=$(basename "$values" -values.yaml)
  check "$name: lint" helm lint --quiet --kube-version 1.36.0 --values "$values" "$chart"
  check "$name: renders" render --values "$values"
  # The namespace default is always there; kinds of the Prometheus operator are not.
  if [ "$cluster" ] && [ "$name" != prometheus ]; then
    helm template tenant-operator "$chart" --namespace default --kube-version 1.36.0 --api-versions "$mutating" \
      --values "$values" >"$work/$name.yaml"
    check "$name: the API server takes it" kubectl apply --server-side --force-conflicts --dry-run=server -f "$work/$name.yaml"
  fi
done

if [ "$cluster" ] && kubectl get crd tenants.tenant-operator.io >/dev/null 2>&1; then
  check "the tenant of the notes is taken" kubectl apply --server-side --dry-run=server -f "$chart/examples/tenant.yaml"
fi

check "an empty tag is the appVersion" has 'image: "tenant-operator:0\.1\.0"$'
check "a tag" has 'image: "tenant-operator:1\.2\.3"$' --set image.tag=1.2.3
digest=sha256:$(printf 0%.0s {1..64})
check "a digest takes the tag's place" has "image: \"tenant-operator@$digest\"\$" --set image.digest=$digest,image.tag=v1
check "CRDs can be left out" lacks 'kind: CustomResourceDefinition' --set crds.install=false
check "the mutating policy where it is served" has 'kind: MutatingAdmissionPolicyBinding' --api-versions "$mutating"
check "no mutating policy where it is not" lacks 'kind: MutatingAdmissionPolicy'
check "the namespace is taken over everywhere" lacks 'tenant-operator-system' --namespace elsewhere
check "no wildcard among the operator's rights" lacks '\*|escalate' \
  --show-only templates/rbac/operator.yaml --show-only templates/rbac/namespace.yaml \
  --show-only templates/rbac/release-namespace.yaml --show-only templates/rbac/default-namespace.yaml
check "it acts as nobody where admission is not to be tried" lacks 'impersonate' --set isolation.admissionProbe.enabled=false
check "it acts as the examiner and nobody else" test \
  "$(render | grep -B2 'verbs: \[impersonate\]' | grep -c 'resourceNames: \["tenant-operator:examiner"\]$') $(render | grep -c impersonate)" = "1 1"
check "the examiner creates, and reads nothing" test \
  "$(render --show-only templates/rbac/examiner.yaml | sed -n 's/.*verbs: //p' | sort -u | xargs)" = '[create] [delete]'
check "no Secret among the operator's rights in default" lacks 'secrets' --show-only templates/rbac/default-namespace.yaml
check "everywhere it watches Secrets, and does nothing else with them" verbs_on_secrets operator '[watch]'
check "in its own namespace the operator reads Secrets" verbs_on_secrets release-namespace '[get]'
check "in a tenant's namespace it makes Secrets, and has its own by name" verbs_on_secrets namespace '[create]' '[get, update, patch, delete]'
own_secrets() { render --show-only "templates/rbac/$1.yaml" | grep -A1 'resources: .*secrets' | grep -c 'resourceNames: \[tenant-database, tenant-api-keys, tenant-signing-key, tenant-encryption-key\]$'; }
check "it watches only those with its own names" test "$(own_secrets operator) $(render --show-only templates/rbac/operator.yaml | grep -c 'resources: .*secrets')" = '1 1'
check "only the tenant's credentials are those Secrets" test "$(own_secrets namespace)" = 1
envoy=gateway.controller=EnvoyGateway,gateway.name=platform,network.gatewayNamespace=gateway-system
check "no route unless there is a gateway to write for" lacks 'gateway\.envoyproxy\.io|httproutes' --show-only templates/rbac/operator.yaml --show-only templates/rbac/namespace.yaml
check "routes for Envoy Gateway, read everywhere" test \
  "$(render --show-only templates/rbac/operator.yaml --set "$envoy" | grep -A2 -E 'gateway\.(networking|envoyproxy)' | sed -n 's/.*verbs: //p' | sort -u)" = '[get, list, watch]'
gateways() { render "$@" | awk '/^  namespace: / { where = $2 } /resources: .*gateways/ { on = 1 } on && /resourceNames:/ { name = $2 } on && /verbs:/ { sub(/.*verbs: /, ""); print where, name, $0; on = 0; name = "" }' | xargs; }
check "one Gateway, by its name" test "$(gateways --set "$envoy")" = 'gateway-system [platform] [get, list, watch]'
check "where it is" test "$(gateways --set "$envoy,gateway.namespace=elsewhere")" = 'elsewhere [platform] [get, list, watch]'
check "no Gateway for APISIX" test "$(gateways --set gateway.controller=APISIX,gateway.name=apisix,network.gatewayNamespace=apisix)" = ''
check "the operator is told of the gateway" test \
  "$(render --set "$envoy" --set 'gateway.sharedHosts={a.example.com,b.example.com}' | grep -A1 -E 'name: GATEWAY_(CONTROLLER|NAME|SHARED_HOSTS)$' | sed -n 's/.*value: //p' | xargs)" = 'EnvoyGateway platform a.example.com,b.example.com'
unknown() { render --show-only templates/gateway/unknown-tenant.yaml --set 'gateway.sharedHosts={a.example.com,b.example.com}' --set gateway.unknownTenant=Unauthorized "$@"; }
check "unknown tenants get 401 from a route at the Gateway" test \
  "$(unknown --set "$envoy" | grep -E '^kind|statusCode|namespace: gateway|    - [ab]\.example|value: ' | xargs)" = \
  'kind: HTTPRoute namespace: gateway-system - a.example.com - b.example.com - path: {type: PathPrefix, value: /} kind: HTTPRouteFilter statusCode: 401 - {name: WWW-Authenticate, value: Bearer}'
check "the same, of APISIX, after every rule of a tenant" test \
  "$(unknown --set gateway.controller=APISIX,gateway.name=apisix,network.gatewayNamespace=apisix | grep -E '^kind|priority|response_status|WWW' | xargs)" = \
  'kind: ApisixRoute priority: -1 response_status: 401 WWW-Authenticate: Bearer kind: ApisixUpstream'
shared_path() { render --show-only templates/admission/confinement.yaml --set "$envoy" --set 'gateway.sharedHosts={a.example.com}' "$@" | grep -A2 'name: path$' | tail -n 1 | xargs -0; }
check "a tenant's path on shared hosts" test "$(shared_path | tr -d ' \n')" = "'/tenants/'+variables.tenant+''"
check "another path of each tenant" test "$(shared_path --set 'gateway.pathTemplate=/api/v1/tenants/{id}/x' | tr -d ' \n')" = "'/api/v1/tenants/'+variables.id+'/x'"
check "no such route unless it is asked for" lacks 'unknown-tenant' --set "$envoy" --set 'gateway.sharedHosts={a.example.com}'
refuse "an answer on shared hosts where there are none" render --set "$envoy" --set gateway.unknownTenant=Unauthorized
refuse "a gateway without a name" render --set gateway.controller=EnvoyGateway,network.gatewayNamespace=x
refuse "a gateway that is nowhere" render --set gateway.controller=EnvoyGateway,gateway.name=x
refuse "a gateway that nobody knows" render --set gateway.controller=nginx,gateway.name=x,network.gatewayNamespace=x
apisix=gateway.controller=APISIX,gateway.name=apisix,network.gatewayNamespace=apisix
kinds_of_gateways() { render --show-only templates/rbac/operator.yaml --show-only templates/rbac/namespace.yaml "$@" | grep -oE 'httproutes|apisixroutes' | sort | uniq -c | xargs; }
check "Envoy Gateway's kinds for Envoy Gateway" test "$(kinds_of_gateways --set "$envoy")" = '2 httproutes'
check "APISIX's kinds for APISIX" test "$(kinds_of_gateways --set "$apisix")" = '2 apisixroutes'
certificates() { render --show-only templates/rbac/operator.yaml --show-only templates/rbac/namespace.yaml "$@" | grep -oE 'listenersets|apisixtlses|\[certificates\]' | sort | uniq -c | xargs; }
check "certificates with Envoy Gateway" test "$(certificates --set "$envoy")" = '2 [certificates] 2 listenersets'
check "certificates with APISIX" test "$(certificates --set "$apisix")" = '2 [certificates] 2 apisixtlses'
check "no owner makes a Secret in the place of one that is issued" test "$(render --set "$envoy" --show-only templates/admission/managed.yaml | grep -cF "tenant-encryption-key|tenant-certificate-.+)\$'")" = 2
check "nor does the operator" test "$(render --set "$envoy" --show-only templates/admission/confinement.yaml | grep -cF 'tenant-certificate-.+')" = 0
check "no certificates without a gateway" test "$(certificates)" = ''
keys() { render --show-only "templates/rbac/$1.yaml" "${@:2}" | grep -cE '^ +- tenant-api-key-[0-9]+(-former)?$'; }
check "Secrets with one API key for APISIX" test "$(keys namespace --set "$apisix") $(keys operator --set "$apisix")" = '32 32'
check "no such Secrets for others" test "$(keys namespace --set "$envoy") $(keys operator --set "$envoy")" = '0 0'
check "their names are allowed for APISIX" test "$(render --set "$apisix" | grep -c 'tenant-api-key-(\[1-9\]')" = 7
own_class() { render --show-only templates/admission/ingresses.yaml "$@" | grep -c "'apisix' in variables"; }
check "tenants' Ingresses are not of APISIX's class" test "$(own_class --set "$apisix")" = 2
check "nor is any other gateway's name a class" test "$(own_class --set gateway.controller=EnvoyGateway,gateway.name=apisix,network.gatewayNamespace=x)" = 0
check "their names are nobody's for others" lacks 'tenant-api-key-\(' --set "$envoy"
counts() { render --set "$envoy" --set gateway.metrics.enabled=true "$@"; }
check "the operator lists the gateway's pods where requests are counted, and there only" test \
  "$(counts --show-only templates/rbac/gateway-namespace.yaml | grep -E '^  namespace:|verbs:|resources:' | xargs)" = \
  'namespace: gateway-system resources: [pods] verbs: [list] namespace: gateway-system'
check "it reaches them" test "$(egress --set "$envoy" --set gateway.metrics.enabled=true,gateway.metrics.port=19002)" = "19002 5432"
check "it is told of them" test "$(counts | grep -A1 -E 'name: GATEWAY_METRICS(_PORT|_PERIOD)?$' | sed -n 's/.*value: //p' | xargs)" = 'true 19001 1m'
check "it asks no gateway unless it is to" lacks 'GATEWAY_METRICS|tenant-operator-metering' --set "$envoy"
refuse "requests counted where there is no Envoy Gateway" render --set gateway.metrics.enabled=true,network.gatewayNamespace=x
nodelocal='network.dns.addresses={169.254.20.10,fd00::a},network.dns.ports={53,5353}'
check "the operator reaches the cluster's DNS by address" test \
  "$(render --set "$nodelocal" --show-only templates/network-policy/networkpolicy.yaml | grep -oE 'cidr: "[^"]*"|port: 5?353, protocol: [A-Z]*|port: 53, protocol: [A-Z]*' | xargs)" = \
  'port: 53, protocol: UDP port: 53, protocol: TCP port: 5353, protocol: UDP port: 5353, protocol: TCP cidr: 169.254.20.10/32 cidr: fd00::a/128'
check "and is told of it" test "$(render --set "$nodelocal" | grep -A1 -E 'name: DNS_(ADDRESSES|PORTS)$' | sed -n 's/.*value: //p' | xargs)" = '169.254.20.10,fd00::a 53,5353'
check "registries under the platform's own domain" has "host.endsWith\('\.ad\.acme-corp'\)" --set 'network.dns.suffixes={ad.acme-corp}'
check "APISIX's Redis" has 'value: "redis:6380"$' --set "$apisix" --set gateway.redis=redis:6380
shared='gateway.applicationNamespaces={crm,portal}'
grants() { render "$@" | awk '/^  namespace: / { where = $2 } /resources: \[referencegrants\]/ { on = 1 } on && /verbs:/ { sub(/.*verbs: /, ""); print where, $0; on = 0 }' | xargs; }
check "grants in the namespaces of shared applications" test \
  "$(grants --set "$envoy" --set "$shared")" = 'crm [create, update, delete] portal [create, update, delete]'
check "by policy there only" has "variables.where in \['crm', 'portal'\]" --set "$envoy" --set "$shared"
check "no grants where there are no shared applications" test "$(grants --set "$envoy")" = ''
check "no grants for APISIX" test "$(grants --set "$apisix" --set "$shared")" = ''
check "and nowhere by policy" lacks 'variables.where in \[' --set "$apisix" --set "$shared"
check "the operator is told of them" has 'value: "crm,portal"$' --set "$envoy" --set "$shared"
opened=network.applicationPolicies=true
openings() { render --show-only templates/rbac/application-namespaces.yaml "$@" | awk '/^  namespace: / { where = $2 } /resources: \[networkpolicies\]/ { on = 1 } on && /verbs:/ { sub(/.*verbs: /, ""); print where, $0; on = 0 }' | xargs; }
check "it opens applications where they are" test "$(openings --set "$shared" --set "$opened")" = 'crm [create, update, delete] portal [create, update, delete]'
check "by policy there only, too" test "$(render --set "$shared" --set "$opened" | grep -cF "variables.where in ['crm', 'portal']")" = 1
check "and is told so" test "$(render --set "$shared" --set "$opened" | grep -A1 'name: APPLICATION_POLICIES' | sed -n 's/.*value: //p')" = '"true"'
check "it opens none unless it is to" lacks 'tenant-operator-applications|APPLICATION_POLICIES' --set "$envoy" --set "$shared"
refuse "applications opened where there are none" render --set "$opened"
for place in kube-system "$namespace" gateway-system; do
  refuse "shared applications in $place" render --set "$envoy" --set "gateway.applicationNamespaces={$place}"
done
# The verbs on pods in a tenant's namespace.
verbs_on_pods() { render --show-only templates/rbac/namespace.yaml "$@" | awk '/resources: \[pods\]/ { on = 1 } on && /verbs:/ { sub(/.*verbs: /, ""); print; on = 0 }' | xargs; }
check "it makes no pod" test "$(verbs_on_pods)" = '[get, list, watch, delete, deletecollection]'
check "it makes pods where the network is to be tried" test \
  "$(verbs_on_pods --set isolation.networkProbe.enabled=true)" = '[get, list, watch, delete, deletecollection] [create]'
check "probes are of the operator's image" test \
  "$(render --set isolation.networkProbe.enabled=true,image.tag=v9 | grep -c 'tenant-operator:v9"$')" = 2
check "no probe unless it is asked for" lacks 'NETWORK_PROBE'
verbs_on_reports() { render --show-only templates/rbac/operator.yaml "$@" | awk '/resources: \[cluster(policy)?reports\]/ { on = 1 } on && /verbs:/ { sub(/.*verbs: /, ""); print; on = 0 }' | xargs; }
check "it writes reports, of either kind" test "$(verbs_on_reports)" = \
  '[get, list, watch, create, update, delete] [get, list, watch, create, update, delete]'
check "it writes no report where none is wanted" test "$(verbs_on_reports --set isolation.reports.enabled=false)" = ''
check "and is told so" test "$(render --set isolation.reports.enabled=false | grep -A1 'name: ISOLATION_REPORTS' | sed -n 's/.*value: //p')" = '"false"'
check "the operator reaches database servers" test "$(egress)" = 5432
check "the operator reaches database servers at other ports" test "$(egress --set 'networkPolicy.databases.ports={5433,5434}')" = "5433 5434"
check "the operator reaches no database server" test "$(egress --set 'networkPolicy.databases.ports=null')" = ""
check "the operator reaches database servers where they are" has 'ipBlock: \{cidr: "10\.1\.0\.0/24"\}$' --set 'networkPolicy.databases.cidrs={10.1.0.0/24}'
check "no wildcard, bind, escalate or impersonate among the owners'" lacks '\*|bind$|escalate|impersonate|bind[],]' \
  --show-only templates/rbac/tenant-admin.yaml --show-only templates/rbac/tenant-editor.yaml --show-only templates/rbac/tenant-viewer.yaml
check "keys of the cluster's webhooks are admitted" test \
  "$(render --set 'admission.webhookKeys={policies.kyverno.io/*,team}' --show-only templates/admission/annotations.yaml --show-only templates/admission/confinement.yaml |
    grep -cF "['policies.kyverno.io/*', 'team'].exists")" = 3
check "each policy has its binding" test \
  "$(render --api-versions "$mutating" | grep -c 'kind: .*AdmissionPolicy$')" = \
  "$(render --api-versions "$mutating" | grep -c 'kind: .*AdmissionPolicyBinding$')"
# The kustomization of the chart's README, which has one block of YAML.
mkdir -p "$work/kustomize"
ln -sfn "$PWD" "$work/kustomize/tenant-operator"
sed -n '/^```yaml$/,/^```$/{/^```/d;p}' "$chart/README.md" | sed 's/REPOSITORY/example.com\/operator/; s/newTag: TAG/newTag: v9/' >"$work/kustomize/kustomization.yaml"
kustomized() { kubectl kustomize --load-restrictor LoadRestrictionsNone "$work/kustomize"; }
check "the README's kustomization has the image and the CIDRs" test \
  "$(kustomized | grep -A1 -E 'image: |name: CLUSTER_CIDRS' | grep -oE 'image: .*|value: .*' | head -2 | xargs)" = \
  'value: 10.244.0.0/16,10.96.0.0/12 image: example.com/operator:v9'
check "it has every object of the chart but the Prometheus operator's" test \
  "$(kustomized | grep -c '^kind:')" = "$(($(render --api-versions "$mutating" | grep -c '^kind:') + 1))"
crds=$(find crds -name 'tenant-operator.io_*.yaml' | wc -l)
labelled() { render --set commonLabels.team=blue "$@" | awk '/^kind:/ { all++ } /^    team: blue$/ { labelled++ } END { exit all != labelled || !all }'; }
check "the common labels are on every object" labelled
check "the common labels are on every object of Envoy Gateway, too" labelled --set "$envoy,isolation.networkProbe.enabled=true"
check "every CRD stays when the chart goes" test "$(render | grep -c 'helm.sh/resource-policy: keep')" = "$crds"

for bad in image.pullPolicy=Sometimes log.format=xml replicas=-1 concurrency=0 replica=2 network.clusterCIDRs=10.0.0.0/8 \
  networkPolicy.apiServer.ports='{https}' networkPolicy.databases.ports='{postgresql}' networkPolicy.databases.port=5432 \
  metrics.serviceMonitor.enable=true image.digest=latest image.digest=sha256:abc replicas=2,leaderElection.enabled=false \
  isolation.apiProbe.period=banana isolation.apiProbe.period=1 isolation.networkProbe.settle=15 databases.period=-1m discovery.period='' \
  'network.dns.addresses={169.254.20.10/32}' 'network.dns.addresses={dns}' 'network.dns.ports={dns}' 'network.clusterCIDRs={notacidr}' 'network.clusterCIDRs={10.0.0.1}' 'networkPolicy.apiServer.cidrs={10.0.0.0/}' \
  'networkPolicy.databases.cidrs={host/8}' 'isolation.networkProbe.external={example.com:443}' 'isolation.networkProbe.external={1.2.3.4}'; do
  refuse "the value $bad" render --set "$bad"
done
for good in "image.digest=$digest" replicas=2 leaderElection.enabled=false isolation.apiProbe.period=1m30s databases.period=0.5h \
  'network.clusterCIDRs={10.0.0.0/8,fd00:10::/48,::ffff:10.0.0.0/104}' 'isolation.networkProbe.external={1.2.3.4:443,[2001:db8::1]:443}'; do
  check "the value $good" render --set "$good"
done
twice() { helm template tenant-operator "$chart" --kube-version 1.36.0 --namespace "$1" | awk '/^kind:/ { kind = $2 } /^  name:/ && kind { name = $2 } /^  namespace:/ && kind { print kind, $2, name; kind = "" }' | sort | uniq -d; }
check "no object is there twice in the namespace default" test "$(twice default)" = ''

check "kustomize builds config/default" kubectl kustomize config/default
check "kustomize builds config/prometheus" kubectl kustomize config/prometheus
for samples in samples samples-databases samples-routes samples-databases-routes; do
  check "kustomize builds config/$samples" kubectl kustomize "config/$samples"
done

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
