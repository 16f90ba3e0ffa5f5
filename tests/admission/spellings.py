"""Older and alternative spellings of fields that the policies judge: the policies judge each, or it has no effect.

The lists are Kubernetes' own: its well-known labels and annotations, and the fields that its API calls deprecated.
"""

import json

from cluster import annotate, create, get, may, patch, remove, until, within
from allowed import CLAIMS, PODS, PREFIX, claim, container, make, new_namespace
from fixtures import *

POD_SECURITY = "PodSecurity"
CLASS = "volume.beta.kubernetes.io/storage-class"
CLAIM_TEMPLATES, VOLUMES = "tenant-operator-claim-templates", "tenant-operator-volumes"
BINDINGS, SERVICES = "tenant-operator-bindings", "tenant-operator-services"
# The controllers of volumes keep their books by these.
BOOKS = ("volume.kubernetes.io/selected-node", "volume.alpha.kubernetes.io/selected-node", "volume.kubernetes.io/storage-provisioner",
         "volume.beta.kubernetes.io/storage-provisioner", "volume.kubernetes.io/storage-resizer", "volume.kubernetes.io/migrated-to",
         "pv.kubernetes.io/bind-completed", "pv.kubernetes.io/bound-by-controller", "pv.kubernetes.io/provisioned-by", "pv.kubernetes.io/migrated-to")
KEEPERS = ("system:kube-scheduler", "system:serviceaccount:kube-system:persistent-volume-binder", "system:serviceaccount:kube-system:expand-controller")
EVERY_TAINT, FIRST = json.dumps([{"operator": "Exists"}]), json.dumps([{"name": "first", "image": "evil.io/x"}])

# A claim's class by the annotation and by the field, and whether a claim of it is for a tenant that may have `fast`, and for one without bounds.
CLASSES = ((None, "fast", True, True), ("fast", None, True, True), ("fast", "fast", True, True),
           ("slow", "fast", False, True), ("slow", None, False, True), ("fast", "slow", False, True),
           ("", "fast", False, False), ("", None, False, False), (None, "", False, False), ("fast", "", False, False), ("", "", False, False))

# Annotations that stood for a field before it was there, and what a pod with one must not come to.
OF_OLD = {
    "seccomp.security.alpha.kubernetes.io/pod": ("unconfined", lambda spec: spec["securityContext"]["seccompProfile"]["type"] != "RuntimeDefault"),
    "container.seccomp.security.alpha.kubernetes.io/main": ("unconfined", lambda spec: "seccompProfile" in spec["containers"][0]["securityContext"]),
    "container.apparmor.security.beta.kubernetes.io/main": ("unconfined", lambda spec: True),
    "scheduler.alpha.kubernetes.io/tolerations": (EVERY_TAINT, lambda spec: any("key" not in t for t in spec.get("tolerations", ()))),
    "scheduler.alpha.kubernetes.io/affinity": ('{"nodeAffinity": {}}', lambda spec: "affinity" in spec),
    "scheduler.alpha.kubernetes.io/node-selector": ("tenant-operator.io/tenant=other", lambda spec: "nodeSelector" in spec),
    "scheduler.alpha.kubernetes.io/critical-pod": ("", lambda spec: spec.get("priority", 0) > 0),
    "security.alpha.kubernetes.io/sysctls": ("kernel.shm_rmid_forced=1", lambda spec: "sysctls" in spec["securityContext"]),
    "security.alpha.kubernetes.io/unsafe-sysctls": ("kernel.msgmax=1", lambda spec: "sysctls" in spec["securityContext"]),
    "pod.alpha.kubernetes.io/init-containers": (FIRST, lambda spec: "initContainers" in spec),
    "pod.beta.kubernetes.io/init-containers": (FIRST, lambda spec: "initContainers" in spec),
}

