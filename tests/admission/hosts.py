"""Hosts that tenants serve: only their own."""

import contextlib

from allowed import PREFIX, ingress, new_namespace, serving
from cluster import annotate, create, get, make, patch, read, remove, until
from fixtures import *

POLICY, ROUTES, LISTENERS = "tenant-operator-ingress-hosts", "tenant-operator-route-hosts", "tenant-operator-listener-hosts"
BACKENDS = "tenant-operator-route-backends"
OWN = ("shop.acme.com", "*.apps.acme.com")
CONTROLLERS = ("nginx.ingress.kubernetes.io", "nginx.org", "haproxy-ingress.github.io", "konghq.com", "appgw.ingress.kubernetes.io",
               "external-dns.alpha.kubernetes.io", "cert-manager.io", "traefik.ingress.kubernetes.io", "alb.ingress.kubernetes.io", "zalando.org",
               "k8s.apisix.apache.org")
KEPT = ("tenant-database", "tenant-api-keys", "tenant-signing-key", "tenant-encryption-key", "tenant-certificate-0123456789abcdef")
GATEWAY_API = "gateway.networking.k8s.io"


def hosts(r):
    ns = f"{RUN}-hosts"
    try:
        # Every annotation is allowed here, so that what refuses one is the policy of hosts.
        new_namespace(ns, hosts=",".join(OWN), image_registries="", annotations=",".join(f"{prefix}/*" for prefix in CONTROLLERS))
        of_ingresses(r, ns)
        of_routes(r, ns)
        of_listeners(r, ns)
    finally:
        remove(None, "namespace", ns, wait=False)


def of_ingresses(r, ns):
    def new(*names, who=ADMIN, tls=None, secret="x", annotations=None, **spec):
        web = ingress(ns, "web", "any", **({"annotations": annotations} if annotations else {}))
        web["spec"] = {"rules": [serving(name) for name in names], **({"tls": [{"hosts": tls, "secretName": secret}]} if tls else {}), **spec}
        return web if who is None else create(web, who)

    backend = {"service": {"name": "x", "port": {"number": 80}}}
    until("policies", lambda: new(OWN[0]).ok and not new("other.com").ok)
    for name in ("shop.acme.com", "a.apps.acme.com", "a.b.apps.acme.com", "*.apps.acme.com", "*.b.apps.acme.com"):
        r.allowed(f"the host {name}", new(name))
        r.allowed(f"a certificate for {name}", new(OWN[0], tls=[name]))
    for name in ("acme.com", "apps.acme.com", "www.shop.acme.com", "*.acme.com", "evilapps.acme.com", "shop.acme.com.evil.org", "globex.com"):
        r.refused(f"the host {name}", new(name), POLICY)
        r.refused(f"the host {name} besides its own", new(OWN[0], name), POLICY)
        r.refused(f"a certificate for {name}", new(OWN[0], tls=[name]), POLICY)
    r.refused("every host", new(None), POLICY)
    r.refused("every host by a default", new(OWN[0], defaultBackend=backend), POLICY)
    # A Secret that the operator keeps, whose key would be served, and what is no Service.
    for secret in KEPT:
        r.refused(f"a certificate from {secret}", new(OWN[0], tls=[OWN[0]], secret=secret), POLICY)
    of_resource = {"resource": {"apiGroup": "example.com", "kind": "Bucket", "name": "x"}}
    path = {"path": "/other", "pathType": "Prefix", "backend": of_resource}
    r.refused("what is no Service", new(OWN[0], rules=[{"host": OWN[0], "http": {"paths": [serving(OWN[0])["http"]["paths"][0], path]}}]), POLICY)
    r.refused("what is no Service by default", new(OWN[0], defaultBackend=of_resource), POLICY)
    r.refused("the admin's other host", create(new("globex.com", who=None)), POLICY)
    r.allowed("any host elsewhere", create({**new("globex.com", who=None), "metadata": meta("web", FOREIGN)}))
    for note in ("nginx.ingress.kubernetes.io/server-alias", "nginx.ingress.kubernetes.io/configuration-snippet", "nginx.org/server-snippets",
                 "nginx.org/location-snippets", "haproxy-ingress.github.io/server-alias-regex", "haproxy-ingress.github.io/config-backend",
                 "konghq.com/host-aliases", "appgw.ingress.kubernetes.io/hostname-extension", "nginx.ingress.kubernetes.io/from-to-www-redirect",
                 "external-dns.alpha.kubernetes.io/hostname", "cert-manager.io/common-name", "nginx.ingress.kubernetes.io/auth-url",
                 "nginx.ingress.kubernetes.io/mirror-target", "haproxy-ingress.github.io/auth-url", "traefik.ingress.kubernetes.io/router.middlewares",
                 "traefik.ingress.kubernetes.io/router.pathmatcher", "alb.ingress.kubernetes.io/actions.x", "alb.ingress.kubernetes.io/conditions.x",
                 "zalando.org/skipper-filter", "zalando.org/skipper-predicate", "zalando.org/skipper-routes",
                 *[f"k8s.apisix.apache.org/{name}" for name in ("svc-namespace", "auth-uri", "auth-request-headers", "auth-type", "plugin-config-name",
                                                                "http-redirect-elsewhere", "of-a-later-version")]):
        r.refused(f"annotation {note}", new(OWN[0], annotations={note: "globex.com"}), POLICY)
    for note in ("nginx.ingress.kubernetes.io/rewrite-target", "cert-manager.io/cluster-issuer", "nginx.ingress.kubernetes.io/proxy-body-size",
                 "nginx.ingress.kubernetes.io/permanent-redirect", "traefik.ingress.kubernetes.io/router.entrypoints",
                 *[f"k8s.apisix.apache.org/{name}" for name in ("rewrite-target", "rewrite-target-regex-template", "enable-cors", "cors-allow-origin",
                                                                "http-to-https", "upstream-read-timeout", "allowlist-source-range")]):
        r.allowed(f"annotation {note}", new(OWN[0], annotations={note: "x"}))
    make(new(OWN[0], who=None))
    r.refused("a later host", patch(ns, "ingress", "web", {"spec": {"rules": [serving("globex.com")]}}, ADMIN), POLICY)
    annotate(ns, f"{PREFIX}hosts", "")
    until("policies", lambda: POLICY in new(OWN[0]).error)
    r.refused("any host where there is none", new(OWN[0]), POLICY)
    r.allowed("a label of an Ingress whose host is no longer its own", patch(ns, "ingress", "web", {"metadata": {"labels": {"x": "y"}}}, ADMIN))
    annotate(ns, f"{PREFIX}hosts", ",".join(OWN))
    until("policies", lambda: POLICY not in new(OWN[0]).error)


