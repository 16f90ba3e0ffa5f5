"""Annotations by which a tenant's objects may instruct other controllers: those that stay within the object, and those that its tier allows."""

from allowed import CLAIMS, PREFIX, claim, ingress, service
from cluster import annotate, ask, create, make, may, must, patch, put, remove, until
from fixtures import *
from hosts import GATEWAY_API, served

POLICY, HOSTS = "tenant-operator-annotations", "tenant-operator-ingress-hosts"
HOST = "shop.acme.com"

EXTERNAL_DNS = tuple(f"external-dns.alpha.kubernetes.io/{name}" for name in (
    "hostname", "internal-hostname", "target", "access", "alias", "controller", "endpoints-type", "ingress-hostname-source", "set-identifier", "ttl",
    "cloudflare-proxied", "aws-weight")) + ("dns.alpha.kubernetes.io/external", "dns.alpha.kubernetes.io/internal")
CERT_MANAGER = tuple(f"cert-manager.io/{name}" for name in (
    "common-name", "alt-names", "ip-sans", "uri-sans", "email-sans", "subject-organizations", "subject-organizationalunits", "subject-countries",
    "subject-provinces", "subject-localities", "subject-postalcodes", "subject-streetaddresses", "subject-serialnumber", "literal-subject", "usages", "duration",
    "renew-before", "private-key-secret", "secret-template", "issuer-kind", "issuer-group", "revision-history-limit", "allow-direct-injection", "inject-ca-from"))
HAPROXY = tuple(f"haproxy.org/{name}" for name in (
    "backend-config-snippet", "server-ca", "server-crt", "cr-backend", "standalone-backend", "route-acl", "auth-secret")) + tuple(
    f"{prefix}/{name}" for prefix in ("haproxy-ingress.github.io", "ingress.kubernetes.io") for name in (
        "redirect-from", "redirect-from-regex", "redirect-to", "peers-table", "secure-crt-secret", "secure-verify-ca-secret", "config-backend", "tcp-service-port",
        "auth-tls-secret", "auth-secret", "server-alias", "path-type", "waf"))

