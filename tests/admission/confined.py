"""Bounds on the operator's own writes: by its own token, for every kind that the installed roles let it write."""

import contextlib
import copy
import pathlib
import re

from cluster import OPERATOR, RELEASE_NAMESPACE, ROOT, annotate, ask, create, get, make, must, patch, put, read, remove, until
from fixtures import *
from hosts import KEPT, served

CONFINED = "tenant-operator-confinement"
GATEWAY = "tenant-operator-confinement-gateway"
# If several policies refuse, the API server names any of them.
ANNOTATIONS = "tenant-operator-annotations"
HOST, FOREIGN_HOST = "shop.acme.com", "api.globex.com"
# As src/gateway/writers_test.rs has them.
SNAPSHOTS = pathlib.Path(ROOT, "src/gateway/snapshots")
TENANT, TENANT_ID = "acme", "3f0c6a52-6a0e-4f6e-9a55-0f6a4f1c2d11"
GONE = {"apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "00000000-0000-4000-8000-000000000000"}
FINALIZER = "example.com/hold"

# Kinds by which a gateway is told, as the chart lets the operator write them.
GATEWAYS = {"APISIX": ("apisix.apache.org", ("apisixupstreams", "apisixpluginconfigs", "apisixconsumers", "apisixroutes", "apisixtlses")),
            "EnvoyGateway": ("gateway.envoyproxy.io", ("httproutefilters", "securitypolicies", "backendtrafficpolicies", "clienttrafficpolicies", "backends"))}
# Judged by cases of their own, elsewhere or below.
OTHERS = {"namespaces", "tenants", "databaseservers", "rolebindings", "secrets", "pods", "events", "leases", "clusterreports", "clusterpolicyreports",
          "referencegrants", "subjectaccessreviews"}


def written():
    """Returns the resources that the installed roles let the operator create or change, without subresources."""
    roles = [get(None, "clusterrole", name) for name in ("tenant-operator", "tenant-operator-namespace")]
    roles += [get(RELEASE_NAMESPACE, "roles", "tenant-operator"), get("default", "roles", "tenant-operator-events")]
    return {resource for role in roles for rule in role["rules"] if {"create", "update", "patch"} & set(rule["verbs"])
            for resource in rule["resources"] if "/" not in resource}


class Place:
    """Returns the chart's settings of the gateway."""

    def __init__(self):
        role = read(None, "clusterrole", "tenant-operator-namespace").body
        names = {r for rule in role["rules"] for r in rule["resources"]}
        self.controller = next((c for c, (_, plurals) in GATEWAYS.items() if plurals[0] in names), None)
        policy = read(None, "validatingadmissionpolicy", GATEWAY).body
        says = {v["name"]: v["expression"] for v in policy.get("spec", {}).get("variables", ())}
        self.shared = re.findall(r"'([^']*)'", says.get("shared", ""))
        self.applications = re.findall(r"'([^']*)'", says.get("applications", ""))
        found = re.search(r"p\.name == '([^']*)' && p\.\?namespace\.orValue\(''\) == '([^']*)'", says.get("parentsAllowed", ""))
        self.name, self.namespace = found.groups() if found else ("platform", "gateway-system")


def snapshots(place):
    """Yields the objects of src/gateway/snapshots as they would be in A, in YAML, by kind."""
    prefix = "envoy" if place.controller == "EnvoyGateway" else "apisix"
    for file in sorted(SNAPSHOTS.glob(f"*__{prefix}_*.snap")):
        text = re.split(r"(?m)^---\n", file.read_text(), maxsplit=2)[2]
        text = re.sub(r"(?m)(: |- )%s$" % TENANT, r"\g<1>" + A, text).replace(f"/tenants/{TENANT}", f"/tenants/{A}").replace(f"- {TENANT}_", f"- {A}_").replace(f".{TENANT}.svc.", f".{A}.svc.").replace(f"{TENANT}/{TENANT_ID}", f"{A}/{ID[A]}").replace(TENANT_ID, ID[A])
        text = text.replace("namespace: gateway-system", f"namespace: {place.namespace}")
        text = re.sub(r"(?m)^(\s+name|\s+ingressClassName): platform$", r"\g<1>: " + place.name, text)
        if place.shared:
            text = text.replace("api.example.com", place.shared[0])
        if place.applications:
            text = re.sub(r"\b(more-)?applications(?=[.\n])", place.applications[0], text)
        for n, body in enumerate(re.split(r"(?m)^---\n", text)):
            if "kind: ReferenceGrant" not in body and "kind:" in body:
                yield f"{file.stem.split('__')[-1]} {n}", body


def of_yaml(body):
    """Returns the kind of an object in YAML."""
    return re.search(r"(?m)^apiVersion: (.*)$", body)[1] + "/" + re.search(r"(?m)^kind: (.*)$", body)[1]


def plain(obj):
    """Returns the object as the server fills it in, without the server's own fields."""
    for field in ("managedFields", "creationTimestamp", "uid", "generation", "resourceVersion"):
        obj["metadata"].pop(field, None)
    obj.pop("status", None)
    return obj


def confined(r):
    place = Place()
    known = OTHERS | set(kinds("x", A)) | {"certificates", "httproutes", "listenersets"} | {p for _, plurals in GATEWAYS.values() for p in plurals}
    r.check("every kind that the operator may write has its cases", written() <= known, str(written() - known))
    of_owners(r)
    of_its_own(r)
    of_annotations(r)
    if place.controller:
        of_gateways(r, place)


def of_owners(r):
    """The operator gives objects no owner, by which garbage collection would delete them, and no finalizer, by which nobody could."""
    bodies = {**kinds("owned", A, marks(A)), "secrets": secret(A, "tenant-signing-key", type="Opaque")}
    for resource, body in bodies.items():
        with_meta = lambda **more: {**body, "metadata": {**body["metadata"], **more}}
        r.allowed(f"operator makes {resource}", create(body, OPERATOR))
        r.refused(f"operator makes {resource} with an owner", create(with_meta(ownerReferences=[GONE]), OPERATOR), CONFINED)
        r.refused(f"operator makes {resource} with a finalizer", create(with_meta(finalizers=[FINALIZER]), OPERATOR), CONFINED)
        name = "tenant-database" if resource == "secrets" else "ours"
        later = lambda more: patch(A, resource, name, {"metadata": more}, OPERATOR)
        r.refused(f"operator gives {resource} an owner", later({"ownerReferences": [GONE]}), CONFINED)
        r.refused(f"operator gives {resource} a finalizer", later({"finalizers": [FINALIZER, "kubernetes.io/pvc-protection"]}), CONFINED)
    held = {**kinds("held", A, marks(A))["configmaps"]}
    owner = get(A, "configmap", "ours")
    there = {"apiVersion": "v1", "kind": "ConfigMap", "name": "ours", "uid": owner["metadata"]["uid"]}
    held["metadata"] = {**held["metadata"], "finalizers": [FINALIZER], "ownerReferences": [there]}
    make(held)
    later = lambda more: patch(A, "configmap", "held", {"metadata": more}, OPERATOR)
    r.allowed("operator changes what has an owner and a finalizer", patch(A, "configmap", "held", {"data": {"b": "2"}}, OPERATOR))
    r.refused("operator takes a finalizer away", later({"finalizers": None}), CONFINED)
    r.refused("operator adds an owner", later({"ownerReferences": [there, GONE]}), CONFINED)
    must(patch(A, "configmap", "held", {"metadata": {"finalizers": None}}, dry_run=False))
    remove(A, "configmap", "held")
    for ns, subject in ((A, "a tenant's namespace"),):
        later = lambda more: patch(None, "namespace", ns, {"metadata": more}, OPERATOR)
        r.refused(f"operator gives {subject} an owner", later({"ownerReferences": [GONE]}), CONFINED)
        r.refused(f"operator gives {subject} a finalizer", later({"finalizers": [FINALIZER]}), CONFINED)
    new = f"{RUN}-n"
    r.refused("operator makes a namespace with an owner", create(namespace(new, marks(new), ownerReferences=[GONE]), OPERATOR), CONFINED)
    of_reported(r)


def of_reported(r):
    """The operator writes only the status and its own finalizer on users' resources."""
    api, tenant_spec = "tenant-operator.io/v1alpha1", {"displayName": "x", "tier": f"{RUN}-none"}
    server_spec = {"host": "192.0.2.1", "database": "tenants", "adminSecretRef": {"name": f"{RUN}-none"}}
    own = "tenant-operator.io/cleanup"
    owner = {"apiVersion": "v1", "kind": "Namespace", "name": A, "uid": get(None, "namespace", A)["metadata"]["uid"]}
    for kind, spec in {"Tenant": tenant_spec, "DatabaseServer": server_spec}.items():
        name, resource = f"{RUN}-c", kind.lower()
        make({"apiVersion": api, "kind": kind, "metadata": meta(name, labels={"team": "x"}, annotations={"note": "y"}, finalizers=[FINALIZER], ownerReferences=[owner]), "spec": spec})
        try:
            later = lambda more, who=OPERATOR: patch(None, resource, name, {"metadata": more}, who)
            # An operator at work sets it too.
            r.allowed(f"operator sets its finalizer of a {kind}", later({"finalizers": [FINALIZER, own]}))
            r.allowed(f"the admin annotates a {kind}", later({"annotations": {"a": "b"}}, None))
            for what, more in {
                "an owner that is not there": {"ownerReferences": [GONE]}, "no owner": {"ownerReferences": None},
                "an owner that it blocks": {"ownerReferences": [{**owner, "blockOwnerDeletion": True}]}, "a foreign finalizer": {"finalizers": [FINALIZER, own, "example.com/other"]},
                "no foreign finalizer": {"finalizers": [own]}, "a label": {"labels": {"a": "b"}}, "another label": {"labels": {"team": "other"}},
                "no label": {"labels": {"team": None}}, "an annotation": {"annotations": {"a": "b"}}, "no annotation": {"annotations": {"note": None}},
                **{f"the annotation {key}": {"annotations": {f"tenant-operator.io/{key}": "x"}} for key in (
                    "replaces", "abandon-database", "rotate-credentials", "abandon-encryption-keys")},
            }.items():
                r.refused(f"operator gives a {kind} {what}", later(more), CONFINED)
        finally:
            patch(None, resource, name, {"metadata": {"finalizers": None}}, dry_run=False)
            remove(None, resource, name, wait=False)


def of_its_own(r):
    """The operator writes in its own namespace: its Lease, and claims."""
    config = lambda name, labels=marks(A), **more: {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta(name, RELEASE_NAMESPACE, labels, **more)}
    for kind in ("id", "host", "database", "quota"):
        claim = f"claim-{kind}-{'0' * 40}"
        r.allowed(f"operator makes a claim on a {kind}", create(config(claim), OPERATOR))
        r.refused(f"operator makes an unmarked claim on a {kind}", create(config(claim, {}), OPERATOR), CONFINED)
        r.refused(f"operator makes an owned claim on a {kind}", create(config(claim, ownerReferences=[GONE]), OPERATOR), CONFINED)
    for name in ("claim-id-0", "claim-other-" + "0" * 40, "settings"):
        r.refused(f"operator makes a ConfigMap {name}", create(config(name), OPERATOR), CONFINED)
    r.refused("operator deletes a ConfigMap of its namespace", ask("DELETE", RELEASE_NAMESPACE, "configmap", "kube-root-ca.crt", user=OPERATOR, dryRun="All"), CONFINED)
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": meta("other", RELEASE_NAMESPACE)}
    r.refused("operator makes another Lease", create(lease, OPERATOR), CONFINED)


# Other controllers read these on any kind: what is copied where, an account's rights in a cloud, whose networks, meshes and projects an object is in.
FOREIGN_ANNOTATIONS = ("eks.amazonaws.com/role-arn", "iam.gke.io/gcp-service-account", "azure.workload.identity/client-id", "iam.amazonaws.com/permitted",
                       "replicator.v1.mittwald.de/replicate-from", "reflector.v1.k8s.emberstack.com/reflects", "cni.projectcalico.org/ipv4pools", "openshift.io/sa.scc.uid-range",
                       "scheduler.alpha.kubernetes.io/node-selector", "argocd.argoproj.io/sync-options", "kubectl.kubernetes.io/restartedAt", "x")
FOREIGN_LABELS = ("gateway-access", "istio-injection", "istio.io/use-waypoint-namespace", "field.cattle.io/projectId", "mirror.linkerd.io/exported", "app.kubernetes.io/name",
                  "kubernetes.io/cluster-service")


def of_annotations(r):
    """The operator writes only its own labels and annotations, and keeps those that are there."""
    bodies = {**kinds("account", A, marks(A)), "secrets": secret(A, "tenant-signing-key", type="Opaque"), "namespaces": namespace(f"{RUN}-n", marks(f"{RUN}-n"))}
    own = {"tenant-operator.io/owned-by": f"{A}/{ID[A]}"}
    for resource, body in bodies.items():
        name = {"secrets": "tenant-database", "namespaces": A}.get(resource, "ours")
        noted = lambda **more: {**body, "metadata": {**body["metadata"], **more}}
        later = lambda who=OPERATOR, **more: patch(A, resource, name, {"metadata": more}, who, dry_run=who is not None)
        for key in FOREIGN_ANNOTATIONS:
            for value in ("x", ""):
                r.refused(f"operator makes {resource} with {key}: {value!r}", create(noted(annotations={key: value}), OPERATOR), CONFINED, ANNOTATIONS)
                r.refused(f"operator gives {resource} {key}: {value!r}", later(annotations={key: value}), CONFINED, ANNOTATIONS)
        for key in FOREIGN_LABELS:
            r.refused(f"operator makes {resource} with the label {key}", create(noted(labels={**body["metadata"]["labels"], key: ""}), OPERATOR), CONFINED)
            r.refused(f"operator gives {resource} the label {key}", later(labels={key: ""}), CONFINED)
        if resource != "namespaces":
            r.allowed(f"operator says whose {resource} are", create(noted(annotations=own), OPERATOR))
        # Marks by others that are there already.
        theirs = {"annotations": {"example.com/theirs": "x"}, "labels": {"theirs": "x"}}
        must(later(None, **theirs))
        r.allowed(f"operator changes {resource} that others noted something on", later(annotations={"tenant-operator.io/reclaim": "x"}))
        r.refused(f"operator changes what others noted on {resource}", later(annotations={"example.com/theirs": ""}), CONFINED, ANNOTATIONS)
        r.refused(f"operator changes what others called {resource}", later(labels={"theirs": ""}), CONFINED)
        must(later(None, annotations={"example.com/theirs": None}, labels={"theirs": None}))
    of_namespaces(r)


def of_namespaces(r):
    """A namespace keeps its tenant, and its version of Pod Security."""
    later = lambda **more: patch(None, "namespace", A, {"metadata": more}, OPERATOR)
    owned = lambda tenant: {"tenant-operator.io/owned-by": f"{tenant}/{ID[A]}"}
    label = lambda tenant: {"tenant-operator.io/tenant": tenant}
    r.refused("operator gives a namespace to another tenant", later(labels=label(B)), CONFINED)
    r.refused("operator gives it to another with what says whose it is", later(labels=label(B), annotations=owned(B)), CONFINED)
    r.refused("operator says that it is another's", later(annotations=owned(B)), CONFINED)
    r.allowed("operator says whose it is", later(annotations=owned(A)))
    for version in ("v1.0", "v1.20"):
        r.refused(f"operator has Pod Security of {version}", later(labels={"pod-security.kubernetes.io/enforce-version": version}), CONFINED)
    for mode in ("enforce", "audit", "warn"):
        r.allowed(f"operator sets {mode}", later(labels={f"pod-security.kubernetes.io/{mode}": "baseline", "pod-security.kubernetes.io/enforce-version": "latest"}))
    # Somebody broke the glass, and the annotation still says whose it is.
    must(patch(None, "namespace", A, {"metadata": {"labels": label(B), "annotations": owned(A)}}, dry_run=False))
    r.allowed("operator puts back whose it is", later(labels=label(A)))
    must(patch(None, "namespace", A, {"metadata": {"labels": label(A), "annotations": {"tenant-operator.io/owned-by": None}}}, dry_run=False))


def of_gateways(r, place):
    # Each with its definition, or one that is enough like it.
    definitions = [("Certificate", "certificates", "cert-manager.io")]
    if place.controller == "EnvoyGateway":
        definitions += [(k, p, "gateway.networking.k8s.io") for k, p in (("HTTPRoute", "httproutes"), ("ListenerSet", "listenersets"))]
        definitions += [(k, p, "gateway.envoyproxy.io") for k, p in (
            ("HTTPRouteFilter", "httproutefilters"), ("SecurityPolicy", "securitypolicies"), ("BackendTrafficPolicy", "backendtrafficpolicies"), ("ClientTrafficPolicy", "clienttrafficpolicies"), ("Backend", "backends"))]
    else:
        definitions += [(k, k.lower() + ("es" if k.endswith("Tls") else "s"), "apisix.apache.org") for k in (
            "ApisixUpstream", "ApisixPluginConfig", "ApisixConsumer", "ApisixRoute", "ApisixTls")]
    with contextlib.ExitStack() as stack:
        for kind, plural, group in definitions:
            version = {"gateway.envoyproxy.io": "v1alpha1", "apisix.apache.org": "v2"}.get(group, "v1")
            stack.enter_context(served(kind, plural, group, version))
        bodies = dict(snapshots(place))
        own = sorted({h for body in bodies.values() for h in re.findall(r"[*a-z0-9.-]+[.]example[.](?:com|org)", body)} - set(place.shared))
        annotate(A, "tenant-operator.io/allowed-hosts", ",".join([*own, HOST]))
        samples, whole = {}, []
        try:
            for name, body in bodies.items():
                post = lambda: ask("POST", A, of_yaml(body), body=body, user=OPERATOR, content="application/yaml", dryRun="All", fieldManager="x")
                if not samples:
                    until("hosts", lambda: post().ok)
                answer = post()
                r.allowed(f"operator writes {name}", answer)
                if answer.ok:
                    whole.append(plain(answer.body))
                    samples.setdefault(answer.body["kind"], whole[-1])
            missing = {kind for kind, *_ in definitions} - set(samples)
            r.check("every kind of the gateway's is among the snapshots", not missing, str(missing))
            for kind, sample in samples.items():
                of_kind(r, kind, sample)
            if place.controller == "EnvoyGateway":
                of_envoy(r, place, samples)
                of_policies(r, samples, whole)
            else:
                of_apisix(r, place, samples)
                of_plugins(r, whole)
            of_certificates(r, place, samples["Certificate"])
        finally:
            annotate(A, "tenant-operator.io/allowed-hosts", "")


def but(sample, path, value):
    """Returns the object with another value there; None removes it."""
    changed = copy.deepcopy(sample)
    at, *steps = changed, *path
    for step in steps[:-1]:
        at = at.setdefault(step, {}) if isinstance(at, dict) else at[step]
    if value is None:
        at.pop(steps[-1], None)
    elif isinstance(at, list) and steps[-1] == len(at):
        at.append(value)
    else:
        at[steps[-1]] = value
    return changed


def well_formed(sample, cases):
    """Returns the cases that the kind's definition accepts, where no policy looks; it refuses at most a few itself."""
    elsewhere = lambda case: create(but(but(sample, case[1], case[2]), ("metadata", "namespace"), FOREIGN))
    good = [case for case in cases if elsewhere(case).ok]
    bad = [(case[0], elsewhere(case).error) for case in cases if case not in good]
    for what, why in bad:
        print(f"note: {what}: not well formed, so it is left out ({why[:200]})")
    return good


def refuse_all(r, kind, sample, cases):
    """The policies refuse each case for a new object, and for a change of a present one."""
    make(sample, user=OPERATOR)
    try:
        for what, path, value in cases:
            body = but(sample, path, value)
            r.refused(f"operator changes a {kind}: {what}", put(body, OPERATOR), GATEWAY, CONFINED, ANNOTATIONS)
    finally:
        remove(A, f"{sample['apiVersion']}/{kind}", sample["metadata"]["name"])
    for what, path, value in cases:
        r.refused(f"operator makes a {kind}: {what}", create(but(sample, path, value), OPERATOR), GATEWAY, CONFINED, ANNOTATIONS)


def of_kind(r, kind, sample):
    m = lambda *path: ("metadata", *path)
    refuse_all(r, kind, sample, [
        ("an owner", m("ownerReferences"), [GONE]), ("a finalizer", m("finalizers"), [FINALIZER]),
        *[(f"without {mark}", m("labels", mark), None) for mark in marks(A)],
        ("another tenant's mark", m("labels", "tenant-operator.io/tenant-id"), ID[B]),
        *[(f"annotation {key}", m("annotations", key), "x") for key in (
            "external-dns.alpha.kubernetes.io/hostname", "external-dns.alpha.kubernetes.io/target", "cert-manager.io/cluster-issuer",
            "cert-manager.io/common-name", "haproxy.org/backend-config-snippet")],
    ])


# Settings of each plugin that the operator never writes, as APISIX documents them, or other values for its own.
OF_PLUGINS = {
    "proxy-rewrite": [(("headers", "set", "X-Tenant-ID"), ID[B]), (("headers", "set", "X-Tenant-Name"), B), (("headers", "set", "X-Forwarded-User"), "x"), (("headers", "set", "Host"), "x"),
                      *[(("headers", "set", name), None) for name in ("X-Tenant-ID", "X-Tenant-Name", "X-Tenant-Tier")], (("headers", "add"), {"X-Tenant-ID": ID[B]}),
                      (("headers", "remove"), ["X-Tenant-Client", "X-Tenant-ID"]), (("headers", "remove"), ["X-API-Key"]), (("headers", "remove"), ["X-Tenant-Client"]), (("headers", "X-Tenant-ID"), ID[B]), (("host",), "internal.example.com"), (("uri",), "/admin"), (("method",), "POST"),
                      (("scheme",), "http"), (("regex_uri",), ["^/(.*)$", "/admin/$1"]), (("use_real_request_uri_unsafe",), True)],
    "limit-count": [(("group",), f"{ID[B]}-01234567"), (("group",), ID[A]), (("key",), ID[B]), (("key",), "$http_x_tenant_id"), (("key_type",), "var"), (("policy",), "redis-cluster"),
                    (("allow_degradation",), True), (("redis_host",), "10.0.0.1"), (("redis_password",), "x"), (("rejected_msg",), "x"),
                    (("rules",), [{"count": 1, "time_window": 60, "key": ID[B]}]), (("rules",), [{"count": 1, "time_window": 60, "key": "$remote_addr"}])],
    "limit-req": [(("key",), "http_x_tenant_id"), (("key",), "remote_addr"), (("key_type",), "var_combination"), (("policy",), "redis-cluster"), (("nodelay",), True)],
    "limit-conn": [(("key",), "http_x_tenant_id"), (("key_type",), "var_combination"), (("policy",), "redis-cluster"), (("only_use_default_delay",), True), (("allow_degradation",), True)],
    "response-rewrite": [(("body",), "x"), (("status_code",), 200), (("headers", "set", "Set-Cookie"), "x"), (("headers", "add"), ["Set-Cookie: x"]), (("filters",), [])],
    "mocking": [(("content_type",), "text/html"), (("response_status",), 201), (("response_headers",), {"Set-Cookie": "x"}), (("response_schema",), {}), (("delay",), 60)],
    "key-auth": [(("header",), "Authorization"), (("query",), "apikey"), (("hide_credentials",), False), (("anonymous_consumer",), f"{B}_ci"), (("realm",), "x")],
    "consumer-restriction": [(("whitelist",), [f"{B}_ci"]), (("whitelist",), [f"{A}_ci", f"{B}_ci"]), (("whitelist",), []), (("whitelist",), [f"{A}x_ci"]), (("type",), "consumer_group_id"),
                             (("type",), "route_id"), (("blacklist",), ["x"]), (("allowed_by_methods",), [])],
    "attach-consumer-label": [(("headers", "X-Tenant-ID"), "$k8s/name"), (("headers", "X-Tenant-Client"), "$other"), (("headers", "X-Tenant-Client"), None)],
    "openid-connect": [(("discovery",), "http://169.254.169.254/"), (("discovery",), "https://evil.example.com/.well-known/openid-configuration"), (("bearer_only",), False), (("ssl_verify",), False),
                       (("accept_unsupported_alg",), True), (("jwt_verification_cache_ignore",), False), (("cache_segment",), ID[B]), (("client_id",), ID[B]), (("realm",), B),
                       (("set_userinfo_header",), True), (("set_access_token_header",), True), (("set_id_token_header",), True), (("introspection_endpoint",), "http://10.0.0.1/"),
                       (("unauth_action",), "pass"), (("token_endpoint",), "http://10.0.0.1/"), (("proxy_opts",), {"http_proxy": "http://10.0.0.1/"}), (("client_secret",), "x"),
                       (("token_signing_alg_values_expected",), "none"), (("token_signing_alg_values_expected",), None), (("claim_schema",), None), (("claim_schema",), {}), (("claim_schema", "allOf"), []), (("claim_validator",), None),
                       (("access_token_in_authorization_header",), True), (("session",), {"secret": "x"})],
}


def of_plugins(r, written):
    """Each plugin of each kind has the operator's settings, and no others."""
    places = {"ApisixRoute": lambda w: [("spec", "http", i, "plugins") for i, _ in enumerate(w["spec"]["http"])], "ApisixPluginConfig": lambda w: [("spec", "plugins")]}
    at = lambda w, path: at(w[path[0]], path[1:]) if path else w
    tried, used = set(), set()
    for w in written:
        for path in places.get(w["kind"], lambda _: [])(w):
            for i, plugin in enumerate(at(w, path) if path[-2] == "spec" else at(w, path[:-1]).get("plugins", [])):
                used.add(plugin["name"])
                if plugin["name"] in tried or plugin["name"] == "limit-count" and "rules" in plugin["config"]:
                    continue
                tried.add(plugin["name"])
                of = (*path, i)
                cases = [(f"{plugin['name']} {'.'.join(field)}: {value}", (*of, "config", *field), value) for field, value in OF_PLUGINS[plugin["name"]]]
                cases += [(f"{plugin['name']} that is off", (*of, "enable"), False), (f"{plugin['name']} by a Secret", (*of, "secretRef"), "theirs"),
                          (f"{plugin['name']} with settings of all plugins", (*of, "config", "_meta"), {"disable": True})]
                refuse_all(r, w["kind"], w, well_formed(w, cases))
    r.check("every plugin is tried", tried == used == OF_PLUGINS.keys(), str((tried ^ used, used ^ OF_PLUGINS.keys())))
    route = next(w for w in written if w["kind"] == "ApisixRoute" and any("backends" in rule and "plugin_config_name" in rule for rule in w["spec"]["http"]))
    i = next(i for i, rule in enumerate(route["spec"]["http"]) if "backends" in rule)
    rule = lambda *path: ("spec", "http", i, *path)
    refuse_all(r, "ApisixRoute", route, well_formed(route, [
        ("without plugins", rule("plugins"), None), ("with no plugin", rule("plugins"), []), ("without saying whose", rule("plugins"), [
            {"name": "key-auth", "enable": True, "config": {"header": "X-API-Key", "hide_credentials": True}}]),
        ("with keys of all tenants", rule("plugins"), [{"name": "key-auth", "enable": True, "config": {"header": "X-API-Key", "hide_credentials": True}}, route["spec"]["http"][i]["plugins"][-1]]),
        *[(f"with {field}", rule(field), value) for field, value in (
            ("plugin_config_namespace", B), ("authentication", {"enable": True, "type": "basicAuth"}), ("websocket", True), ("priority", 1000))],
        *[(f"matching by {field}", rule("match", field), value) for field, value in (
            ("filter_func", "function(vars) return true end"), ("filterFunc", "function(vars) return true end"), ("remoteAddrs", ["10.0.0.0/8"]))],
        *[(f"a backend's {field}", rule("backends", 0, field), value) for field, value in (("subset", "x"), ("resolveGranularity", "service"), ("weight", 0))],
        ("an upstream of another namespace", rule("upstreams"), [{"name": "web", "namespace": B}])]))


def of_certificates(r, place, sample):
    """Tries every field of a Certificate's spec, as cert-manager has them, except those that the operator writes."""
    s = lambda *path: ("spec", *path)
    fields = {
        "subject": {"organizations": ["system:masters"]}, "literalSubject": "O=system:masters,CN=x", "commonName": "system:admin", "duration": "87600h",
        "renewBefore": "1h", "renewBeforePercentage": 50, "ipAddresses": ["10.96.0.1"], "uris": ["spiffe://cluster.local/ns/kube-system/sa/x"],
        "otherNames": [{"oid": "1.3.6.1.4.1.311.20.2.3", "utf8Value": "admin"}], "emailAddresses": ["admin@example.com"], "isCA": True,
        "keystores": {"pkcs12": {"create": True, "passwordSecretRef": {"name": "theirs", "key": "a"}}}, "revisionHistoryLimit": 100,
        "additionalOutputFormats": [{"type": "CombinedPEM"}], "nameConstraints": {"critical": True}, "signatureAlgorithm": "SHA512WithRSA",
        "encodeUsagesInRequest": False}
    refuse_all(r, "Certificate", sample, [
        *[(field, s(field), value) for field, value in fields.items()],
        *[(f"usage {usage}", s("usages"), ["server auth", usage]) for usage in (
            "client auth", "cert sign", "crl sign", "code signing", "email protection", "any", "signing", "content commitment", "data encipherment",
            "key agreement", "ocsp signing", "timestamping", "s/mime", "ipsec end system", "ipsec tunnel", "ipsec user", "microsoft sgc", "netscape sgc",
            "encipher only", "decipher only")],
        *[(f"in the Secret {name}", s("secretName"), name) for name in ("tenant-database", "tenant-api-keys", "theirs", "tenant-certificate-0123456789abcdef")],
        *[(f"for {name}", s("dnsNames"), names) for name, names in {
            FOREIGN_HOST: [FOREIGN_HOST], "its own and another": [HOST, FOREIGN_HOST], "nothing": [], "a service": ["kubernetes.default.svc"],
            "all that share": place.shared[:1] or ["x"], "above": ["*.acme.com"]}.items()],
        ("no names", s("dnsNames"), None),
        ("another kind of issuer", s("issuerRef", "kind"), "Other"), ("another group of issuers", s("issuerRef", "group"), "awspca.cert-manager.io"),
        *[(f"privateKey.{field}", s("privateKey", field), value) for field, value in (("algorithm", "RSA"), ("size", 2048), ("encoding", "PKCS8"))],
        ("labels of its Secret", s("secretTemplate", "labels"), {"a": "b"}),
        *[(f"annotation {key} of its Secret", s("secretTemplate", "annotations", key), "*") for key in (
            "reflector.v1.k8s.emberstack.com/reflection-allowed", "replicator.v1.mittwald.de/replicate-to", "kubed.appscode.com/sync")],
        ("another's mark on its Secret", s("secretTemplate", "annotations", "tenant-operator.io/owned-by"), f"{B}/{ID[B]}"),
        ("another name", ("metadata", "name"), "tenant-database"),
    ][:-1])
    r.refused("operator makes a Certificate under another name", create(but(sample, ("metadata", "name"), "shop"), OPERATOR), GATEWAY)
    r.allowed("operator asks for a server's certificate", create(but(sample, s("usages"), ["digital signature", "key encipherment", "server auth"]), OPERATOR))
    r.allowed("operator asks for one of an Issuer", create(but(sample, s("issuerRef", "kind"), "Issuer"), OPERATOR))


def of_envoy(r, place, samples):
    s = lambda *path: ("spec", *path)
    route, to = samples["HTTPRoute"], {"group": "", "kind": "Service", "name": "x", "port": 80, "weight": 1}
    elsewhere = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": place.name, "namespace": FOREIGN}
    hosts = lambda hostnames: (f"for {hostnames}", s("hostnames"), hostnames)
    backend = lambda **more: (f"to {more}", s("rules", 0, "backendRefs"), [{**to, **more}])
    applied = lambda what, f: (what, s("rules", 0, "filters"), [f])
    sets = lambda name, value: applied(f"with {name}: {value}", {"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [{"name": name, "value": value}]}})
    cases = [
        hosts([FOREIGN_HOST]), hosts([HOST, FOREIGN_HOST]), hosts(["*.com"]), hosts(["*.acme.com"]), hosts(None), hosts([]),
        ("to another Gateway's namespace", s("parentRefs", 0), elsewhere), ("to another Gateway besides", s("parentRefs", 1), elsewhere),
        ("to another Gateway", s("parentRefs", 0, "name"), "internal"), ("to a Service as a parent", s("parentRefs", 0), {"group": "", "kind": "Service", "name": "x"}),
        ("to another tenant's listeners", s("parentRefs", 0), {**elsewhere, "kind": "ListenerSet", "namespace": B}),
        *[backend(namespace=ns) for ns in (B, FOREIGN, "kube-system", place.namespace)],
        backend(group="gateway.envoyproxy.io", kind="Backend"), backend(group="gateway.envoyproxy.io", kind="Backend", name="tenant-backend-x-80", namespace=B), backend(group="multicluster.x-k8s.io", kind="ServiceImport"),
        backend(filters=[{"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "x", "port": 80}}}]),
        applied("copies", {"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "x", "port": 80, "namespace": B}}}),
        applied("copies to its own", {"type": "RequestMirror", "requestMirror": {"backendRef": {"name": "x", "port": 80}}}),
        applied("leads away", {"type": "RequestRedirect", "requestRedirect": {"hostname": FOREIGN_HOST, "statusCode": 302}}),
        applied("a filter of another kind", {"type": "ExtensionRef", "extensionRef": {"group": "other.io", "kind": "Filter", "name": "x"}}),
        sets("X-Tenant-ID", ID[B]), sets("x-tenant-id", ID[B]), sets("X-Tenant-Name", B),
        applied("adds a header", {"type": "RequestHeaderModifier", "requestHeaderModifier": {"add": [{"name": "X-Tenant-ID", "value": ID[B]}]}}),
    ]
    said = {"X-Tenant-ID": ID[A], "X-Tenant-Name": A, "X-Tenant-Tier": "plan"}
    unsaid = ["X-Tenant-Features", "X-Tenant-Number", "X-Tenant-Parent-ID", "X-Tenant-Root-ID"]
    says = lambda set, **more: [{"type": "RequestHeaderModifier", "requestHeaderModifier": {"set": [{"name": name, "value": value} for name, value in set.items()], **more}}]
    cases += [sets(name, "x") for name in ("X-Tenant-Client", "X_Tenant_ID", "X-Forwarded-User", "X-API-Key", "Host", "Authorization", ":authority")]
    cases += [(f"takes away {name}", s("rules", 0, "filters"), says(said, remove=["X-Tenant-Client", name])) for name in (*said, "Authorization", "X-Forwarded-For")]
    cases += [("rewrites the host", s("rules", 0, "filters"), [*says(said), {"type": "URLRewrite", "urlRewrite": {"hostname": "internal.example.com"}}]),
              *[(f"by a parent's {field}", s("parentRefs", 0, field), value) for field, value in (("sectionName", "admin"), ("port", 8443))],
              *[(f"a rule's {field}", s("rules", 0, field), value) for field, value in (
                  ("timeouts", {"request": "1h"}), ("retry", {"attempts": 100}), ("sessionPersistence", {"sessionName": "x"}), ("name", "x"))]]
    if place.applications:
        application = lambda filters: [{**{k: v for k, v in route["spec"]["rules"][0].items() if k != "filters"}, "backendRefs": [{**to, "namespace": place.applications[0]}], **filters}]
        cases.append(("to an application without saying whose", s("rules"), application({})))
        cases += [(f"to an application that is not told {name}", s("rules"), application({"filters": says({k: v for k, v in said.items() if k != name}, remove=unsaid)})) for name in said]
        cases += [(f"to an application that is told only {name}", s("rules"), application({"filters": says({name: said[name]}, remove=unsaid)})) for name in said]
        cases += [(f"to an application that clients tell {name}", s("rules"), application({"filters": says(said, remove=["X-Tenant-Client", *(n for n in unsaid if n != name)])})) for name in unsaid]
        r.allowed("operator routes to an application", create(but(route, s("rules"), application({"filters": says(said, remove=["X-Tenant-Client", "X-API-Key", *unsaid])})), OPERATOR))
        r.allowed("operator tells an application the features", create(but(route, s("rules"), application({"filters": says({**said, **{name: "1" for name in unsaid}})})), OPERATOR))
    refuse_all(r, "HTTPRoute", route, well_formed(route, cases))
    if place.shared:
        of_shared_hosts(r, place, route)
    key, name = (A, "gateway.networking.k8s.io/v1/HTTPRoute"), route["metadata"]["name"]
    make(route)
    hosts = get(None, "namespace", A)["metadata"]["annotations"]["tenant-operator.io/allowed-hosts"]
    annotate(A, "tenant-operator.io/allowed-hosts", HOST)
    until("hosts", lambda: not create({**route, "metadata": {**route["metadata"], "name": "other"}}, OPERATOR).ok)
    closed = lambda *more: put(but(but(get(*key, name), s("hostnames"), [*route["spec"]["hostnames"], *more]), s("rules"), route["spec"]["rules"][:1]), OPERATOR)
    r.allowed("operator closes a host that its tenant gave up", closed())
    r.refused("operator adds a host to it", closed(FOREIGN_HOST), GATEWAY)
    annotate(A, "tenant-operator.io/allowed-hosts", hosts)
    until("hosts", lambda: create({**route, "metadata": {**route["metadata"], "name": "other"}}, OPERATOR).ok)
    remove(*key, name)

    listeners = samples["ListenerSet"]
    first = lambda *path: s("listeners", 0, *path)
    refuse_all(r, "ListenerSet", listeners, well_formed(listeners, [
        ("for another host", first("hostname"), FOREIGN_HOST), ("for all hosts", first("hostname"), None), ("for a host that all share", first("hostname"), (place.shared or ["x.y"])[0]),
        ("of another Gateway", s("parentRef", "name"), "internal"), ("of another namespace", s("parentRef", "namespace"), FOREIGN),
        ("at another port", first("port"), 22), ("in clear", first("protocol"), "HTTP"), ("passed through", first("tls", "mode"), "Passthrough"),
        ("another's certificate", first("tls", "certificateRefs", 0, "namespace"), B), *[(f"the Secret {name}", first("tls", "certificateRefs", 0, "name"), name) for name in KEPT[:4]], ("another kind", first("tls", "certificateRefs", 0, "kind"), "ConfigMap"),
        ("for all routes", first("allowedRoutes", "namespaces", "from"), "All"),
    ]))

    for kind, field, value in (("HTTPRouteFilter", "urlRewrite", {"hostname": {"type": "Header", "header": "x"}}),
                               ("HTTPRouteFilter", "credentialInjection", {"credential": {"valueRef": {"name": "theirs"}}}),
                               ("SecurityPolicy", "extAuth", {"http": {"backendRefs": [{"name": "x", "port": 80}]}}),
                               ("SecurityPolicy", "basicAuth", {"users": {"name": "theirs"}}),
                               ("SecurityPolicy", "targetRefs", [{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "x"}]),
                               ("BackendTrafficPolicy", "responseOverride", [{"match": {"statusCodes": [{"value": 404}]}, "response": {"statusCode": 200}}]),
                               ("BackendTrafficPolicy", "targetRefs", [{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "x"}])):
        body = but(samples[kind], s(field), value)
        if field == "targetRefs":
            body = but(body, s("targetSelectors"), None)
        r.refused(f"operator makes a {kind} with {field}", create(body, OPERATOR), GATEWAY)
    r.refused("operator makes a policy of a Gateway", create(but(samples["BackendTrafficPolicy"], s("targetSelectors", 0, "kind"), "Gateway"), OPERATOR), GATEWAY)


def of_policies(r, samples, written):
    """Clients that the gateway admits, headers to the workload, and the gateway's own answers: only as the operator writes them."""
    s = lambda *path: ("spec", *path)
    provider = lambda *path: s("jwt", "providers", 0, *path)
    tokens, keys = (next(w for w in written if w["kind"] == "SecurityPolicy" and field in w["spec"]) for field in ("jwt", "apiKeyAuth"))
    fetched = but(but(tokens, provider("localJWKS"), None), provider("remoteJWKS"), {"uri": "https://login.example.com/keys", "cacheDuration": "300s"})
    r.allowed("operator has keys fetched", create(fetched, OPERATOR))
    r.allowed("operator has claims sent", create(but(tokens, provider("claimToHeaders"), [{"claim": "sub", "header": "X-User-ID"}, {"claim": "role", "header": "X-Tenant-Role"}]), OPERATOR))
    instead = lambda source, **response: [{"source": source, "match": {"statusCodes": [{"type": "Value", "value": 429}]}, "response": response}]
    text = {"contentType": "text/plain", "body": {"type": "Inline", "inline": "later"}}
    r.allowed("operator gives an error a text", create(but(samples["BackendTrafficPolicy"], s("responseOverride"), instead("Local", **text)), OPERATOR))
    for kind, sample, cases in (
        ("SecurityPolicy", tokens, [
            *[(f"claims as {header}", provider("claimToHeaders"), [{"claim": "sub", "header": header}]) for header in ("X-Tenant-ID", "x-tenant-client", "Authorization", "X-Forwarded-For")],
            ("tokens that need not be there", s("jwt", "optional"), True), ("tokens in an address", provider("extractFrom"), {"params": ["token"]}),
            ("tokens in a cookie", provider("extractFrom"), {"cookies": ["token"]}),
            ("everybody else let in", s("authorization", "defaultAction"), "Allow")]),
        ("SecurityPolicy", fetched, [(f"keys from {uri}", provider("remoteJWKS", "uri"), uri) for uri in ("http://login.example.com/keys", "http://169.254.169.254/keys")]),
        ("SecurityPolicy", keys, [
            *[(f"names of keys as {header}", s("apiKeyAuth", "forwardClientIDHeader"), header) for header in ("X-Tenant-ID", "X-Tenant-Name", "X-Forwarded-User")],
            ("keys of another kind", s("apiKeyAuth", "credentialRefs", 0), {"group": "example.com", "kind": "Vault", "name": "tenant-api-keys"}),
            ("keys in an address", s("apiKeyAuth", "extractFrom"), [{"params": ["key"]}]), ("keys in another header", s("apiKeyAuth", "extractFrom"), [{"headers": ["Authorization"]}]),
            ("keys passed on", s("apiKeyAuth", "sanitize"), False)]),
        ("HTTPRouteFilter", samples["HTTPRouteFilter"], [
            ("an answer in HTML", s("directResponse", "contentType"), "text/html"), *[(f"an answer {status}", s("directResponse", "statusCode"), status) for status in (201, 301, 401)],
            ("another answer 200", s("directResponse"), {**samples["HTTPRouteFilter"]["spec"]["directResponse"], "statusCode": 200})]),
        ("Backend", samples["Backend"], [
            *[(f"the address {name}", s("endpoints"), [{"fqdn": {"hostname": name, "port": 80}}]) for name in (
                "evil.example.com", f"web.{B}.svc.cluster.local", f"web.{B}.{A}.svc.cluster.local", f"{A}.svc.cluster.local", "kubernetes.default.svc.cluster.local")],
            ("an address by number", s("endpoints"), [{"ip": {"address": "169.254.169.254", "port": 80}}]), ("a socket", s("endpoints"), [{"unix": {"path": "/run/x"}}]),
            ("any address", s("type"), "DynamicResolver"), ("TLS of its own", s("tls"), {"insecureSkipVerify": True})]),
        ("ClientTrafficPolicy", samples["ClientTrafficPolicy"], [
            ("older versions of TLS", s("tls", "minVersion"), "1.0"), ("an end of them", s("tls", "maxVersion"), "1.3"), ("certificates of clients", s("tls", "clientValidation"), {"optional": True}),
            ("headers of clients", s("headers"), {"withUnderscoresAction": "Allow"}), ("the whole Gateway", s("targetRefs", 0, "kind"), "Gateway")]),
        ("BackendTrafficPolicy", samples["BackendTrafficPolicy"], [
            *[(f"an error that becomes {response}", s("responseOverride"), instead("Local", **{**text, **response})) for response in (
                {"statusCode": 200}, {"header": {"set": [{"name": "Set-Cookie", "value": "x"}]}}, {"header": {"add": [{"name": "Vary", "value": "x"}]}})],
            *[(f"answers of {source}", s("responseOverride"), instead(source, **text)) for source in ("All", "Backend")],
            ("errors that lead away", s("responseOverride"), [{"source": "Local", "match": {"statusCodes": [{"type": "Value", "value": 401}]}, "redirect": {"hostname": FOREIGN_HOST, "statusCode": 302}}]),
            ("counted as another's", s("telemetry", "metrics", "routeStatName"), "globex/tenant-host"), ("tracing", s("telemetry", "tracing"), {"samplingFraction": {"numerator": 1}})]),
    ):
        refuse_all(r, kind, sample, well_formed(sample, cases))


def of_shared_hosts(r, place, route):
    """On a host that all tenants share a route takes only its tenant's requests: below its path, or with its header."""
    rule = route["spec"]["rules"][0]
    on_shared = but(route, ("spec", "hostnames"), place.shared[:1])
    of = lambda *matches: [{**rule, "matches": list(matches)}]
    path = lambda value, type="PathPrefix": {"path": {"type": type, "value": value}}
    header = lambda value, name="X-Tenant-ID", type="Exact", **more: {"headers": [{"name": name, "value": value, "type": type}], **more}
    own = {"its path": path(f"/tenants/{A}"), "a path below": path(f"/tenants/{A}/x"), "a path exactly": path(f"/tenants/{A}/x", "Exact"), "its header": header(A),
           "its id": header(ID[A]), "its header in other letters": header(A, "x-tenant-id"),
           "a path that only tells of a key set": path(f"/.well-known/tenant-operator/{ID[A]}/0123456789abcdef/path", "Exact")}
    foreign = {"everything": {}, "every path": path("/"), "all tenants' paths": path("/tenants"), "another's path": path(f"/tenants/{B}"), "a path that begins so": path(f"/tenants/{A}x"),
               "a tenant whose name begins so": path(f"/tenants/{A}-x/y"), "a path by a pattern": path(f"/tenants/{A}/.*|/.*", "RegularExpression"),
               "another's header": header(B), "another's id": header(ID[B]), "a header by a pattern": header(f"{A}|.*", type="RegularExpression"),
               "another header": header(A, "X-Tenant"), "a parameter": {"queryParams": [{"name": "X-Tenant-ID", "value": A}]}, "a method": {"method": "GET"},
               "another's key set": path(f"/.well-known/tenant-operator/{ID[B]}/0123456789abcdef/path", "Exact")}
    for what, match in own.items():
        r.allowed(f"operator routes on a shared host {what}", create(but(on_shared, ("spec", "rules"), of(match)), OPERATOR))
    sample = but(on_shared, ("spec", "rules"), of(own["its path"]))
    refuse_all(r, "HTTPRoute", sample, well_formed(sample, [
        ("a shared host without rules", ("spec", "rules"), None), ("a shared host with no rule", ("spec", "rules"), []),
        ("a shared host without matches", ("spec", "rules"), [{key: value for key, value in rule.items() if key != "matches"}]), ("a shared host with no match", ("spec", "rules"), of()),
        ("a shared host besides its own", ("spec",), {**route["spec"], "hostnames": [*route["spec"]["hostnames"], place.shared[0]]}),
        *[(f"{what} of a shared host", ("spec", "rules"), of(match)) for what, match in foreign.items()],
        *[(f"{what} of a shared host besides its own", ("spec", "rules"), of(own["its path"], match)) for what, match in foreign.items()],
        *[(f"{what} of a shared host by a second rule", ("spec", "rules"), of(own["its path"]) + of(match)) for what, match in foreign.items()]]))


def of_shared_hosts_of_apisix(r, place, route):
    """The same in APISIX's objects."""
    rule = {**route["spec"]["http"][0], "name": "shared"}
    of = lambda name="shared", **match: [{**rule, "name": name, "match": {"hosts": place.shared[:1], **match}}]
    is_one = lambda *values, name="X-Tenant-ID", scope="Header", op="In": {"subject": {"scope": scope, "name": name}, "op": op, "set": list(values)}
    is_like = lambda op, value: {"subject": {"scope": "Header", "name": "X-Tenant-ID"}, "op": op, "value": value}
    below = [f"/tenants/{A}", f"/tenants/{A}/*"]
    sample = but(route, ("spec", "http"), of(paths=below))
    own = {"its path": of(paths=below), "a path below": of(paths=[f"/tenants/{A}/x"]), "its header": of(paths=["/*"], exprs=[is_one(A, ID[A])]), "its id": of(paths=["/*"], exprs=[is_one(ID[A])])}
    foreign = {"every path": {"paths": ["/*"]}, "no path": {}, "no paths": {"paths": []}, "all tenants' paths": {"paths": ["/tenants/*"]}, "another's path": {"paths": [f"/tenants/{B}"]},
               "a path that begins so": {"paths": [f"/tenants/{A}*"]}, "every path besides": {"paths": [*below, "/*"]},
               **{f"requests told by {expr}": {"paths": ["/*"], "exprs": [expr]} for expr in (
                   is_one(B), is_one(A, B), is_one(), is_one(A, name="X-Tenant"), is_one(A, op="NotIn"),
                   *[is_one(A, scope=scope) for scope in ("Query", "Cookie", "Path", "Variable")],
                   *[is_like(op, A) for op in ("NotEqual", "RegexMatch", "RegexNotMatch", "RegexMatchCaseInsensitive", "RegexNotMatchCaseInsensitive", "GreaterThan", "LessThan")])}}
    for what, rules in own.items():
        r.allowed(f"operator routes on a shared host {what}", create(but(sample, ("spec", "http"), rules), OPERATOR))
    refuse_all(r, "ApisixRoute", sample, well_formed(sample, [
        *[(f"{what} of a shared host", ("spec", "http"), of(**match)) for what, match in foreign.items()],
        *[(f"{what} of a shared host by a second rule", ("spec", "http"), of(paths=below) + of("second", **match)) for what, match in foreign.items()]]))


def of_apisix(r, place, samples):
    s = lambda *path: ("spec", *path)
    route = samples["ApisixRoute"]
    rule = lambda *path: s("http", 0, *path)
    plugin = lambda name: (f"plugin {name}", rule("plugins"), [{"name": name, "enable": True, "config": {}}])
    refuse_all(r, "ApisixRoute", route, [
        ("another host", rule("match", "hosts"), [FOREIGN_HOST]), ("another host besides", rule("match", "hosts"), [HOST, FOREIGN_HOST]),
        ("all hosts", rule("match", "hosts"), None), ("no hosts", rule("match", "hosts"), []), ("another class", s("ingressClassName"), "other"), ("streams", s("stream"), []),
        *[plugin(name) for name in ("serverless-pre-function", "serverless-post-function", "proxy-mirror", "forward-auth", "http-logger", "opa", "script")],
    ])
    if place.shared:
        of_shared_hosts_of_apisix(r, place, route)
    refuse_all(r, "ApisixTls", samples["ApisixTls"], [
        ("another host", s("hosts"), [FOREIGN_HOST]), ("another's Secret", s("secret", "namespace"), B), *[(f"the Secret {name}", s("secret", "name"), name) for name in KEPT[:4]], ("a client's authority", s("client"), {"depth": 1})])
    refuse_all(r, "ApisixUpstream", samples["ApisixUpstream"], [
        (f"node {name}", s("externalNodes"), [{"name": name, "type": "Domain", "port": 80}]) for name in (
            "kubernetes.default.svc", f"web.{B}.svc", "evil.example.com", "169.254.169.254")])
    refuse_all(r, "ApisixPluginConfig", samples["ApisixPluginConfig"], [
        ("plugins", s("plugins"), [{"name": "serverless-pre-function", "enable": True, "config": {}}])])
    refuse_all(r, "ApisixConsumer", samples["ApisixConsumer"], [
        ("another Secret", s("authParameter", "keyAuth", "secretRef", "name"), "theirs"), ("a value", s("authParameter", "keyAuth", "value"), {"key": "x"}),
        ("another way", s("authParameter", "basicAuth"), {"secretRef": {"name": "theirs"}})])
