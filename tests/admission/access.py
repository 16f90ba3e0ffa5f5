"""Rights of the owners and the operator by RBAC, as one matrix of reviews."""

import json

from cluster import EXAMINER, OPERATOR, RELEASE_NAMESPACE, create, get, must
from fixtures import A, ADMIN, B, EDITOR, FOREIGN, VIEWER

READ, WRITE = ("get", "list", "watch"), ("create", "update", "patch", "delete")
WORKLOADS = ("pods", "configmaps", "services", "persistentvolumeclaims", "serviceaccounts", "apps/deployments",
             "apps/statefulsets", "apps/daemonsets", "apps/replicasets", "batch/jobs", "batch/cronjobs",
             "autoscaling/horizontalpodautoscalers", "policy/poddisruptionbudgets", "networking.k8s.io/ingresses")
BOUNDS = ("resourcequotas", "limitranges", "endpoints",
          "discovery.k8s.io/endpointslices", "tenant-operator.io/tenantviews")
RBAC = ("rbac.authorization.k8s.io/roles", "rbac.authorization.k8s.io/rolebindings")
NETWORK = ("networking.k8s.io/networkpolicies",)
GATEWAYS = "gateway.networking.k8s.io/gateways"
CREDENTIALS = ("tenant-database", "tenant-api-keys", "tenant-signing-key", "tenant-encryption-key")


def expectations():
    """(user, namespace, verb, resource, allowed)"""
    for who, writes, secrets, rbac in ((ADMIN, True, True, True), (EDITOR, True, True, False), (VIEWER, False, False, False)):
        def each(verbs, resources, allowed, ns=A):
            for verb in verbs:
                for resource in resources:
                    yield who, ns, verb, resource, allowed
        yield from each(READ, WORKLOADS + BOUNDS + NETWORK + ("events", "pods/log"), True)
        yield from each(WRITE, WORKLOADS, writes)
        yield from each(READ + WRITE, ("secrets",), secrets)
        yield from each(READ + WRITE, RBAC, rbac)
        yield from each(WRITE, NETWORK, rbac)
        yield from each(("create",), ("pods/exec", "pods/portforward", "pods/eviction"), writes)
        yield from each(("update", "patch"), ("apps/deployments/scale",), writes)
        yield from each(WRITE, BOUNDS, False)
        yield from each(("get",), ("namespaces",), True)
        yield from each(("update", "patch", "delete"), ("namespaces", "namespaces/finalize"), False)
        yield from each(("create",), ("serviceaccounts/token", "pods/binding", "bindings"), False)
        yield from each(("impersonate",), ("serviceaccounts", "users", "groups"), False)
        yield from each(("escalate", "bind"), RBAC + ("rbac.authorization.k8s.io/clusterroles",), False)
        yield from each(("get", "create"), ("tenant-operator.io/tenants", "tenant-operator.io/tenanttiers",
                                          "tenant-operator.io/databaseservers", "nodes"), False)
        # A Gateway's listeners and certificates are the platform's to give.
        yield from each(READ + WRITE, (GATEWAYS, "gateway.networking.k8s.io/listenersets",
                                       "cert-manager.io/certificates"), False)
        yield from each(("get", "list", "create"), ("pods", "secrets"), False, B)
    allowed = [("get", "tenant-operator.io/tenants", ""), ("patch", "tenant-operator.io/tenants", ""),
               ("patch", "tenant-operator.io/tenants/status", ""), ("watch", "tenant-operator.io/tenanttiers", ""),
               ("list", "tenant-operator.io/tenantviews", ""), ("create", "namespaces", ""),
               ("create", "rbac.authorization.k8s.io/rolebindings", FOREIGN), ("list", "configmaps", ""),
               ("delete", "namespaces", A), ("patch", "namespaces", A), ("deletecollection", "pods", A),
               ("deletecollection", "apps/statefulsets", A), ("delete", "batch/cronjobs", A),
               ("patch", "tenant-operator.io/tenantviews", A), ("create", "events.k8s.io/events", "default"),
               ("list", "discovery.k8s.io/endpointslices", "default"), ("create", "coordination.k8s.io/leases", RELEASE_NAMESPACE),
               ("delete", "configmaps", RELEASE_NAMESPACE), ("watch", "tenant-operator.io/databaseservers", ""),
               ("update", "tenant-operator.io/databaseservers", ""), ("patch", "tenant-operator.io/databaseservers/status", ""),
               ("create", "secrets", A), ("get", "secrets=pg-admin", RELEASE_NAMESPACE),
               ("watch", "rbac.authorization.k8s.io/clusterrolebindings", ""), ("list", "rbac.authorization.k8s.io/roles", ""),
               ("create", "authorization.k8s.io/subjectaccessreviews", ""), ("impersonate", f"users={EXAMINER}", ""),
               *[(verb, reports, "") for verb in ("get", "list", "watch", "create", "update", "delete")
                 for reports in ("openreports.io/clusterreports", "wgpolicyk8s.io/clusterpolicyreports")],
               *[(verb, f"secrets={name}", A) for verb in ("get", "update", "patch", "delete") for name in CREDENTIALS],
               *[("watch", f"secrets={name}", ns) for ns in ("", A, B, FOREIGN) for name in CREDENTIALS]]
    refused = [("delete", "tenant-operator.io/tenants", ""), ("create", "tenant-operator.io/tenants", ""),
               ("patch", "tenant-operator.io/tenanttiers", ""), ("patch", "namespaces", ""), ("delete", "namespaces", ""),
               ("delete", "namespaces", FOREIGN), ("create", "secrets", B), ("create", "secrets", FOREIGN),
               *[(verb, "secrets", ns) for verb in (*READ, *WRITE, "deletecollection") for ns in ("", "kube-system")],
               *[(verb, f"secrets={name}", ns) for verb in ("get", "list", *WRITE) for ns in (B, FOREIGN) for name in CREDENTIALS],
               *[(verb, f"secrets={name}", "") for verb in ("get", "list", *WRITE, "deletecollection") for name in CREDENTIALS],
               *[("watch", "secrets=other", ns) for ns in ("", A, B, FOREIGN, "kube-system")],
               *[(verb, "secrets", A) for verb in (*READ, "update", "patch", "delete", "deletecollection")],
               *[(verb, "secrets=other", A) for verb in ("get", "update", "patch", "delete")],
               *[(verb, f"secrets={name}", A) for verb in ("list", "deletecollection") for name in CREDENTIALS],
               *[(verb, "secrets", RELEASE_NAMESPACE) for verb in ("list", "watch", *WRITE, "deletecollection")],
               ("create", "tenant-operator.io/databaseservers", ""), ("delete", "tenant-operator.io/databaseservers", ""),
               ("deletecollection", "tenant-operator.io/databaseservers", ""), ("patch", "rbac.authorization.k8s.io/rolebindings", FOREIGN),
               ("create", "rbac.authorization.k8s.io/clusterroles", ""), ("escalate", "rbac.authorization.k8s.io/clusterroles", ""),
               ("create", "rbac.authorization.k8s.io/clusterrolebindings", ""), ("create", "rbac.authorization.k8s.io/roles", A),
               ("bind", "rbac.authorization.k8s.io/clusterroles", ""), ("impersonate", "users", ""),
               ("patch", "rbac.authorization.k8s.io/clusterrolebindings", ""), ("update", "rbac.authorization.k8s.io/roles", FOREIGN),
               ("create", "authentication.k8s.io/tokenreviews", ""),
               ("impersonate", "groups", ""), ("impersonate", "serviceaccounts", ""), ("create", "pods", FOREIGN),
               ("create", "pods", A), ("create", "pods/exec", A), ("delete", "pods", FOREIGN), ("create", "configmaps", FOREIGN),
               *[(verb, "gateway.networking.k8s.io/referencegrants", ns) for verb in WRITE for ns in ("", A, FOREIGN, "kube-system")],
               ("create", "configmaps", "kube-system"), ("break-glass", "tenant-operator.io/tenants", ""),
               ("list", "nodes", ""), ("create", "serviceaccounts/token", A),
               ("deletecollection", "openreports.io/clusterreports", ""), ("patch", "openreports.io/clusterreports", ""),
               ("create", "openreports.io/reports", A), ("create", "wgpolicyk8s.io/policyreports", A)]
    allowed += [(verb, f"{GATEWAYS}={name}", ns) for verb in READ for ns, name in gateways()]
    refused += [(verb, resource, ns) for verb in READ for resource in (GATEWAYS, f"{GATEWAYS}=other")
                for ns in ("", A, FOREIGN, "kube-system", *[ns for ns, _ in gateways()])]
    for verb, resource, ns in allowed:
        yield OPERATOR, ns, verb, resource, True
    for verb, resource, ns in refused:
        yield OPERATOR, ns, verb, resource, False