# By resource, as these projects' documentation lists them: on Kubernetes, Kubernetes' own of cloud providers, and controllers that run for all.
REFUSED = {
    "services": (*EXTERNAL_DNS, *CERT_MANAGER[-2:], *HAPROXY, "traefik.ingress.kubernetes.io/service.serversscheme", "konghq.com/plugins", "konghq.com/override",
                 "getambassador.io/config", "projectcontour.io/upstream-protocol.tls", "service.beta.kubernetes.io/aws-load-balancer-security-groups",
                 "service.beta.kubernetes.io/aws-load-balancer-additional-resource-tags", "service.beta.kubernetes.io/azure-load-balancer-resource-group",
                 "service.beta.kubernetes.io/azure-pls-create", "networking.gke.io/load-balancer-ip-addresses", "cloud.google.com/neg", "cloud.google.com/backend-config",
                 "metallb.io/loadBalancerIPs", "metallb.universe.tf/address-pool", "metallb.universe.tf/allow-shared-ip", "kube-vip.io/loadbalancerIPs",
                 "service.cilium.io/global", "io.cilium/global-service", "io.cilium/lb-ipam-ips", "lbipam.cilium.io/ips", "tailscale.com/expose", "tailscale.com/hostname",
                 "projectcalico.org/natOutgoing", "ovn.kubernetes.io/vpc", "multicluster.linkerd.io/remote", "networking.istio.io/exportTo",
                 "service.alpha.openshift.io/serving-cert-secret-name", "mirror.linkerd.io/exported", "loft.sh/x", "a.controller-of-tomorrow.io/hosts"),
    "pods": (*EXTERNAL_DNS, "k8s.v1.cni.cncf.io/networks", "v1.multus-cni.io/default-network", "k8s.v1.cni.cncf.io/network-status",
             "cni.projectcalico.org/ipAddrs", "cni.projectcalico.org/ipAddrsNoIpam", "cni.projectcalico.org/floatingIPs", "cni.projectcalico.org/hwAddr",
             "cni.projectcalico.org/ipv4pools", "cni.projectcalico.org/allowedSourcePrefixes", "ovn.kubernetes.io/ip_address", "ovn.kubernetes.io/mac_address",
             "ovn.kubernetes.io/logical_switch", "ovn.kubernetes.io/port_security", "ovn.kubernetes.io/routed", "k8s.ovn.org/pod-networks", "k8s.ovn.org/routing-namespaces",
             "antrea.io/macvlan", "ipam.antrea.io/ips", "ipam.cilium.io/ip-pool", "policy.cilium.io/proxy-visibility", "io.kubernetes.cri-o.userns-mode",
             "io.kubernetes.cri-o.Devices", "io.kubernetes.cri-o.TrySkipVolumeSELinuxLabel", "io.katacontainers.config.hypervisor.path", "dev.gvisor.flag.network",
             "vault.hashicorp.com/role", "vault.hashicorp.com/agent-inject", "sidecar.istio.io/proxyImage", "sidecar.istio.io/userVolume", "inject.istio.io/templates",
             "traffic.sidecar.istio.io/excludeOutboundIPRanges", "proxy.istio.io/config", "linkerd.io/inject", "config.linkerd.io/proxy-image", "dapr.io/enabled",
             "iam.amazonaws.com/role", "kiam.amazonaws.com/x", "scheduler.alpha.kubernetes.io/critical-pod",
             "scheduler.alpha.kubernetes.io/node-selector", "container.googleapis.com/x", "kubernetes.azure.com/x", "backup.velero.io/backup-volumes",
             "pre.hook.backup.velero.io/command", "ad.datadoghq.com/x.instances", "prometheus.io/param_target", "opentelemetry.io/inject", "fluentbit.io/parser",
             "karpenter.sh/do-not-disrupt", *(f"kubernetes.io/config.{name}" for name in ("hash", "seen", "source")), "networking.gke.io/interfaces", "vpc.amazonaws.com/pod-ips", "k8s.amazonaws.com/eniConfig", "devices.nri.io/container.x"),
    "persistentvolumeclaims": ("pv.kubernetes.io/bind-completed", "pv.kubernetes.io/bound-by-controller", "volume.kubernetes.io/selected-node", "volume.kubernetes.io/storage-resizer",
                               "volume.beta.kubernetes.io/mount-options", "nfs.io/storage-path", "cdi.kubevirt.io/storage.clone.token", "cdi.kubevirt.io/storage.import.endpoint",
                               "k8s.io/CloneRequest", "csi.storage.k8s.io/provisioner-secret-namespace", "volume.kubernetes.io/migrated-to", "ebs.csi.aws.com/volumeType",
                               "snapshot.storage.kubernetes.io/allow-volume-mode-change", "backup.velero.io/x", "k8up.io/backup"),
    "ingresses": (*EXTERNAL_DNS, *CERT_MANAGER, *HAPROXY, *(f"nginx.ingress.kubernetes.io/{name}" for name in (
                      "auth-secret", "auth-tls-secret", "auth-tls-match-cn", "auth-tls-error-page", "auth-url", "auth-signin", "auth-snippet", "auth-proxy-set-headers",
                      "proxy-ssl-secret", "proxy-ssl-name", "custom-headers", "configuration-snippet", "server-snippet", "stream-snippet", "modsecurity-snippet",
                      "server-alias", "from-to-www-redirect", "mirror-target", "mirror-host", "upstream-vhost", "upstream-hash-by", "default-backend", "fastcgi-params-configmap",
                      "x-forwarded-prefix", "proxy-redirect-from", "proxy-cookie-path", "ssl-passthrough", "ssl-ciphers", "opentelemetry-operation-name", "auth-keepalive")),
                  *(f"alb.ingress.kubernetes.io/{name}" for name in (
                      "group.name", "group.order", "certificate-arn", "security-groups", "manage-backend-security-group-rules", "inbound-cidrs", "load-balancer-name",
                      "load-balancer-attributes", "subnets", "scheme", "auth-idp-oidc", "wafv2-acl-arn", "actions.x", "conditions.x", "transforms.x", "listen-ports", "ip-address-type",
                      "mutual-authentication", "use-regex-path-match", "frontend-nlb-scheme")),
                  "nginx.org/server-snippets", "nginx.com/jwt-key", "nginx.org/mergeable-ingress-type", "konghq.com/plugins", "konghq.com/host-aliases",
                  "traefik.ingress.kubernetes.io/router.middlewares", "traefik.ingress.kubernetes.io/router.tls.domains.0.main", "traefik.ingress.kubernetes.io/router.tls.options",
                  "networking.gke.io/managed-certificates", "kubernetes.io/ingress.global-static-ip-name", "ingress.gcp.kubernetes.io/pre-shared-cert",
                  "appgw.ingress.kubernetes.io/appgw-ssl-certificate", "route.openshift.io/termination", "zalando.org/skipper-filter", "ingress.cilium.io/loadbalancer-mode",
                  "k8s.apisix.apache.org/svc-namespace", "a.controller-of-tomorrow.io/hosts"),
}
# Further annotations that owners may write. Controllers copy such objects, give accounts a cloud's rights, put files where the object says, or change the
# running program.
COPIERS = ("replicator.v1.mittwald.de/replicate-to", "replicator.v1.mittwald.de/replicate-from", "replicator.v1.mittwald.de/replicate-to-matching",
           "replicator.v1.mittwald.de/replication-allowed", "reflector.v1.k8s.emberstack.com/reflects", "reflector.v1.k8s.emberstack.com/reflection-auto-namespaces",
           "kubed.appscode.com/sync", "config-syncer.appscode.com/sync", "synator/sync", "kopia.io/sync", "hnc.x-k8s.io/inherited-from", "secretgen.carvel.dev/image-pull-secret")