# Fields beside those that come to mind, and who refuses them.
BESIDE = (
    ("a host's IPC", {"hostIPC": True}, POD_SECURITY), ("a host's processes", {"hostPID": True}, POD_SECURITY),
    ("a host's network", {"hostNetwork": True}, POD_SECURITY),
    ("a host's processes, on Windows", {"hostNetwork": True, "securityContext": {**RESTRICTED, "windowsOptions": {"hostProcess": True}}}, POD_SECURITY),
    ("unconfined by seccomp", {"securityContext": {**RESTRICTED, "seccompProfile": {"type": "Unconfined"}}}, POD_SECURITY),
    ("unconfined by AppArmor", {"securityContext": {**RESTRICTED, "appArmorProfile": {"type": "Unconfined"}}}, POD_SECURITY),
    ("SELinux options", {"securityContext": {**RESTRICTED, "seLinuxOptions": {"type": "spc_t"}}}, POD_SECURITY),
    ("sysctls", {"securityContext": {**RESTRICTED, "sysctls": [{"name": "kernel.msgmax", "value": "1"}]}}, POD_SECURITY),
    ("a priority by its number", {"priority": 2000000000}, "must not be provided"),
    ("a tenant's taint by another operator", {"tolerations": [{"key": "tenant-operator.io/tenant", "operator": "Exists"}]}, PODS),
)
OF_CONTAINER = (
    ("a host's port", {"ports": [{"containerPort": 80, "hostPort": 80}]}), ("a host's port at an address", {"ports": [{"containerPort": 80, "hostPort": 80, "hostIP": "127.0.0.1"}]}),
    ("an unmasked /proc", {"procMount": "Unmasked"}),
    ("unconfined by seccomp", {"seccompProfile": {"type": "Unconfined"}}), ("unconfined by AppArmor", {"appArmorProfile": {"type": "Unconfined"}}),
    ("SELinux options", {"seLinuxOptions": {"type": "spc_t"}}), ("privileges", {"privileged": True, "allowPrivilegeEscalation": True}),
)


def named(annotation, field):
    """The metadata and spec of a claim of that class."""
    return ({"annotations": {CLASS: annotation}} if annotation is not None else {},
            {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}, **({"storageClassName": field} if field is not None else {})})


def ephemeral(ns, metadata, spec, **more):
    return pod(ns, volumes=[{"name": "v", "ephemeral": {"volumeClaimTemplate": {"metadata": metadata, "spec": spec}}}], **more)


def stateful(ns, metadata, spec):
    return {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": meta("theirs", ns), "spec": {
        "selector": {"matchLabels": {"app": "x"}}, "template": {"metadata": {"labels": {"app": "x"}}, "spec": pod_spec()},
        "volumeClaimTemplates": [{"metadata": {"name": "v", **metadata}, "spec": spec}]}}


def claims_of(ns, metadata, spec):
    """Returns claims in each place where one stands, with the policy that refuses it there."""
    whole = claim(ns)
    return {"a claim": ({**whole, "metadata": {**whole["metadata"], **metadata}, "spec": spec}, CLAIMS),
            "an ephemeral volume": (ephemeral(ns, metadata, spec), VOLUMES),
            "a StatefulSet's claim": (stateful(ns, metadata, spec), CLAIM_TEMPLATES)}


def spellings(r):
    ns = f"{RUN}-spelt"
    try:
        new_namespace(ns, storage_classes="fast", volume_attributes_classes="silver", image_registries="docker.io/library")
        classes(r, ns)
        attributes(r, ns)
        controllers(r, ns)
    finally:
        remove(None, "namespace", ns, wait=False)
    later_classes(r)
    pods(r)
    others(r)


def classes(r, bounded):
    for annotation, field, within, anywhere in CLASSES:
        for ns, fine in ((bounded, within), (A, anywhere)):
            for what, (body, policy) in claims_of(ns, *named(annotation, field)).items():
                title = f"{what} of class {annotation!r} by annotation and {field!r} by field in {ns}"
                if fine:
                    r.allowed(title, create(body, ADMIN))
                else:
                    r.refused(title, create(body, ADMIN), policy)
    metadata, spec = named(None, "fast")
    for what, (body, policy) in claims_of(A, metadata, {**spec, "volumeName": "theirs"}).items():
        r.refused(f"{what} of a volume by its name", create(body, ADMIN), policy)
    for what, (body, policy) in claims_of(FOREIGN, {"annotations": {CLASS: ""}}, {**spec, "volumeName": "theirs"}).items():
        r.allowed(f"{what} of a volume by its name elsewhere", create(body))


def attributes(r, bounded):
    """A VolumeAttributesClass gives a volume its IOPS."""
    metadata, spec = named(None, "fast")
    for cls, within in (("silver", True), ("gold", False), ("silv", False), ("", True)):
        for ns in (bounded, A):
            for what, (body, policy) in claims_of(ns, metadata, {**spec, "volumeAttributesClassName": cls}).items():
                title = f"{what} of the attributes {cls!r} in {ns}"
                if within or ns == A:
                    r.allowed(title, create(body, ADMIN))
                else:
                    r.refused(title, create(body, ADMIN), policy)


