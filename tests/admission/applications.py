"""Policies at shared applications: the operator writes its own, each for one tenant's namespaces and labelled pods, where the chart says and nowhere else."""

from cluster import OPERATOR, RELEASE_NAMESPACE, create, delete, get, make, patch, put, remove
from fixtures import A, B, FOREIGN, RUN, marks, meta

CONFINED, RBAC = "tenant-operator-confinement", "is forbidden: User"
PLACE, KIND, NAME = "shared-applications", "networkpolicies", "kubernetes.io/metadata.name"


def names(*values, **over):
    return {"namespaceSelector": {"matchExpressions": [{"key": NAME, "operator": "In", "values": list(values), **over}]}}


def policy(tenant, where=PLACE, name=None, labels=None, sources=None, **over):
    rule = {"from": sources or [names(tenant, f"{tenant}-more")], "ports": [{"port": "http", "protocol": "TCP"}]}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
            "metadata": meta(name or f"tenant-operator-{tenant}.models", where, marks(tenant) if labels is None else labels),
            "spec": {"podSelector": {"matchLabels": {"app": "models"}}, "policyTypes": ["Ingress"], "ingress": [rule], **over}}


def applications(r):
    """Tries the operator's policies, where the chart's values name that namespace, as make up sets it."""
    told = [v["expression"] for v in get(None, "validatingadmissionpolicy", CONFINED)["spec"]["variables"] if v["name"] == "opensApplications"]
    if f"'{PLACE}'" not in told[0]:
        print(f"note: network.applicationPolicies is not set, so that no policy at {PLACE} is tried")
        return
    r.allowed("operator opens an application", create(policy(B), OPERATOR))
    for mark in marks(B):
        less = {k: v for k, v in marks(B).items() if k != mark}
        r.refused(f"operator opens without {mark}", create(policy(B, labels=less), OPERATOR), CONFINED)
    rule = policy(B)["spec"]["ingress"][0]
    for what, over in {
        "under another name": {"name": f"{RUN}-p"}, "under another tenant's name": {"name": f"tenant-operator-{A}.models"},
        "under its own name alone": {"name": f"tenant-operator-{B}"}, "all pods": {"podSelector": {}},
        "pods by expressions": {"podSelector": {"matchLabels": {"app": "models"}, "matchExpressions": [{"key": "app", "operator": "Exists"}]}},
        "egress": {"policyTypes": ["Ingress", "Egress"]}, "egress by rules": {"egress": [{}]}, "to nobody": {"ingress": []},
        "to everybody": {"ingress": [{"ports": rule["ports"]}]}, "to everybody besides": {"ingress": [rule, {}]},
        "all ports": {"ingress": [{"from": rule["from"]}]}, "all ports of a protocol": {"ingress": [{**rule, "ports": [{"protocol": "TCP"}]}]},
        "a range of ports": {"ingress": [{**rule, "ports": [{"port": 1, "endPort": 9, "protocol": "TCP"}]}]},
        "to another tenant": {"sources": [names(A)]}, "to another tenant too": {"sources": [names(B, A)]}, "to another tenant besides": {"sources": [names(B), names(A)]},
        "to kube-system": {"sources": [names("kube-system")]}, "to the operator": {"sources": [names(RELEASE_NAMESPACE)]}, "to all but one": {"sources": [names(B, operator="NotIn")]},
        "to all namespaces": {"sources": [{"namespaceSelector": {}}]}, "by another label": {"sources": [names(B, key="team")]},
        "to pods of its own namespace": {"sources": [{"podSelector": {}}]}, "to addresses": {"sources": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]},
    }.items():
        r.refused(f"operator opens {what}", create(policy(B, **over), OPERATOR), CONFINED)
    for where in (FOREIGN, "kube-system", "default", RELEASE_NAMESPACE):
        r.refused(f"operator opens in {where}", create(policy(B, where), OPERATOR), RBAC)

    ours, theirs = policy(A, podSelector={}), policy(FOREIGN, labels={})
    ours["metadata"]["finalizers"] = ["example.com/hold"]
    name = lambda body: body["metadata"]["name"]
    try:
        make(ours, theirs)
        r.allowed("operator mends its policy", put({**ours, "spec": policy(A)["spec"]}, OPERATOR))
        r.refused("operator leaves its policy wide", put({**ours, "spec": {**policy(A)["spec"], "ingress": [{}]}}, OPERATOR), CONFINED)
        marked = {**theirs, "metadata": {**theirs["metadata"], "labels": marks(FOREIGN)}}
        r.refused("operator takes over a policy that it did not make", put(marked, OPERATOR), CONFINED)
        r.refused("operator deletes a policy that it did not make", delete(PLACE, KIND, name(theirs), OPERATOR), CONFINED)
        r.allowed("operator deletes its policy", delete(PLACE, KIND, name(ours), OPERATOR))
    finally:
        patch(PLACE, KIND, name(ours), {"metadata": {"finalizers": None}}, dry_run=False)
        remove(PLACE, KIND, *[name(body) for body in (ours, theirs)])