def of_routes(r, ns):
    with served("HTTPRoute", "httproutes"):
        route = lambda *names: create({"apiVersion": f"{GATEWAY_API}/v1", "kind": "HTTPRoute", "metadata": meta("web", ns),
                                       "spec": {"hostnames": list(names)} if names else {"parentRefs": []}})
        until("routes", lambda: route(OWN[0]).ok)
        r.allowed("a route for its own hosts", route("shop.acme.com", "*.apps.acme.com", "a.apps.acme.com"))
        r.refused("a route for another host", route("shop.acme.com", "globex.com"), ROUTES)
        r.refused("a route for a wildcard above its own", route("*.acme.com"), ROUTES)
        r.refused("a route for all hosts", route(), ROUTES)
        of_backends(r, ns)


def of_backends(r, ns):
    """Backends of its routes, and other targets of its requests."""
    other = f"{ns}-more"
    annotate(ns, "tenant-operator.io/own-namespaces", f"{ns},{other}")
    to = lambda where=None, **more: {"name": "web", "port": 80, **({"namespace": where} if where else {}), **more}
    route = lambda *rules: create({"apiVersion": f"{GATEWAY_API}/v1", "kind": "HTTPRoute", "metadata": meta("web", ns),
                                   "spec": {"hostnames": [OWN[0]], "rules": list(rules)}})
    mirror = lambda where=None, **more: {"type": "RequestMirror", "requestMirror": {"backendRef": to(where, **more)}}
    ask = lambda where=None, **more: {"type": "ExternalAuth", "externalAuth": {"protocol": "HTTP", "backendRef": to(where, **more)}}
    until("own namespaces", lambda: route({"backendRefs": [to(other)]}).ok)
    for where in (None, ns, other):
        r.allowed(f"a route to {where or 'a Service'}", route({"backendRefs": [to(where)], "filters": [mirror(where)]}))
    r.allowed("a route to what is called a Service", route({"backendRefs": [to(group="", kind="Service")], "filters": [mirror(group="", kind="Service")]}))
    for where in (A, FOREIGN, "kube-system", f"{ns}x"):
        r.refused(f"a route to {where}", route({"backendRefs": [to()]}, {"backendRefs": [to(), to(where)]}), BACKENDS)
        r.refused(f"a copy of requests to {where}", route({"backendRefs": [to()], "filters": [mirror(where)]}), BACKENDS)
        r.refused(f"a copy of a backend's to {where}", route({"backendRefs": [to(filters=[mirror(where)])]}), BACKENDS)
    sends = [("a copy of requests", mirror)]
    # In the Gateway API's experimental channel only.
    if route({"backendRefs": [to()], "filters": [ask()]}).ok:
        sends.append(("a question about requests", ask))
    else:
        print("note: HTTPRoutes have no filter externalAuth here, so its cases are left out")
    # Backends of any other kind: a Backend of Envoy Gateway has any address.
    for kind in ({"group": "gateway.envoyproxy.io", "kind": "Backend"}, {"group": "multicluster.x-k8s.io", "kind": "ServiceImport"},
                  {"group": "gateway.envoyproxy.io"}, {"kind": "Backend"}):
        what = " ".join(kind.values())
        r.refused(f"a route to a {what}", route({"backendRefs": [to()]}, {"backendRefs": [to(), to(**kind)]}), BACKENDS)
        for name, sent in sends:
            r.refused(f"{name} to a {what}", route({"backendRefs": [to()], "filters": [sent(**kind)]}), BACKENDS)
            r.refused(f"{name} of a backend's to a {what}", route({"backendRefs": [to(filters=[sent(**kind)])]}), BACKENDS)


