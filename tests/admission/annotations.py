"""By which annotations a tenant's objects may tell other controllers something: those that stay within the object, and what its tier allows."""

from allowed import CLAIMS, PREFIX, claim, ingress, service
from cluster import annotate, create, make, patch, remove, until
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
             "karpenter.sh/do-not-disrupt", "networking.gke.io/interfaces", "vpc.amazonaws.com/pod-ips", "k8s.amazonaws.com/eniConfig", "devices.nri.io/container.x"),
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
EVERYWHERE = ("kubectl.kubernetes.io/last-applied-configuration", "meta.helm.sh/release-name", "argocd.argoproj.io/tracking-id", "unprefixed")
ROUTES = (*EXTERNAL_DNS, *CERT_MANAGER, "haproxy.org/backend-config-snippet", "konghq.com/plugins")


def annotated(obj, **annotations):
    """With these annotations."""
    return {**obj, "metadata": {**obj["metadata"], "annotations": annotations}}


def samples(ns):
    return {"services": service(ns, "ClusterIP", "told"), "pods": pod(ns, containers=[{**pod_spec()["containers"][0], "image": "docker.io/library/pause"}]),
            "persistentvolumeclaims": claim(ns, "told", storageClassName="any"),
            "ingresses": {**ingress(ns, "told", "any"), "spec": {"ingressClassName": "any", "rules": [{"host": HOST}]}}}


def annotations(r):
    annotate(A, f"{PREFIX}hosts", HOST)
    bodies = samples(A)
    new = lambda resource, key, value="1", who=ADMIN: create(annotated(bodies[resource], **{key: value}), who)
    until("hosts", lambda: create(bodies["ingresses"], ADMIN).ok)
    try:
        for resource, body in bodies.items():
            r.allowed(f"one of the {resource} without annotations", create(body, ADMIN))
            for key in (*ADMITTED[resource], *EVERYWHERE):
                r.allowed(f"{resource} with {key}", new(resource, key))
            for key in REFUSED[resource]:
                r.refused(f"{resource} with {key}", new(resource, key), POLICY, HOSTS, CLAIMS)
            r.refused(f"the admin's {resource} with an annotation", new(resource, REFUSED[resource][0], who=None), POLICY, HOSTS, CLAIMS)
            r.allowed(f"{resource} elsewhere", create({**annotated(body, **{REFUSED[resource][0]: "1"}), "metadata": {
                **body["metadata"], "namespace": FOREIGN, "annotations": {REFUSED[resource][0]: "1"}}}))
        for value in ('x"; } server { }', "x;", "a\nb", "{{x}}"):
            r.refused(f"nginx' annotation of {value!r}", new("ingresses", "nginx.ingress.kubernetes.io/rewrite-target", value), POLICY)
        r.allowed("nginx' annotation with a group", new("ingresses", "nginx.ingress.kubernetes.io/rewrite-target", "/$2"))
        of_templates(r)
        of_changes(r, bodies)
        of_tiers(r, new)
        for kind, plural in (("HTTPRoute", "httproutes"), ("ListenerSet", "listenersets")):
            of_routes(r, kind, plural)
    finally:
        annotate(A, f"{PREFIX}annotations", None)
        annotate(A, f"{PREFIX}hosts", "")


def of_templates(r):
    """What a template makes is refused when a controller makes it, which may make pods everywhere."""
    controller = "system:serviceaccount:kube-system:replicaset-controller"
    body = annotated(samples(A)["pods"], **{"k8s.v1.cni.cncf.io/networks": "kube-system/host"})
    r.refused("a controller makes a pod of a template that names networks", create(body, controller), POLICY)
    r.allowed("a controller makes one that names its digest", create(annotated(samples(A)["pods"], **{"tenant-operator.io/configuration-digest": "x"}), controller))


def of_changes(r, bodies):
    for resource, body in bodies.items():
        make(body)
        key, name = REFUSED[resource][-1], body["metadata"]["name"]
        later = lambda value, who: patch(A, resource, name, {"metadata": {"annotations": {key: value}}}, who, dry_run=False)
        r.refused(f"a later annotation of {resource}", later("1", ADMIN), POLICY)
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