OTHERS = (*COPIERS, *EXTERNAL_DNS[:3], "keel.sh/policy", "a.controller-of-tomorrow.io/hosts", "flux.weave.works/automated", "vault.security.banzaicloud.io/vault-role",
          "avp.kubernetes.io/path", "kubed.sh/x", "cert-manager.io/inject-ca-from", "service.alpha.openshift.io/x", "k8s.v1.cni.cncf.io/networks")
REFUSED |= {
    "secrets": (*OTHERS, "cert-manager.io/allow-direct-injection", "cert-manager.io/alt-names", "jenkins.io/credentials-type", "sealedsecrets.bitnami.com/managed",
                "kubernetes.io/description.other", "k8s-sidecar-target-directory", "grafana_folder"),
    "configmaps": (*OTHERS, "k8s-sidecar-target-directory", "grafana_folder", "ingress.kubernetes.io/x", "fluentbit.io/parser"),
    "serviceaccounts": (*OTHERS, "eks.amazonaws.com/role-arn", "eks.amazonaws.com/sts-regional-endpoints", "iam.gke.io/gcp-service-account", "azure.workload.identity/client-id",
                        "azure.workload.identity/tenant-id", "pod-identity.alibabacloud.com/role-name", "vault.hashicorp.com/alias-metadata-x", "iam.amazonaws.com/role",
                        "serviceaccounts.openshift.io/oauth-redirecturi.x", "openshift.io/internal-registry-pull-secret-ref"),
    "roles": OTHERS, "rolebindings": OTHERS, "networkpolicies": (*OTHERS, "net.beta.kubernetes.io/x"), "poddisruptionbudgets": OTHERS,
    **{kind: (*OTHERS, "reloader.stakater.com/auto", "field.cattle.io/publicEndpoints", "linkerd.io/inject", "sidecar.opentelemetry.io/inject") for kind in (
        "deployments", "statefulsets", "daemonsets", "replicasets", "replicationcontrollers", "jobs", "cronjobs")},
    "horizontalpodautoscalers": (*OTHERS, "autoscaling.alpha.kubernetes.io/x", "metric-config.external.prometheus-query.prometheus/x", "autoscaling.keda.sh/paused"),
}
ADMITTED = {
    "services": ("service.kubernetes.io/topology-mode", "prometheus.io/scrape"),
    "pods": ("kubectl.kubernetes.io/restartedAt", "kubectl.kubernetes.io/default-container", "cluster-autoscaler.kubernetes.io/safe-to-evict", "kubernetes.io/ingress-bandwidth",
             "controller.kubernetes.io/pod-deletion-cost", "batch.kubernetes.io/job-completion-index", "kubernetes.io/limit-ranger", "prometheus.io/port", "checksum/config",
             "sidecar.istio.io/inject"),
    # Kubernetes' own are judged by the policy of claims.
    "persistentvolumeclaims": (),
    "ingresses": ("nginx.ingress.kubernetes.io/rewrite-target", "nginx.ingress.kubernetes.io/proxy-body-size", "cert-manager.io/cluster-issuer", "cert-manager.io/issuer",
                  "alb.ingress.kubernetes.io/healthcheck-path", "traefik.ingress.kubernetes.io/router.entrypoints", "kubernetes.io/tls-acme"),
}
# Kubernetes' own, of clients and of controllers.
ADMITTED |= {
    "secrets": (), "configmaps": ("control-plane.alpha.kubernetes.io/leader",), "serviceaccounts": ("kubernetes.io/enforce-mountable-secrets",),
    "roles": (), "rolebindings": (), "networkpolicies": (), "poddisruptionbudgets": (), "statefulsets": (), "replicationcontrollers": (), "cronjobs": (),
    "deployments": ("deployment.kubernetes.io/revision", "kubernetes.io/change-cause"), "daemonsets": (),
    "replicasets": ("deployment.kubernetes.io/desired-replicas", "deployment.kubernetes.io/max-replicas", "deployment.kubernetes.io/revision", "deployment.kubernetes.io/revision-history"),
    "jobs": ("batch.kubernetes.io/cronjob-scheduled-timestamp", "cronjob.kubernetes.io/instantiate"),
    "horizontalpodautoscalers": ("autoscaling.alpha.kubernetes.io/conditions", "autoscaling.alpha.kubernetes.io/current-metrics", "autoscaling.alpha.kubernetes.io/behavior"),
}
# Kinds that those make who may make all of the kind, such as what issues certificates: they may annotate them at once.
MADE_BY_OTHERS = tuple(kind for kind in ADMITTED if kind not in ("services", "pods", "persistentvolumeclaims", "ingresses", "jobs"))
EVERYWHERE = ("kubectl.kubernetes.io/last-applied-configuration", "meta.helm.sh/release-name", "argocd.argoproj.io/tracking-id", "kustomize.toolkit.fluxcd.io/prune",
              "helm.toolkit.fluxcd.io/driftDetection", "config.kubernetes.io/origin", "kubernetes.io/description", "tenant-note", "unprefixed")
