"""Names that a tenant's objects may contain, by the annotations of its namespace."""

from cluster import annotate, create, make, may, patch, read, remove, until
from fixtures import *

IMAGES, CLAIMS, INGRESSES = "tenant-operator-images", "tenant-operator-claims", "tenant-operator-ingresses"
PODS, SERVICES = "tenant-operator-pods", "tenant-operator-services"
PREFIX = "tenant-operator.io/allowed-"
HOST = f"{RUN}.example.com"


def new_namespace(name, **lists):
    """A tenant's namespace with bounds, and its owner."""
    make(namespace(name, marks(name), annotations={
        PREFIX + key.replace("_", "-"): value for key, value in lists.items()}))
    make(role_binding("owner", name, "tenant-operator-tenant-admin", [user(ADMIN)]))
    until("service account", lambda: read(name, "serviceaccount", "default").ok)
    until("rights", lambda: may(ADMIN, "create", "pods", name))
    # The policies know a namespace a moment after it is there.
    until("policies", lambda: not create(pod(name, containers=[container("evil.io/x")]), ADMIN).ok)


def container(image, policy="Never", name="main"):
    return {**pod_spec()["containers"][0], "name": name, "image": image, "imagePullPolicy": policy}


def service(ns, kind, name="reached"):
    return {"apiVersion": "v1", "kind": "Service", "metadata": meta(name, ns), "spec": {"type": kind, "ports": [{"port": 80}]}}


def claim(ns, name="claimed", **spec):
    return {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": meta(name, ns), "spec": {
        "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}, **spec}}


def ingress(ns, name, cls=None, **metadata):
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": {**meta(name, ns), **metadata}, "spec": {
        **({"ingressClassName": cls} if cls is not None else {}), "rules": [serving(HOST)]}}


