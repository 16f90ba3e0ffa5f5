"""A tenant's own RoleBindings let in people and its own ServiceAccounts."""

from cluster import annotate, create, delete, make, must, patch, remove, until
from fixtures import *

BINDINGS, ROLE = "tenant-operator-bindings", "tenant-operator-tenant-viewer"


def bound(ns, *subjects, name="own"):
    return role_binding(name, ns, ROLE, list(subjects))


def bounds(r):
    annotate(A, "tenant-operator.io/own-namespaces", f"{A},{A}-more")
    until("policies", lambda: create(bound(A, account("ci", f"{A}-more")), ADMIN).ok)
    fine = {"a person": user("somebody"), "a group of people": group("acme:readers"), "its own ServiceAccount": account("ci", A),
            "one of its other namespace": account("ci", f"{A}-more")}
    strange = {"everybody": group("system:authenticated"), "nobody in particular": user("system:anonymous"), "every ServiceAccount": group("system:serviceaccounts"),
               "every ServiceAccount of another tenant": group(f"system:serviceaccounts:{B}"), "another tenant's ServiceAccount": account("default", B),
               "the same as a user": user(f"system:serviceaccount:{B}:default"), "its own as a user": user(f"system:serviceaccount:{A}:ci"),
               "one of the system's": account("default", "kube-system"), "the operator": account("tenant-operator", RELEASE_NAMESPACE),
               "masters": group("system:masters")}
    for name, subject in fine.items():
        r.allowed(f"bind {name}", create(bound(A, subject), ADMIN))
    for name, subject in strange.items():
        r.refused(f"bind {name}", create(bound(A, subject), ADMIN), BINDINGS)
        r.refused(f"bind {name} beside one who is fine", create(bound(A, user("somebody"), subject), ADMIN), BINDINGS)
        r.allowed(f"bind {name}, by the cluster's administrator", create(bound(A, subject)))
    r.allowed("bind nobody", create(bound(A), ADMIN))
    make(bound(A, user("somebody")))
    try:
        r.refused("let everybody in later", patch(A, "rolebinding", "own", {"subjects": [group("system:authenticated")]}, ADMIN), BINDINGS)
        r.allowed("let another person in later", patch(A, "rolebinding", "own", {"subjects": [user("other")]}, ADMIN))
        must(patch(A, "rolebinding", "own", {"subjects": [group("system:authenticated")]}, dry_run=False))
        r.allowed("label what an administrator opened", patch(A, "rolebinding", "own", {"metadata": {"labels": {"x": "y"}}}, ADMIN))
        r.allowed("close what an administrator opened", patch(A, "rolebinding", "own", {"subjects": []}, ADMIN))
        r.allowed("remove it", delete(A, "rolebinding", "own", ADMIN))
    finally:
        remove(A, "rolebinding", "own")
    annotate(A, "tenant-operator.io/own-namespaces", None)
    until("policies", lambda: not create(bound(A, account("ci", f"{A}-more")), ADMIN).ok)
    r.allowed("its own ServiceAccount where nothing is said", create(bound(A, account("ci", A)), ADMIN))