ROUTES = (*EXTERNAL_DNS, *CERT_MANAGER, "haproxy.org/backend-config-snippet", "konghq.com/plugins")


def annotated(obj, **annotations):
    """Returns the object with these annotations."""
    return {**obj, "metadata": {**obj["metadata"], "annotations": annotations}}


def samples(ns):
    return {"services": service(ns, "ClusterIP", "told"), "pods": pod(ns, containers=[{**pod_spec()["containers"][0], "image": "docker.io/library/pause"}]),
            "persistentvolumeclaims": claim(ns, "told", storageClassName="any"),
            "ingresses": {**ingress(ns, "told", "any"), "spec": {"ingressClassName": "any", "rules": [{"host": HOST}]}}, **others(ns)}


def others(ns):
    made = {resource: body for resource, body in kinds("told", ns).items() if resource in REFUSED}
    selector = {"app": "told"}
    template = {"metadata": {"labels": selector}, "spec": pod_spec()}
    of = lambda api, kind, **spec: {"apiVersion": api, "kind": kind, "metadata": meta("told", ns), "spec": spec}
    job = {"template": {"spec": pod_spec(restartPolicy="Never")}, "suspend": True}
    return {**{resource: body for resource, body in made.items() if resource not in ("services", "persistentvolumeclaims")},
            "roles": {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": meta("told", ns), "rules": []},
            "deployments": deployment("told", ns, selector, replicas=0),
            "statefulsets": of("apps/v1", "StatefulSet", replicas=0, selector={"matchLabels": selector}, template=template),
            "daemonsets": of("apps/v1", "DaemonSet", selector={"matchLabels": selector}, template={**template, "spec": pod_spec(nodeSelector={"no": "node"})}),
            "replicasets": of("apps/v1", "ReplicaSet", replicas=0, selector={"matchLabels": selector}, template=template),
            "replicationcontrollers": of("v1", "ReplicationController", replicas=0, selector=selector, template=template),
            "jobs": of("batch/v1", "Job", **job), "cronjobs": of("batch/v1", "CronJob", schedule="0 0 1 1 *", suspend=True, jobTemplate={"spec": job})}


def annotations(r):
    annotate(A, f"{PREFIX}hosts", HOST)
    bodies = samples(A)
    roles = must(read_role())["rules"]
    owned = {resource for rule in roles if {"create", "update", "patch"} & set(rule["verbs"]) for resource in rule["resources"] if "/" not in resource}
    r.check("every kind that owners write is annotated", owned == set(bodies), str(owned ^ set(bodies)))
    new = lambda resource, key, value="1", who=ADMIN: create(annotated(bodies[resource], **{key: value}), who)
    until("hosts", lambda: create(bodies["ingresses"], ADMIN).ok)
    try:
        for resource, body in bodies.items():
            r.allowed(f"one of the {resource} without annotations", create(body, ADMIN))
            for key in (*ADMITTED[resource], *EVERYWHERE):
                r.allowed(f"{resource} with {key}", new(resource, key))
            for key in REFUSED[resource]:
                r.refused(f"{resource} with {key}", new(resource, key), POLICY, HOSTS, CLAIMS)
            admins = new(resource, REFUSED[resource][0], who=None)
            if resource in MADE_BY_OTHERS:
                r.allowed(f"the admin's {resource} with an annotation", admins)
            else:
                r.refused(f"the admin's {resource} with an annotation", admins, POLICY, HOSTS, CLAIMS)
            r.allowed(f"{resource} elsewhere", create({**annotated(body, **{REFUSED[resource][0]: "1"}), "metadata": {
                **body["metadata"], "namespace": FOREIGN, "annotations": {REFUSED[resource][0]: "1"}}}))
        for value in ('x"; } server { }', "x;", "a\nb", "{{x}}", "/x\\", "#", "/x # y", "'", "/x 'y", "/x\t#", "\\"):
            r.refused(f"nginx' annotation of {value!r}", new("ingresses", "nginx.ingress.kubernetes.io/rewrite-target", value), POLICY)
        for value in ("/$2", "/x#y", "/it's", "/a\\.b"):
            r.allowed(f"nginx' annotation of {value!r}", new("ingresses", "nginx.ingress.kubernetes.io/rewrite-target", value))
        of_templates(r)
        of_controllers(r, bodies)
        of_changes(r, bodies)
        of_tiers(r, new)
        for kind, plural in (("HTTPRoute", "httproutes"), ("ListenerSet", "listenersets")):
            of_routes(r, kind, plural)
    finally:
        annotate(A, f"{PREFIX}annotations", None)
        annotate(A, f"{PREFIX}hosts", "")


def of_templates(r):
    """The policy refuses a template's pod when a controller makes it, although that controller may make pods everywhere."""
    controller = "system:serviceaccount:kube-system:replicaset-controller"
    body = annotated(samples(A)["pods"], **{"k8s.v1.cni.cncf.io/networks": "kube-system/host"})
    r.refused("a controller makes a pod of a template that names networks", create(body, controller), POLICY)
    r.allowed("a controller makes one that names its digest", create(annotated(samples(A)["pods"], **{"tenant-operator.io/configuration-digest": "x"}), controller))


def read_role():
    return ask("GET", None, "clusterrole", "tenant-operator-tenant-admin")


# Objects that Kubernetes' controllers make from tenants' objects, and their annotations on them: by the rights that Kubernetes gives them.
CONTROLLERS = (("deployment-controller", "replicasets", "create", ("deployment.kubernetes.io/desired-replicas", "deployment.kubernetes.io/revision", "of.before/what-was-there")),
               ("deployment-controller", "deployments", "update", ("deployment.kubernetes.io/revision",)), ("deployment-controller", "replicasets", "update", ("deployment.kubernetes.io/revision",)),
               ("cronjob-controller", "jobs", "create", ("batch.kubernetes.io/cronjob-scheduled-timestamp",)), ("job-controller", "jobs", "patch", ("batch.kubernetes.io/job-tracking",)),
               ("root-ca-cert-publisher", "configmaps", "create", ("kubernetes.io/description",)), ("root-ca-cert-publisher", "configmaps", "update", ("kubernetes.io/description",)),
               ("replicaset-controller", "replicasets", "update", ("a.note/x",)), ("generic-garbage-collector", "secrets", "patch", ("a.note/x",)))


def of_controllers(r, bodies):
    for name, resource, verb, keys in CONTROLLERS:
        who, body = f"system:serviceaccount:kube-system:{name}", annotated(bodies[resource], **{key: "1" for key in keys})
        if verb == "create":
            r.allowed(f"{name} makes {resource} with {', '.join(keys)}", create(body, who))
            continue
        make(bodies[resource])
        change = put(body, who) if verb == "update" else patch(A, resource, "told", {"metadata": {"annotations": {key: "1" for key in keys}}}, who)
        r.allowed(f"{name} notes {', '.join(keys)} on {resource}", change)
        remove(A, resource, "told")
    r.refused("a job of a template that tells other controllers", create(annotated(bodies["jobs"], **{COPIERS[0]: "1"}), "system:serviceaccount:kube-system:cronjob-controller"), POLICY)
    # As cert-manager has it: no part of Kubernetes, with rights in all namespaces.
    issuer = f"{RUN}-issuer"
    role = cluster_role(issuer, [rule([""], ["secrets"], ["create", "update", "patch"])], user(issuer))
    make(*role)
    try:
        issued = {f"cert-manager.io/{key}": "x" for key in ("alt-names", "certificate-name", "common-name", "ip-sans", "issuer-group", "issuer-kind", "issuer-name", "uri-sans")}
        until("rights", lambda: may(issuer, "create", "secrets", A))
        r.allowed("what issues certificates makes a Secret", create(annotated(bodies["secrets"], **issued), issuer))
        r.refused("it makes a ConfigMap", create(annotated(bodies["configmaps"], **issued), issuer), "is forbidden")
    finally:
        for kind in ("clusterrole", "clusterrolebinding"):
            remove(None, kind, issuer)
    # A Secret with an account's token names the account, which must be there.
    token = {**annotated(bodies["secrets"], **{"kubernetes.io/service-account.name": "default"}), "type": "kubernetes.io/service-account-token"}
    token.pop("stringData")
    r.allowed("a Secret with an account's token", create(token, ADMIN))


def of_changes(r, bodies):
    for resource, body in bodies.items():
        make(body)
        key, name = REFUSED[resource][-1], body["metadata"]["name"]
        later = lambda value, who: patch(A, resource, name, {"metadata": {"annotations": {key: value}}}, who, dry_run=False)
        r.refused(f"a later annotation of {resource}", later("1", ADMIN), POLICY)
        r.refused(f"a later annotation of {resource} with nothing in it", later("", ADMIN), POLICY)
        # As the controllers note it that bind, schedule and join networks.
        r.allowed(f"a controller's later annotation of {resource}", later("1", None))
        r.allowed(f"a label of {resource} that have one", patch(A, resource, name, {"metadata": {"labels": {"x": "y"}}}, ADMIN))
        r.refused(f"a later value of it of {resource}", later("2", ADMIN), POLICY)
        r.allowed(f"{resource} without it", later(None, ADMIN))
        remove(A, resource, name, wait=resource != "persistentvolumeclaims", gracePeriodSeconds=0)


def of_tiers(r, new):
    annotate(A, f"{PREFIX}annotations", "metallb.io/loadBalancerIPs,example.com/*")
    until("bounds", lambda: new("services", "metallb.io/loadBalancerIPs").ok)
    for key in ("example.com/note", "example.com/x.y"):
        r.allowed(f"what the tier allows: {key}", new("services", key))
    for key in ("example.com.evil.org/note", "metallb.io/loadBalancerIPs2", "metallb.io/address-pool", "sub.example.com/note"):
        r.refused(f"what the tier does not allow: {key}", new("services", key), POLICY)
    annotate(A, f"{PREFIX}annotations", "nginx.ingress.kubernetes.io/*")
    until("bounds", lambda: new("ingresses", "nginx.ingress.kubernetes.io/auth-secret").ok)
    r.refused("what serves other hosts, though the tier allows all of nginx'", new("ingresses", "nginx.ingress.kubernetes.io/server-alias"), HOSTS)
    annotate(A, f"{PREFIX}annotations", None)
    until("bounds", lambda: not new("ingresses", "nginx.ingress.kubernetes.io/auth-secret").ok)


def of_routes(r, kind, plural):
    with served(kind, plural):
        spec = {"hostnames": [HOST]} if kind == "HTTPRoute" else {"parentRef": {"name": "x"}, "listeners": [
            {"name": "x", "port": 443, "protocol": "HTTPS", "hostname": HOST, "tls": {"mode": "Terminate", "certificateRefs": [{"name": "x"}]}}]}
        body = {"apiVersion": f"{GATEWAY_API}/v1", "kind": kind, "metadata": meta("told", A), "spec": spec}
        until("routes", lambda: create(body).ok)
        # Nobody but platform engineers has the right to write them here.
        for key in ROUTES:
            r.refused(f"{kind} with {key}", create(annotated(body, **{key: "1"})), POLICY)
        for key in EVERYWHERE:
            r.allowed(f"{kind} with {key}", create(annotated(body, **{key: "1"})))