def serving(host):
    paths = [{"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "x", "port": {"number": 80}}}}]
    return {**({"host": host} if host else {}), "http": {"paths": paths}}


def unbounded(r):
    """Without bounds, objects may name everything but names that are never a tenant's."""
    r.allowed("any image", create(pod(A, containers=[container("anything/at:all")]), ADMIN))
    r.allowed("any class of storage", create(claim(A, storageClassName="any"), ADMIN))
    annotate(A, f"{PREFIX}hosts", HOST)
    until("policies", lambda: create(ingress(A, "any", "any"), ADMIN).ok)
    r.allowed("any class of ingress", create(ingress(A, "any", "any"), ADMIN))
    r.allowed("no class of ingress", create(ingress(A, "none"), ADMIN))
    r.refused("a claim of a volume by name", create(claim(A, storageClassName="any", volumeName="theirs"), ADMIN), CLAIMS)
    r.refused("a claim without a class", create(claim(A, storageClassName=""), ADMIN), CLAIMS)
    r.allowed("the admin's claim of a volume by name", create(claim(A, storageClassName="", volumeName="theirs")))
    make(claim(A, "waiting", storageClassName="of-nobody"))
    later = lambda spec, who: patch(A, "persistentvolumeclaim", "waiting", {"spec": spec}, who)
    r.refused("a volume by name for a claim that waits", later({"volumeName": "theirs"}, ADMIN), CLAIMS)
    r.allowed("the admin's volume by name for it", later({"volumeName": "theirs"}, None))
    r.allowed("a label of it", patch(A, "persistentvolumeclaim", "waiting", {"metadata": {"labels": {"x": "y"}}}, ADMIN))
    remove(A, "persistentvolumeclaim", "waiting", wait=False)
    r.allowed("a claim of a volume by name elsewhere", create(claim(FOREIGN, volumeName="theirs")))
    r.allowed("a plain Service", create(service(A, "ClusterIP"), ADMIN))
    for kind in ("NodePort", "LoadBalancer"):
        r.refused(f"a Service of type {kind}", create(service(A, kind), ADMIN), SERVICES)
        r.refused(f"the admin's Service of type {kind}", create(service(A, kind)), SERVICES)
        r.allowed(f"a Service of type {kind} elsewhere", create(service(FOREIGN, kind)))


def allowed(r):
    unbounded(r)
    ns = f"{RUN}-bound"
    try:
        new_namespace(ns, image_registries="ghcr.io/acme,docker.io/library,reg:5000", image_pull_policies="Never,Always", storage_classes="fast",
                      ingress_classes="public,inner", priority_classes="", runtime_classes="gvisor,kata", service_types="LoadBalancer", hosts=HOST)
        bounded(r, ns)
    finally:
        remove(None, "namespace", ns, wait=False)
        remove(None, "runtimeclass", f"{RUN}-runtime")


def bounded(r, ns):
    # With bounds on runtime classes a pod must name one, which must exist.
    make({"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": meta(f"{RUN}-runtime"), "handler": "runc"})
    annotate(ns, f"{PREFIX}runtime-classes", f"gvisor,{RUN}-runtime")
    new = lambda who=ADMIN, **spec: create(pod(ns, **{"runtimeClassName": f"{RUN}-runtime", "containers": [container("pause")], **spec}), who)
    until("policies", lambda: new().ok and not new(runtimeClassName=None).ok)
    r.allowed("a pod within its bounds", new())
    for image, policy in (("ghcr.io/acme/web:1", "Always"), ("reg:5000/x", "Never"), ("docker.io/library/nginx", "Never"),
                          ("nginx", "Never"), ("library/nginx:1", "Never"), ("docker.io/nginx", "Never"), ("docker.io/nginx:1@sha256:" + "0" * 64, "Never"),
                          ("index.docker.io/nginx", "Never"), ("index.docker.io/library/nginx:1", "Never")):
        r.allowed(f"image {image}", new(containers=[container(image, policy)]))
    for image in ("ghcr.io/acme-evil/web", "ghcr.io/other/acme", "bitnami/nginx", "docker.io/bitnami/nginx", "reg:5001/x", "ghcr.io.evil.io/acme/x",
                  "localhost/x", "evil.io/docker.io/library/nginx", "index.docker.io/bitnami/nginx", "docker.io/libraryx/nginx", "Docker.io/nginx",
                  "index.docker.io.evil.io/nginx", "registry-1.docker.io/library/nginx", "docker.io:443/nginx"):
        r.refused(f"image {image}", new(containers=[container(image)]), IMAGES)
        r.refused(f"image {image} to begin with", new(initContainers=[container(image, name="first")]), IMAGES)
        r.refused(f"the admin's image {image}", new(None, containers=[container(image)]), IMAGES)
    r.refused("a pull policy", new(containers=[container("pause", "IfNotPresent")]), IMAGES)
    mounted = lambda image, policy="Never": new(volumes=[{"name": "v", "image": {"reference": image, "pullPolicy": policy}}])
    if mounted("ghcr.io/acme/web:1").ok:
        r.refused("another registry's image as a volume", mounted("evil.io/x"), IMAGES)
        r.refused("a pull policy of a volume", mounted("ghcr.io/acme/web:1", "IfNotPresent"), IMAGES)
    else:
        print("note: volumes of images are not served, so their cases are left out")
    r.refused("no runtime class", new(runtimeClassName=None), PODS)
    # The API server first looks for the runtime class, and refuses a missing one before any policy.
    annotate(ns, f"{PREFIX}runtime-classes", "gvisor")
    until("policies", lambda: PODS in new().error)
    r.refused("another runtime class", new(), PODS)
    annotate(ns, f"{PREFIX}runtime-classes", f"{RUN}-runtime")
    until("policies", lambda: new().ok)
    make({"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": meta(f"{RUN}-priority"), "value": 1})
    until("priority", lambda: create(pod(A, priorityClassName=f"{RUN}-priority"), ADMIN).ok)
    r.refused("a priority class where none is allowed", new(priorityClassName=f"{RUN}-priority"), PODS)
    r.allowed("a priority class elsewhere", create(pod(A, priorityClassName=f"{RUN}-priority"), ADMIN))
    remove(None, "priorityclass", f"{RUN}-priority")

    make(pod(ns, runtimeClassName=f"{RUN}-runtime", containers=[container("pause")]))
    later = lambda image: patch(ns, "pod", "probe", [{"op": "replace", "path": "/spec/containers/0/image", "value": image}], ADMIN)
    r.refused("a later image", later("evil.io/x"), IMAGES)
    r.allowed("a later image of its own", later("ghcr.io/acme/web:2"))
    debug = lambda image: patch(ns, "pod", "probe", {"spec": {"ephemeralContainers": [
        {"name": "debug", "image": image, "imagePullPolicy": "Never", "securityContext": pod_spec()["containers"][0]["securityContext"]}]}}, subresource="ephemeralcontainers")
    r.allowed("a debugger of its registries", debug("ghcr.io/acme/debug"))
    r.refused("a debugger of another registry", debug("evil.io/debug"), IMAGES)
    annotate(ns, f"{PREFIX}image-registries", "")
    until("policies", lambda: IMAGES in new().error)
    r.refused("any image where no registry is allowed", new(), IMAGES)
    r.allowed("a label of a pod whose image is no longer allowed", patch(ns, "pod", "probe", {"metadata": {"labels": {"x": "y"}}}, ADMIN))
    remove(ns, "pod", "probe", gracePeriodSeconds=0)

    r.allowed("a class of storage", create(claim(ns, storageClassName="fast"), ADMIN))
    r.refused("another class of storage", create(claim(ns, storageClassName="slow"), ADMIN), CLAIMS)
    r.refused("the admin's other class of storage", create(claim(ns, storageClassName="slow")), CLAIMS)
    for cls in ("public", "inner"):
        r.allowed(f"ingress class {cls}", create(ingress(ns, "web", cls), ADMIN))
    r.refused("another ingress class", create(ingress(ns, "web", "other"), ADMIN), INGRESSES)
    r.refused("no ingress class", create(ingress(ns, "web"), ADMIN), INGRESSES)
    old = lambda cls: {"annotations": {"kubernetes.io/ingress.class": cls}}
    r.allowed("an ingress class by annotation", create(ingress(ns, "web", **old("inner")), ADMIN))
    r.refused("another ingress class by annotation", create(ingress(ns, "web", **old("other")), ADMIN), INGRESSES)
    make(ingress(ns, "web", "public"))
    r.refused("a later ingress class", patch(ns, "ingress", "web", {"spec": {"ingressClassName": "other"}}, ADMIN), INGRESSES)
    r.refused("a later ingress class by annotation", patch(ns, "ingress", "web", {"metadata": old("other")}, ADMIN), INGRESSES)
    annotate(ns, f"{PREFIX}ingress-classes", "inner")
    until("policies", lambda: not create(ingress(ns, "new", "public"), ADMIN).ok)
    r.allowed("a label of an Ingress whose class is no longer allowed", patch(ns, "ingress", "web", {"metadata": {"labels": {"x": "y"}}}, ADMIN))
    r.allowed("a Service of a type that is allowed", create(service(ns, "LoadBalancer"), ADMIN))
    r.refused("a Service of another type", create(service(ns, "NodePort"), ADMIN), SERVICES)
    make(service(ns, "LoadBalancer"))
    annotate(ns, f"{PREFIX}service-types", None)
    until("policies", lambda: not create(service(ns, "LoadBalancer", "other"), ADMIN).ok)
    r.allowed("a label of a Service whose type is no longer allowed", patch(ns, "service", "reached", {"metadata": {"labels": {"x": "y"}}}, ADMIN))
    r.refused("an owner widens its bounds", patch(ns, "namespace", ns, {"metadata": {"annotations": {
        f"{PREFIX}image-registries": "evil.io"}}}, ADMIN), "forbidden")
