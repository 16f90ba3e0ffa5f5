"""Reports on tenants: the operator writes its own, under the names that tenants give them, and no others."""

import os

from cluster import OPERATOR, ROOT, create, delete, kubectl, must, until
from fixtures import A, B, DEDICATED, FOREIGN, ID, RUN, marks, meta

CONFINED, RBAC, CRD = "tenant-operator-confinement", "is forbidden: User", "clusterreports.openreports.io"
HOLD = "example.com/hold"


def report(tenant, name=None, labels=None, **more):
    name = f"tenant-operator-{tenant}" if name is None else name
    return {"apiVersion": "openreports.io/v1alpha1", "kind": "ClusterReport", "metadata": meta(
        name, labels=marks(tenant) if labels is None else labels, **more), "source": "tenant-operator"}


def replace(body):
    return kubectl("replace", "-f", "-", "--dry-run=server", user=OPERATOR, stdin=body)


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
    for body in (ours, theirs, stripped):
        must("create", "-f", "-", stdin=body)
    name = lambda body: body["metadata"]["name"]
    change = lambda body, **over: {**body, "source": "changed", "metadata": {**body["metadata"], **over}}
    r.allowed("operator changes its report", replace(change(ours)))
    r.allowed("operator puts the marks back", replace(change(stripped, labels=marks(DEDICATED))))
    for mark in marks(A):
        labels = {k: v for k, v in marks(A).items() if k != mark}
        r.refused(f"operator takes {mark} from its report", replace(change(ours, labels=labels)), CONFINED)
    r.refused("operator gives its report to another", replace(change(ours, labels={
        **marks(A), "tenant-operator.io/tenant-id": ID[B]})), CONFINED)
    r.refused("operator puts another's marks back", replace(change(stripped, labels={
        **marks(DEDICATED), "tenant-operator.io/tenant-id": ID[B]})), CONFINED)
    r.refused("operator changes a report that it did not make", replace(change(theirs)), CONFINED)
    r.refused("operator takes over a report that it did not make", replace(change(theirs, labels=marks(FOREIGN))), CONFINED)
    r.refused("operator deletes a report that it did not make", delete("", CRD, name(theirs), OPERATOR), CONFINED)
    for body in (ours, stripped):
        r.allowed("operator deletes its report", delete("", CRD, name(body), OPERATOR))
    r.refused("operator deletes all reports", kubectl(
        "delete", "--raw", "/apis/openreports.io/v1alpha1/clusterreports?dryRun=All", user=OPERATOR), RBAC)


def reports(r):
    had = kubectl("get", "crd", CRD)[0]
    if not had:
        must("create", "-f", os.path.join(ROOT, "tests/fixtures/openreports/clusterreports.yaml"))
    try:
        until("the resource", lambda: create(report(FOREIGN))[0])
        cases(r)
    finally:
        kubectl("patch", CRD, f"tenant-operator-{A}", "--type=merge", "-p", '{"metadata": {"finalizers": null}}')
        kubectl("delete", CRD, *[f"tenant-operator-{t}" for t in (A, DEDICATED, FOREIGN)], "--ignore-not-found")
        if not had:
            must("delete", "crd", CRD)
