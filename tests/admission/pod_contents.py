"""Contents of a tenant's pods, at each level of Pod Security that a tier may ask for."""

import json

from allowed import IMAGES, PODS, PREFIX, container
from cluster import annotate, create, make, may, must, patch, read, remove, request, until
from fixtures import *

RAW, VOLUMES = "tenant-operator-raw-sockets", "tenant-operator-volumes"
POD_SECURITY = "PodSecurity"
KINDS = ("containers", "initContainers", "ephemeralContainers")

# A container's capabilities, and whether it may have them at baseline. A runtime reads `CAP_NET_RAW` as no capability, and drops nothing.
CAPABILITIES = (
    ({"drop": ["ALL"]}, True), ({"drop": ["NET_RAW"]}, True), ({"drop": ["CHOWN", "NET_RAW"], "add": ["NET_BIND_SERVICE"]}, True),
    (None, False), ({}, False), ({"drop": []}, False), ({"drop": ["CHOWN"]}, False), ({"add": ["NET_BIND_SERVICE"]}, False),
    ({"drop": ["CAP_NET_RAW"]}, False), ({"drop": ["NET_RAW"], "add": ["NET_RAW"]}, False), ({"drop": ["ALL"], "add": ["NET_RAW"]}, False),
    ({"drop": ["ALL"], "add": ["CAP_NET_RAW"]}, False), ({"drop": ["ALL"], "add": ["ALL"]}, False), ({"drop": ["ALL"], "add": ["net_raw"]}, False),
)