def gateways():
    """Returns the namespace and name of the Gateway that routes attach to; none where the chart names none."""
    roles = get(None, "roles", fieldSelector="metadata.name=tenant-operator-gateway")["items"]
    return [(role["metadata"]["namespace"], name) for role in roles for name in role["rules"][0]["resourceNames"]]


def review(who, ns, verb, resource):
    """A resource may be followed by =name."""
    resource, _, name = resource.partition("=")
    parts = resource.split("/")
    group = parts.pop(0) if "." in parts[0] or parts[0] in ("apps", "batch", "autoscaling", "policy") else ""
    attributes = {"verb": verb, "group": group, "resource": parts[0], "namespace": ns}
    if parts[1:]:
        attributes["subresource"] = parts[1]
    if name:
        attributes["name"] = name
    # RBAC asks for a namespace's own rights in that namespace, by its name.
    if resource == "namespaces" and ns:
        attributes["name"] = ns
    groups = ["system:authenticated"]
    return {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "metadata": {},
            "spec": {"user": who, "groups": groups, "resourceAttributes": attributes}}


def matrix(r):
    for who, ns, verb, resource, allowed in expectations():
        answer = must(create(review(who, ns, verb, resource), dry_run=False))
        r.check(f"{who} {'may' if allowed else 'may not'} {verb} {resource} in {ns or 'the cluster'}",
                answer["status"].get("allowed", False) == allowed, json.dumps(answer["status"]))
