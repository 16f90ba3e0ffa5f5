"""Grants of shared applications: the operator writes its own, each from one tenant's routes to Services by name, where the chart says and nowhere else."""

from cluster import OPERATOR, RELEASE_NAMESPACE, create, delete, get, make, patch, put, read, remove
from fixtures import A, B, DEDICATED, FOREIGN, ID, RUN, marks, meta

CONFINED, RBAC = "tenant-operator-confinement", "is forbidden: User"
GROUP, PLACE = "gateway.networking.k8s.io", "shared-applications"
CRD = f"referencegrants.{GROUP}"


def source(tenant, **over):
    return {"group": GROUP, "kind": "HTTPRoute", "namespace": tenant, **over}


def target(**over):
    return {"group": "", "kind": "Service", **over}


def grant(tenant, where=PLACE, name=None, labels=None, sources=None, targets=None, **more):
    return {"apiVersion": f"{GROUP}/v1", "kind": "ReferenceGrant",
            "metadata": meta(name or f"tenant-operator-{tenant}", where, marks(tenant) if labels is None else labels, **more),
            "spec": {"from": sources or [source(tenant)], "to": targets or [target(name="crm")]}}


def grants(r):
    """Tries the operator's grants, where the chart's values name that namespace, as make up sets it."""
    told = [v["expression"] for v in get(None, "validatingadmissionpolicy", CONFINED)["spec"]["variables"] if v["name"] == "inApplications"]
    if f"'{PLACE}'" not in told[0] or not read(None, "crd", CRD).ok:
        print(f"note: gateway.applicationNamespaces does not name {PLACE}, so that no grant is tried")
        return
    r.allowed("operator grants", create(grant(B), OPERATOR))
    r.allowed("operator grants two Services", create(grant(B, targets=[target(name="crm"), target(name="wiki")]), OPERATOR))
    for mark in marks(B):
        less = {k: v for k, v in marks(B).items() if k != mark}
        r.refused(f"operator grants without {mark}", create(grant(B, labels=less), OPERATOR), CONFINED)
    for what, over in {"under another name": {"name": f"{RUN}-grant"}, "under another tenant's name": {"name": f"tenant-operator-{A}"},
                       "to every Service": {"targets": [target()]}, "to every Service besides": {"targets": [target(name="crm"), target()]},
                       "to a Secret": {"targets": [target(kind="Secret", name="crm")]},
                       "from another tenant": {"sources": [source(A)]}, "from another tenant too": {"sources": [source(B), source(A)]},
                       "from other routes": {"sources": [source(B, kind="TLSRoute")]},
                       "from policies": {"sources": [source(B, group="gateway.envoyproxy.io", kind="SecurityPolicy")]}}.items():
        r.refused(f"operator grants {what}", create(grant(B, **over), OPERATOR), CONFINED)
    # Names that no tenant has: a namespace of the platform's.
    for name in ("kube-system", "kube-public", "default", RELEASE_NAMESPACE, "gateway-system", PLACE):
        r.refused(f"operator grants routes of {name}", create(grant(name), OPERATOR), CONFINED)
    for where in (A, B, FOREIGN, "kube-system", "default"):
        r.refused(f"operator grants in {where}", create(grant(B, where), OPERATOR), RBAC)
    other = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta(f"tenant-operator-{B}", PLACE, marks(B))}
    r.refused("operator writes something else there", create(other, OPERATOR), RBAC)

    ours, theirs, stripped = grant(A, targets=[target()]), grant(FOREIGN, labels={}), grant(DEDICATED, labels={}, annotations={
        "tenant-operator.io/owned-by": f"{DEDICATED}/{ID[DEDICATED]}"})
    # An operator at work would remove what bears its marks and is of no Tenant: the finalizer lets it stand.
    ours["metadata"]["finalizers"] = ["example.com/hold"]
    name = lambda body: body["metadata"]["name"]
    try:
        make(ours, theirs, stripped)
        narrow = {**ours, "spec": grant(A)["spec"]}
        r.allowed("operator mends its grant", put(narrow, OPERATOR))
        r.refused("operator leaves its grant wide", put({**ours, "spec": {"from": [source(A), source(B)], "to": [target()]}}, OPERATOR), CONFINED)
        marked = lambda body, labels: {**body, "metadata": {**body["metadata"], "labels": labels}}
        r.allowed("operator puts the marks back", put(marked(stripped, marks(DEDICATED)), OPERATOR))
        r.refused("operator takes over a grant that it did not make", put(marked(theirs, marks(FOREIGN)), OPERATOR), CONFINED)
        r.refused("operator deletes a grant that it did not make", delete(PLACE, CRD, name(theirs), OPERATOR), CONFINED)
        r.allowed("operator deletes its grant", delete(PLACE, CRD, name(ours), OPERATOR))
    finally:
        patch(PLACE, CRD, name(ours), {"metadata": {"finalizers": None}}, dry_run=False)
        remove(PLACE, CRD, *[name(body) for body in (ours, theirs, stripped)])