# Every type of volume of the API's, and what it needs at least; those that a tenant's pods may have.
HARMLESS = {"configMap": {"name": "x"}, "downwardAPI": {}, "emptyDir": {}, "image": {"reference": "docker.io/x/y"}, "projected": {"sources": []},
            "persistentVolumeClaim": {"claimName": "x"}, "secret": {"secretName": "x"},
            "ephemeral": {"volumeClaimTemplate": {"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}}}}}
ALLOWED_DRIVER = "secrets-store.csi.k8s.io"
DRIVEN = {"csi": {"driver": "nfs.csi.k8s.io"}}
FOREIGN_TYPES = {
    "awsElasticBlockStore": {"volumeID": "x"}, "azureDisk": {"diskName": "x", "diskURI": "/subscriptions/x", "kind": "Managed"},
    "azureFile": {"secretName": "x", "shareName": "x"}, "cephfs": {"monitors": ["192.0.2.1"]}, "cinder": {"volumeID": "x"},
    "fc": {"targetWWNs": ["x"], "lun": 0}, "flexVolume": {"driver": "example.com/x"}, "flocker": {"datasetName": "x"},
    "gcePersistentDisk": {"pdName": "x"}, "gitRepo": {"repository": "https://example.com"}, "glusterfs": {"endpoints": "x", "path": "x"},
    "hostPath": {"path": "/"}, "iscsi": {"targetPortal": "192.0.2.1", "iqn": "iqn.2001-04.com.example:storage", "lun": 0},
    "nfs": {"server": "192.0.2.1", "path": "/"}, "photonPersistentDisk": {"pdID": "x"}, "portworxVolume": {"volumeID": "x"},
    "quobyte": {"registry": "192.0.2.1:80", "volume": "x"}, "rbd": {"monitors": ["192.0.2.1"], "image": "x"},
    "scaleIO": {"gateway": "x", "system": "x", "volumeName": "x", "secretRef": {"name": "x"}}, "storageos": {"volumeName": "x"},
    "vsphereVolume": {"volumePath": "x"}}

# Registries that are the cluster's, the node's or nobody's, in every way that one can be written.
INTERNAL = ("127.0.0.1", "127.0.0.1:5000", "10.0.0.1:8080", "192.0.2.1", "[::1]:5000", "[fd00::1]", "localhost", "localhost:5000", "LOCALHOST", "a.localhost",
            "registry:5000", "REGISTRY", "2130706433:80", "127.1", "0x7f.1", "0x7f000001:80", "017700000001:80", "web.acme.svc", "web.acme.svc:80", "web.acme.SVC:80",
            "web.acme.svc.cluster.local", "Web.Acme.Svc.Cluster.Local:80", "web.acme.svc.example.com", "10-0-0-1.acme.pod.cluster.local", "10-0-0-1.acme.pod:80",
            "kubernetes.default", "kubernetes.default:443", "kube-dns.kube-system:53", "node-1.internal", "ip-10-0-0-1.ec2.internal:10250", "host.local", "host.localdomain")
# Names for use within (RFC 6762, appendix G; RFC 6761 but invalid, which is nowhere; RFC 7686, 8375 and 9476), and those that ICANN gives to nobody because so many use them.
WITHIN = ("alt", "arpa", "consul", "corp", "example", "home", "home.arpa", "internal", "intranet", "lan", "local", "localdomain", "localhost", "mail", "onion", "private", "test")
INTERNAL += tuple(f"registry.{suffix}{port}" for suffix in WITHIN for port in ("", ":8080"))
PUBLIC = ("", "bitnami/", "docker.io/", "ghcr.io/acme/", "registry.example.com:5000/", "Registry.Example.com/", "xn--bcher-kva.example.com/", "lan.example.com/", "home.example.com:5000/", "mycorp.com/", "registry.test.io/", "registry.xn--p1ai/", "svc.example.com/",
          "local.example.com/")

# An image of the node's, whatever registry it came from: a container runtime takes a digest, in the algorithms that there are, for the image's id.
BY_ID = (*(f"{algorithm}:{'0123456789abcdef' * (bits // 64)}" for algorithm, bits in (("sha256", 256), ("sha384", 384), ("sha512", 512), ("blake3", 256), ("SHA256", 256))),
         "0123456789abcdef" * 4, "0123456789ABCDEF" * 4, "0123456789abcdef" * 4 + ":latest")
NOT_BY_ID = ("sha256sum:1", "nginx:" + "0123456789abcdef" * 4, "docker.io/library/sha256:1", "nginx@sha256:" + "0123456789abcdef" * 4, "0123456789abcdef")


def relaxed(name, **lists):
    """A tenant's namespace at baseline, and its owner."""
    make(namespace(name, marks(name), "baseline", annotations={PREFIX + key.replace("_", "-"): value for key, value in lists.items()}))
    make(role_binding("owner", name, "tenant-operator-tenant-admin", [user(ADMIN)]))
    until("service account", lambda: read(name, "serviceaccount", "default").ok)
    until("rights", lambda: may(ADMIN, "create", "pods", name))
    # The policies know a namespace a moment after it is there.
    until("policies", lambda: not create(pod(name, tolerations=[{"operator": "Exists"}]), ADMIN).ok)


def new_pod(ns, **spec):
    return create({**pod(ns, **spec), "metadata": meta("new", ns)}, ADMIN)


def contents(r):
    ns = f"{RUN}-relaxed"
    try:
        relaxed(ns, csi_drivers=f"{ALLOWED_DRIVER},other.example.com")
        raw_sockets(r, ns)
        for level in (A, ns):
            volumes(r, level)
            registries(r, level)
            neighbours(r, level)
        r.allowed("a volume of a driver that is allowed", new_pod(ns, volumes=[volume("csi", {"driver": ALLOWED_DRIVER})]))
        r.refused("a driver whose name only begins so", new_pod(ns, volumes=[volume("csi", {"driver": ALLOWED_DRIVER[:-1]})]), VOLUMES)
        known_registries(r)
        by_id(r, ns)
        called_hosts(r, ns)
    finally:
        remove(None, "namespace", ns, wait=False)


def with_capabilities(capabilities, name="main"):
    security = {"allowPrivilegeEscalation": False, **({"capabilities": capabilities} if capabilities is not None else {})}
    return {**container("pause", name=name), "securityContext": security if capabilities is not None else {}}


def raw_sockets(r, ns):
    """Raw sockets let a pod send packets with another's source address."""
    own = with_capabilities({"drop": ["NET_RAW"]})
    make(pod(ns, containers=[own]))
    for capabilities, fine in CAPABILITIES:
        for kind in KINDS:
            new = with_capabilities(capabilities, "other")
            if kind == "ephemeralContainers":
                new.pop("resources")
                answer = patch(ns, "pod", "probe", {"spec": {kind: [new]}}, subresource="ephemeralcontainers")
            else:
                answer = new_pod(ns, **{"containers": [own], kind: [own, new] if kind == "containers" else [new]})
            title = f"one of the {kind} with the capabilities {capabilities}"
            if fine:
                r.allowed(title, answer)
            else:
                r.refused(title, answer, RAW, POD_SECURITY)
    r.allowed("a label of a pod", patch(ns, "pod", "probe", {"metadata": {"labels": {"x": "y"}}}, ADMIN))
    windows = {"os": {"name": "windows"}, "securityContext": {}, "containers": [{**own, "securityContext": {}}]}
    r.allowed("a container of Windows, which knows no capabilities", new_pod(ns, **windows))
    r.allowed("any capabilities elsewhere", create(pod(FOREIGN, containers=[with_capabilities(None)])))
    remove(ns, "pod", "probe", gracePeriodSeconds=0)


def volume(kind, source):
    return {"name": kind.lower(), kind: source}


def volumes(r, ns):
    schema = must(request("GET", "/openapi/v3/api/v1"))["components"]["schemas"]["io.k8s.api.core.v1.Volume"]
    unknown = schema["properties"].keys() - {"name"} - HARMLESS.keys() - DRIVEN.keys() - FOREIGN_TYPES.keys()
    r.check("every type of volume is tried", not unknown, unknown)
    for kind, source in HARMLESS.items():
        r.allowed(f"a volume of type {kind} in {ns}", new_pod(ns, volumes=[volume(kind, source)]))
    for kind, source in {**DRIVEN, **FOREIGN_TYPES}.items():
        own = volume("emptyDir", {})
        r.refused(f"a volume of type {kind} in {ns}", new_pod(ns, volumes=[own, volume(kind, source)]), VOLUMES, POD_SECURITY)
        r.allowed(f"a volume of type {kind} elsewhere", create(pod(FOREIGN, volumes=[own, volume(kind, source)])))
    r.allowed(f"a volume of no type, which is an emptyDir, in {ns}", new_pod(ns, volumes=[{"name": "plain"}]))


def registries(r, ns):
    """The time that a pull takes to fail reveals listening services."""
    for registry in INTERNAL:
        image = f"{registry}/a/b:1"
        r.refused(f"image {image} in {ns}", new_pod(ns, containers=[container(image)]), IMAGES)
    annotate(ns, "tenant-operator.io/own-namespaces", f"acme,{ns}")
    until("policies", lambda: not new_pod(ns, containers=[container("web.acme:80/x")]).ok)
    for registry in ("web.acme", "web.acme:80", f"web.{ns}"):
        r.refused(f"image {registry}/x, of its own Service, in {ns}", new_pod(ns, containers=[container(f"{registry}/x")]), IMAGES)
    mounted = {"name": "v", "image": {"reference": "10.0.0.1:8080/x", "pullPolicy": "Never"}}
    r.refused(f"a mounted image at an address in {ns}", new_pod(ns, volumes=[mounted]), IMAGES)
    for path in PUBLIC:
        r.allowed(f"image {path}nginx in {ns}", new_pod(ns, containers=[container(f"{path}nginx")]))


def known_registries(r):
    ns = f"{RUN}-known"
    try:
        relaxed(ns, image_registries="registry:5000,10.0.0.1:8080,docker.io,web.acme.svc/team")
        for image in ("registry:5000/x", "10.0.0.1:8080/x", "web.acme.svc/team/x", "nginx"):
            r.allowed(f"image {image}, which is allowed", new_pod(ns, containers=[container(image)]))
        # In capital letters the first part is a registry, not a path of docker.io.
        for image in ("registry:5001/x", "10.0.0.1/x", "web.acme.svc/x", "REGISTRY/x", "Evil/x"):
            r.refused(f"image {image} beside those that are allowed", new_pod(ns, containers=[container(image)]), IMAGES)
    finally:
        remove(None, "namespace", ns, wait=False)


def by_id(r, open_ns):
    """The policy holds with or without a list, wherever an image is named, and for a later change."""
    ns = f"{RUN}-by-id"
    try:
        relaxed(ns, image_registries="docker.io")
        for where in (ns, open_ns):
            make({**pod(where, containers=[container("nginx")]), "metadata": meta("stays", where)})
            for image in BY_ID:
                for policy in ("IfNotPresent", "Never"):
                    r.refused(f"image {image}, pulled {policy}, in {where}", new_pod(where, containers=[{**container(image), "imagePullPolicy": policy}]), IMAGES)
                more = {**container(image, name="more")}
                mounted = {"name": "v", "image": {"reference": image, "pullPolicy": "IfNotPresent"}}
                r.refused(f"image {image} of an init container in {where}", new_pod(where, containers=[container("nginx")], initContainers=[more]), IMAGES)
                r.refused(f"image {image} as a volume in {where}", new_pod(where, containers=[container("nginx")], volumes=[mounted]), IMAGES)
                later = [{"op": "replace", "path": "/spec/containers/0/image", "value": image}]
                r.refused(f"image {image} by a later change in {where}", patch(where, "pod", "stays", later), IMAGES)
                debug = {key: value for key, value in more.items() if key != "resources"}
                r.refused(f"image {image} of an ephemeral container in {where}",
                          patch(where, "pod", "stays", {"spec": {"ephemeralContainers": [debug]}}, subresource="ephemeralcontainers"), IMAGES)
            for image in NOT_BY_ID:
                r.allowed(f"image {image} in {where}", new_pod(where, containers=[container(image)]))
        remove(open_ns, "pod", "stays", gracePeriodSeconds=0)
    finally:
        remove(None, "namespace", ns, wait=False)


def called_hosts(r, ns):
    """The kubelet calls the target of a probe or a hook from the node's network, where Pod Security does not refuse it (before Kubernetes 1.34)."""
    must(patch(None, "namespace", ns, {"metadata": {"labels": {"pod-security.kubernetes.io/enforce-version": "v1.33"}}}, dry_run=False))
    schemas = must(request("GET", "/openapi/v3/api/v1"))["components"]["schemas"]
    fields = lambda kind: schemas[f"io.k8s.api.core.v1.{kind}"]["properties"]
    # By the API's own list: what a container has probes and hooks in, and which of their ways name a host.
    ways = [way for way in fields("LifecycleHandler").keys() | fields("Probe").keys() if way in ("httpGet", "tcpSocket")]
    probes = [field for field, schema in fields("Container").items() if "core.v1.Probe" in json.dumps(schema)]
    hooks = [hook for hook in fields("Lifecycle") if hook != "stopSignal"]
    r.check("probes, hooks and their ways are those that are tried", (sorted(ways), sorted(probes), sorted(hooks)) == (
        ["httpGet", "tcpSocket"], ["livenessProbe", "readinessProbe", "startupProbe"], ["postStart", "preStop"]), str((ways, probes, hooks)))
    until("the version of Pod Security", lambda: "PodSecurity" not in new_pod(ns, containers=[{**container("nginx"), "readinessProbe": {"tcpSocket": {"port": 80, "host": "10.0.0.1"}}}]).error)
    for way in ways:
        handler = lambda host: {way: {"port": 80, **({"host": host} if host is not None else {})}}
        places = {**{probe: lambda h, probe=probe: {probe: h} for probe in probes}, **{hook: lambda h, hook=hook: {"lifecycle": {hook: h}} for hook in hooks}}
        for name, place in places.items():
            for host, fine in ((None, True), ("", True), ("10.0.0.1", False), ("127.0.0.1", False), ("kubernetes.default.svc", False)):
                for kind in ("containers", "initContainers"):
                    main = {**container("nginx"), **place(handler(host))}
                    spec = {"containers": [main]} if kind == "containers" else {"containers": [container("nginx")], "initContainers": [{**main, "name": "aside", "restartPolicy": "Always"}]}
                    answer = new_pod(ns, **spec)
                    title = f"{name} by {way} of host {host!r} in {kind}"
                    if fine:
                        r.allowed(title, answer)
                    else:
                        r.refused(title, answer, PODS)


def neighbours(r, ns):
    """Whom a pod wants near or far: the scheduler holds to a required anti-affinity both ways, so that one pod keeps others off all nodes."""
    schemas = must(request("GET", "/openapi/v3/api/v1"))["components"]["schemas"]
    fields = lambda kind: schemas[f"io.k8s.api.core.v1.{kind}"]["properties"]
    # By the API's own list: what names other pods, and in which fields it names their namespaces.
    kinds = [field for field in fields("Affinity") if field != "nodeAffinity"]
    ways = fields("PodAffinity").keys() | fields("PodAntiAffinity").keys()
    named = [field for field in fields("PodAffinityTerm") if "amespace" in field]
    r.check("affinities are those that are tried", (sorted(kinds), len(ways), sorted(named)) == (["podAffinity", "podAntiAffinity"], 2, ["namespaceSelector", "namespaces"]),
            str((kinds, ways, named)))
    for kind in kinds:
        for way in sorted(ways):
            for said, fine in (({}, True), ({"namespaces": []}, True), ({"namespaces": [ns]}, True), ({"namespaceSelector": None}, True), ({"namespaces": [FOREIGN]}, False),
                               ({"namespaces": [ns, B]}, False), ({"namespaceSelector": {}}, False),
                               ({"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": B}}}, False), ({"namespaceSelector": {}, "namespaces": [ns]}, False)):
                term = {"labelSelector": {}, "topologyKey": "kubernetes.io/os", **said}
                terms = [term] if way.startswith("required") else [{"weight": 1, "podAffinityTerm": term}]
                answer = new_pod(ns, affinity={kind: {way: terms}})
                title = f"{kind} {way} with {said}"
                if fine:
                    r.allowed(title, answer)
                else:
                    r.refused(title, answer, PODS)
    near = lambda other: new_pod(ns, affinity={"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [
        {"labelSelector": {}, "topologyKey": "kubernetes.io/os", "namespaces": [ns, other]}]}})
    annotate(ns, "tenant-operator.io/own-namespaces", f"{ns},{ns}-more")
    until("the tenant's namespaces", lambda: near(f"{ns}-more").ok)
    r.refused("podAffinity in a namespace whose name only begins like one of the tenant's", near(f"{ns}-mor"), PODS)
    annotate(ns, "tenant-operator.io/own-namespaces", None)
