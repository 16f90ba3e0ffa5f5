"""A tenant's own NetworkPolicies stay within what the operator's open."""

from cluster import annotate, create, make, patch, remove, until
from fixtures import *

BOUNDS, MANAGED = "tenant-operator-network-policies", "tenant-operator-managed"
NAME = "kubernetes.io/metadata.name"


def policy(ns, name="own", **spec):
    return {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": meta(name, ns), "spec": {"podSelector": {}, **spec}}


def named(*names):
    return {"namespaceSelector": {"matchExpressions": [{"key": NAME, "operator": "In", "values": list(names)}]}}


def labelled(name):
    return {"namespaceSelector": {"matchLabels": {NAME: name}}}


def bounds(r):
    annotate(A, "tenant-operator.io/own-namespaces", f"{A},{A}-more")
    own = labelled(A)
    until("policies", lambda: create(policy(A, ingress=[{"from": [own]}]), ADMIN).ok)
    web = {"podSelector": {"matchLabels": {"app": "web"}}}
    fine = {"its own pods": web, "its own namespace": own, "its other namespace": labelled(f"{A}-more"), "pods of it": {**labelled(f"{A}-more"), **web}, "both": named(A, f"{A}-more"),
            "its namespace, and more asked": {"namespaceSelector": {"matchLabels": {NAME: A, "x": "y"}}}}
    wide = {"another tenant": labelled(B), "another tenant besides": named(A, B), "every namespace": {"namespaceSelector": {}},
            "every namespace's pods": {"namespaceSelector": {}, **web}, "namespaces by another label": {"namespaceSelector": {"matchLabels": {"x": "y"}}},
            "namespaces by the tenant's label": {"namespaceSelector": {"matchLabels": {"tenant-operator.io/tenant": A}}},
            "all but one": {"namespaceSelector": {"matchExpressions": [{"key": NAME, "operator": "NotIn", "values": [B]}]}},
            "any that has a name": {"namespaceSelector": {"matchExpressions": [{"key": NAME, "operator": "Exists"}]}},
            "the system": labelled("kube-system")}
    for way, key in (("ingress", "from"), ("egress", "to")):
        rule = lambda *peers, **more: policy(A, **{way: [{key: list(peers), **more}]})
        for name, peer in fine.items():
            r.allowed(f"{way}: {name}", create(rule(peer), ADMIN))
            r.allowed(f"{way}: {name} at a port", create(rule(peer, ports=[{"port": 80}]), ADMIN))
        for name, peer in wide.items():
            r.refused(f"{way}: {name}", create(rule(peer), ADMIN), BOUNDS)
            r.refused(f"{way}: {name} behind one that is fine", create(rule(own, peer), ADMIN), BOUNDS)
            r.allowed(f"{way}: {name}, by the cluster's administrator", create(rule(peer)))
        r.refused(f"{way}: everybody", create(policy(A, **{way: [{}]}), ADMIN), BOUNDS)
        r.refused(f"{way}: everybody at a port", create(policy(A, **{way: [{"ports": [{"port": 80}]}]}), ADMIN), BOUNDS)
        r.refused(f"{way}: everybody in a second rule", create(policy(A, **{way: [{key: [own]}, {key: []}]}), ADMIN), BOUNDS)
        r.allowed(f"{way}: nobody", create(policy(A, policyTypes=[way.capitalize()]), ADMIN))
        r.refused(f"{way}: an editor's", create(rule(own), EDITOR), "is forbidden: User")
        r.refused(f"{way}: an address", create(rule({"ipBlock": {"cidr": "192.0.2.1/32"}}), ADMIN), BOUNDS)
        r.refused(f"{way}: an address besides", create(rule(own, {"ipBlock": {"cidr": "::/0", "except": ["fd00::/8"]}}), ADMIN), BOUNDS)
    make(policy(A, ingress=[{"from": [own]}]))
    r.refused("a later peer", patch(A, "networkpolicy", "own", {"spec": {"ingress": [{"from": [labelled(B)]}]}}, ADMIN), BOUNDS)
    r.refused("a wider policy of ours", patch(A, "networkpolicy", "ours", {"spec": {"ingress": [{"from": [own]}]}}, ADMIN), MANAGED)
    annotate(A, "tenant-operator.io/own-namespaces", None)
    until("policies", lambda: not create(policy(A, "new", ingress=[{"from": [own]}]), ADMIN).ok)
    r.refused("anybody where nothing is said", create(policy(A, "new", ingress=[{"from": [own]}]), ADMIN), BOUNDS)
    r.allowed("its own pods where nothing is said", create(policy(A, "new", ingress=[{"from": [web]}]), ADMIN))
    r.allowed("a label of a policy that is too wide by now", patch(A, "networkpolicy", "own", {"metadata": {"labels": {"x": "y"}}}, ADMIN))
    remove(A, "networkpolicy", "own")
