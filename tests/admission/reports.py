"""Reports on tenants: the operator writes its own, under the names that tenants give them, and no others."""

import os

from cluster import OPERATOR, ROOT, ask, create, delete, make, must, patch, put, read, remove, until
from fixtures import A, B, DEDICATED, FOREIGN, ID, RUN, marks, meta

CONFINED, RBAC, CRD = "tenant-operator-confinement", "is forbidden: User", "clusterreports.openreports.io"
HOLD = "example.com/hold"


def report(tenant, name=None, labels=None, **more):
    name = f"tenant-operator-{tenant}" if name is None else name
    return {"apiVersion": "openreports.io/v1alpha1", "kind": "ClusterReport", "metadata": meta(
        name, labels=marks(tenant) if labels is None else labels, **more), "source": "tenant-operator"}


def cases(r):
    r.allowed("operator reports on a tenant", create(report(B), OPERATOR))
    for mark in marks(B):
        less = {k: v for k, v in marks(B).items() if k != mark}
        r.refused(f"operator makes a report without {mark}", create(report(B, labels=less), OPERATOR), CONFINED)
    for what, name in {"another name": f"{RUN}-report", "another tenant's name": f"tenant-operator-{A}x"}.items():
        r.refused(f"operator makes a report of {what}", create(report(B, name), OPERATOR), CONFINED)
    r.refused("operator makes a report of a name to be drawn", create(
        report(B, "", generateName=f"tenant-operator-{B}"), OPERATOR), CONFINED)

    # An operator at work would remove what bears its marks and is of no Tenant: the finalizer lets it stand.
    ours, theirs, stripped = report(A, finalizers=[HOLD]), report(FOREIGN, labels={}), report(DEDICATED, labels={}, annotations={
        "tenant-operator.io/owned-by": f"{DEDICATED}/{ID[DEDICATED]}"})
    make(ours, theirs, stripped)
    name = lambda body: body["metadata"]["name"]
    change = lambda body, **over: {**body, "source": "changed", "metadata": {**body["metadata"], **over}}
    r.allowed("operator changes its report", put(change(ours), OPERATOR))
    r.allowed("operator puts the marks back", put(change(stripped, labels=marks(DEDICATED)), OPERATOR))
    for mark in marks(A):
        labels = {k: v for k, v in marks(A).items() if k != mark}
        r.refused(f"operator takes {mark} from its report", put(change(ours, labels=labels), OPERATOR), CONFINED)
    r.refused("operator gives its report to another", put(change(ours, labels={
        **marks(A), "tenant-operator.io/tenant-id": ID[B]}), OPERATOR), CONFINED)
    r.refused("operator puts another's marks back", put(change(stripped, labels={
        **marks(DEDICATED), "tenant-operator.io/tenant-id": ID[B]}), OPERATOR), CONFINED)
    r.refused("operator changes a report that it did not make", put(change(theirs), OPERATOR), CONFINED)
    r.refused("operator takes over a report that it did not make", put(change(theirs, labels=marks(FOREIGN)), OPERATOR), CONFINED)
    r.refused("operator deletes a report that it did not make", delete("", CRD, name(theirs), OPERATOR), CONFINED)
    for body in (ours, stripped):
        r.allowed("operator deletes its report", delete("", CRD, name(body), OPERATOR))
    r.refused("operator deletes all reports", delete("", CRD, None, OPERATOR), RBAC)


def reports(r):
    had = read(None, "crd", CRD).ok
    if not had:
        with open(os.path.join(ROOT, "tests/fixtures/openreports/clusterreports.yaml")) as definition:
            must(ask("POST", None, "crd", body=definition.read(), content="application/yaml"))
    try:
        until("the resource", lambda: create(report(FOREIGN)).ok)
        cases(r)
    finally:
        patch(None, CRD, f"tenant-operator-{A}", {"metadata": {"finalizers": None}}, dry_run=False)
        remove(None, CRD, *[f"tenant-operator-{t}" for t in (A, DEDICATED, FOREIGN)])
        if not had:
            remove(None, "crd", CRD)
