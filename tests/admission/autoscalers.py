"""Autoscalers of a tenant's own scale its own Deployments, and none of the operator's."""

from cluster import OPERATOR, create, delete, make, patch, remove, until
from fixtures import *

AUTOSCALERS = "tenant-operator-autoscalers"


def own(target, kind="Deployment", name="own", **more):
    made = scaler(name, A, target, **more)
    made["spec"]["scaleTargetRef"]["kind"] = kind
    return made


def autoscalers(r):
    until("policies", lambda: not create(own("ours"), ADMIN).ok)
    r.refused("an owner's autoscaler of ours", create(own("ours"), ADMIN), AUTOSCALERS)
    older = {"apiVersion": "autoscaling/v1", "kind": "HorizontalPodAutoscaler", "metadata": meta("own", A),
             "spec": {"maxReplicas": 3, "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "ours"}}}
    r.refused("one of the older version", create(older, ADMIN), AUTOSCALERS)
    r.refused("an editor's", create(own("ours"), EDITOR), AUTOSCALERS)
    r.refused("an administrator's", create(own("ours")), AUTOSCALERS)
    for name, fine in {"its own Deployment": own("theirs"), "a Deployment that is not there yet": own("later"), "a StatefulSet of the same name": own("ours", "StatefulSet")}.items():
        r.allowed(f"an autoscaler of {name}", create(fine, ADMIN))
    r.allowed("the operator's own", create(own("ours", name="second", labels=marks(A)), OPERATOR))
    make(own("theirs"))
    try:
        turned = {"spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "ours"}}}
        r.refused("turn it to ours", patch(A, "horizontalpodautoscaler", "own", turned, ADMIN), AUTOSCALERS)
        r.allowed("more replicas of its own", patch(A, "horizontalpodautoscaler", "own", {"spec": {"maxReplicas": 5}}, ADMIN))
        r.allowed("remove it", delete(A, "horizontalpodautoscaler", "own", ADMIN))
    finally:
        remove(A, "horizontalpodautoscaler", "own")
