"""Where a tenant may ask for namespaces of its own, and what the operator may write about that."""

from cluster import OPERATOR, create, make, must, patch, read, remove, until
from fixtures import *

POLICY = "tenant-operator-tenant-namespaces"
CONFINED = "tenant-operator-confinement"
API = "tenant-operator.io/v1alpha1"
MAX = "tenant-operator.io/max-tenant-namespaces"
OWN = "tenant-operator.io/cleanup"


def asks(name, ns=A, **more):
    return {"apiVersion": API, "kind": "TenantNamespace", "metadata": meta(name, ns, **more), "spec": {}}


def event(name, ns=A, kind="TenantNamespace", regarding=None):
    return {"apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": meta(name, ns), "eventTime": "2026-01-01T00:00:00.000000Z",
            "reportingController": "tenant-operator", "reportingInstance": "test", "action": "Reconcile", "reason": "Ready", "type": "Normal",
            "regarding": {"apiVersion": API, "kind": kind, "namespace": regarding or ns, "name": "b"}}


def tenant_namespaces(r):
    if not read(None, "validatingadmissionpolicy", POLICY).ok:
        print("tenant_namespaces: the chart's value tenantNamespaces.enabled is off")
        return
    r.refused("an Admin's where the tier allows none", create(asks("b"), ADMIN), POLICY)
    must(patch(None, "namespace", A, {"metadata": {"annotations": {MAX: "3"}}}, dry_run=False))
    until("the annotation", lambda: create(asks("b"), ADMIN).ok)
    r.allowed("an Admin's in the first namespace", create(asks("b"), ADMIN))
    r.refused("an Editor's", create(asks("b"), EDITOR), "cannot create")
    r.refused("a Viewer's", create(asks("b"), VIEWER), "cannot create")
    for ns in (FOREIGN, "default"):
        r.refused(f"one in {ns}", create(asks("b", ns)), POLICY)
    fits = 63 - len(A) - 1
    r.allowed("one with the longest name", create(asks("b" * fits), ADMIN))
    r.refused("one with a longer name", create(asks("b" * (fits + 1)), ADMIN), "choose a shorter name")
    r.refused("one that is no DNS label", create(asks("a.b"), ADMIN), "DNS label")
    further = f"{RUN}-n"
    make(namespace(further, {**marks(A)}, annotations={MAX: "3"}))
    try:
        r.refused("one in another namespace of the tenant", create(asks("b", further)), POLICY)
        r.refused("an Event of the operator's there", create(event("e", further), OPERATOR), "")
    finally:
        remove(None, "namespace", further, wait=False)
    of_the_operator(r)


def of_the_operator(r):
    """The operator writes the status and its own finalizer of TenantNamespaces, and Events on them."""
    make(asks("held", labels={"team": "x"}, annotations={"note": "y"}, finalizers=["example.com/hold"]))
    later = lambda more: patch(A, "tenantnamespace", "held", more, OPERATOR)
    try:
        r.allowed("operator sets its finalizer", later({"metadata": {"finalizers": ["example.com/hold", OWN]}}))
        for what, more in {
            "another quota": {"spec": {"quota": {"pods": 1}}},
            "a label": {"metadata": {"labels": {"a": "b"}}}, "no label": {"metadata": {"labels": {"team": None}}},
            "an annotation": {"metadata": {"annotations": {"a": "b"}}},
            "no foreign finalizer": {"metadata": {"finalizers": [OWN]}},
            "an owner": {"metadata": {"ownerReferences": [{"apiVersion": "v1", "kind": "ConfigMap", "name": "gone", "uid": "00000000-0000-4000-8000-000000000000"}]}},
        }.items():
            r.refused(f"operator gives a TenantNamespace {what}", later(more), CONFINED)
        r.refused("operator creates one", create(asks("b"), OPERATOR), "")
    finally:
        patch(A, "tenantnamespace", "held", {"metadata": {"finalizers": None}}, dry_run=False)
        remove(A, "tenantnamespace", "held", wait=False)
    r.allowed("operator publishes an Event on one", create(event("e"), OPERATOR))
    r.refused("operator publishes one on a pod", create(event("e", kind="Pod"), OPERATOR), CONFINED)
    r.refused("operator publishes one on another tenant's", create(event("e", regarding=B), OPERATOR), CONFINED)