def controllers(r, ns):
    """Controllers that make claims from templates are bound as the tenant is: the class of these claims is only known with the claim."""
    make(stateful(ns, *named(None, None)), {**ephemeral(ns, *named(None, None)), "metadata": meta("brief", ns)})
    for name in ("theirs", "brief"):
        r.check(f"the claim of {name}, of no class that is allowed, is refused", within(60, lambda: any(
            CLAIMS in event["message"] and event["involvedObject"]["name"] == name for event in get(ns, "events")["items"])))
    r.check("no claim is made from a template", not get(ns, "persistentvolumeclaims")["items"])


def later_classes(r):
    """The API server treats an empty annotation as none, so it may be added."""
    make(claim(A, "waiting", storageClassName="of-nobody"))
    annotation = lambda key, value, who: patch(A, "persistentvolumeclaim", "waiting", {"metadata": {"annotations": {key: value}}}, who)
    try:
        r.refused("no class by annotation for a claim that waits", annotation(CLASS, "", ADMIN), CLAIMS)
        r.allowed("the admin's no class by annotation", annotation(CLASS, "", None))
        r.allowed("another annotation of it", annotation("example.com/x", "y", None))
        # They are allowed here, so that what refuses one is the policy of claims.
        annotate(A, f"{PREFIX}annotations", ",".join(BOOKS))
        until("these annotations to be allowed", lambda: CLAIMS in annotation(BOOKS[-1], "x", ADMIN).error)
        for key in BOOKS:
            noted = claim(A, storageClassName="any")
            noted["metadata"]["annotations"] = {key: "x"}
            r.refused(f"a claim with the annotation {key}", create(noted, ADMIN), CLAIMS)
            r.refused(f"the annotation {key} for a claim that waits", annotation(key, "x", ADMIN), CLAIMS)
            for keeper in KEEPERS:
                if may(keeper, "patch", "persistentvolumeclaims", A):
                    r.allowed(f"the annotation {key} by {keeper}", annotation(key, "x", keeper))
        r.check("a keeper of the books may write them", any(may(keeper, "patch", "persistentvolumeclaims", A) for keeper in KEEPERS))
    finally:
        annotate(A, f"{PREFIX}annotations", None)
        remove(A, "persistentvolumeclaim", "waiting", wait=False)


def pods(r):
    noted = lambda annotations, **spec: {**pod(A, **spec), "metadata": meta("probe", A, annotations=annotations)}
    for key, (value, comes_to) in OF_OLD.items():
        answer = create(noted({key: value}), ADMIN)
        r.check(f"the annotation {key} has no effect", not answer.ok or not comes_to(answer.body["spec"]), json.dumps(answer.body))
    r.refused("unconfined by AppArmor's annotation", create(noted({"container.apparmor.security.beta.kubernetes.io/main": "unconfined"}), ADMIN), POD_SECURITY)
    for name, spec, wall in BESIDE:
        r.refused(f"a pod with {name}", create(pod(A, **spec), ADMIN), wall)
    for name, part in OF_CONTAINER:
        whole = container("pause")
        main = {**whole, **part} if "ports" in part else {**whole, "securityContext": {**whole["securityContext"], **part}}
        for kind in ("containers", "initContainers"):
            spec = {"containers": [main]} if kind == "containers" else {"initContainers": [{**main, "name": "first"}]}
            # Without the host's users: with them the API server takes no unmasked /proc from anybody.
            r.refused(f"a pod of {kind} with {name}", create(pod(A, hostUsers=False, **spec), ADMIN), POD_SECURITY)
    account = create(pod(A, serviceAccount="default"), ADMIN)
    r.check("a ServiceAccount by its old name is one by its new", account.ok and account.body["spec"]["serviceAccountName"] == "default", account.error)


def others(r):
    for subject in (user("system:serviceaccount:kube-system:default"), group("system:serviceaccounts:kube-system"), group("system:serviceaccounts")):
        r.refused(f"a ServiceAccount as {subject['kind']} {subject['name']}",
                  create(role_binding("p", A, "tenant-operator-tenant-viewer", [subject]), ADMIN), BINDINGS)
    for resource in ("bindings", "pods/binding"):
        r.check(f"an owner names a pod's node by {resource}", not may(ADMIN, "create", resource, A))
    service = lambda **spec: create({"apiVersion": "v1", "kind": "Service", "metadata": meta("p", A), "spec": spec}, ADMIN)
    r.refused("a port of the nodes by a Service of another type", service(ports=[{"port": 80, "nodePort": 30000}]), "nodePort")
    r.refused("a Service of type ExternalName with ports", service(type="ExternalName", externalName="x", ports=[{"port": 80}]), SERVICES)