def of_listeners(r, ns):
    with served("ListenerSet", "listenersets"):
        def new(*names, where=ns, protocol="HTTPS", secret="x"):
            tls = {"tls": {"mode": "Terminate", "certificateRefs": [{"name": secret}]}} if protocol == "HTTPS" else {}
            listeners = [{"name": f"l{i}", "port": 443, "protocol": protocol, **({"hostname": name} if name else {}), **tls}
                         for i, name in enumerate(names)]
            return create({"apiVersion": f"{GATEWAY_API}/v1", "kind": "ListenerSet", "metadata": meta("web", where),
                           "spec": {"parentRef": {"name": "platform", "namespace": "gateway-system"}, "listeners": listeners}})
        until("listeners", lambda: new(OWN[0]).ok)
        r.allowed("listeners for its own hosts", new("shop.acme.com", "*.apps.acme.com", "a.apps.acme.com"))
        for name in ("globex.com", "*.acme.com", "acme.com", "evilapps.acme.com"):
            r.refused(f"a listener for {name} besides its own", new("shop.acme.com", name), LISTENERS)
        r.refused("a listener for all hosts", new(None), LISTENERS)
        r.refused("a listener for a port", new(None, protocol="TCP"), LISTENERS)
        for secret in KEPT:
            r.refused(f"a listener with a certificate from {secret}", new(OWN[0], secret=secret), LISTENERS)
        r.allowed("any listener elsewhere", new("globex.com", where=FOREIGN))


@contextlib.contextmanager
def served(kind, plural, group=GATEWAY_API, version="v1"):
    """Provides the kind's CRD, or one that is enough like it, as long as it is needed."""
    name = f"{plural}.{group}"
    ours = not read(None, "crd", name).ok
    if ours:
        make(crd(kind, plural, group, version))
    try:
        until(f"{name} to be served", lambda: any(
            (c["type"], c["status"]) == ("Established", "True") for c in get(None, "crd", name).get("status", {}).get("conditions") or ()))
        yield
    finally:
        if ours:
            remove(None, "crd", name)


def crd(kind, plural, group, version):
    schema = {"type": "object", "properties": {"spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": True}}}
    return {"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": f"{plural}.{group}", "annotations": {"api-approved.kubernetes.io": "unapproved, for a test"}},
            "spec": {"group": group, "scope": "Namespaced", "names": {"plural": plural, "singular": kind.lower(), "kind": kind},
                     "versions": [{"name": version, "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}]}}
