"""The tenants, users and objects that the cases act on."""

import random
import string

from cluster import RELEASE_NAMESPACE, make, may, must, patch, read, remove, until

RUN = "adm-" + "".join(random.choices(string.ascii_lowercase, k=5))
A, B, DEDICATED, FOREIGN = f"{RUN}-a", f"{RUN}-b", f"{RUN}-d", f"{RUN}-f"
ID = {A: "11111111-1111-4111-8111-111111111111", B: "22222222-2222-4222-8222-222222222222",
      DEDICATED: "33333333-3333-4333-8333-333333333333"}

# A namespace's own admin holds everything in the namespace A, so that what
# refuses it is the policy and not RBAC.
ADMIN, EDITOR, VIEWER, ALL_IN_A = (f"{RUN}-{n}" for n in ("alice", "erin", "victor", "nadia"))
# Edits all namespaces, without and with the break-glass right.
LABELLER, BREAK_GLASS = f"{RUN}-nora", f"{RUN}-bella"

# The CRDs may not be there yet.
VIEWS = read(None, "crd", "tenantviews.tenant-operator.io").ok
RESTRICTED = {"runAsNonRoot": True, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}}


def marks(tenant):
    return {"app.kubernetes.io/managed-by": "tenant-operator",
            "tenant-operator.io/tenant": tenant, "tenant-operator.io/tenant-id": ID.get(tenant, ID[A])}


def meta(name, namespace=None, labels=None, **more):
    return {**({"name": name} if name else {}), **({"namespace": namespace} if namespace else {}),
            **({"labels": labels} if labels else {}), **more}


def namespace(name, labels=None, level="restricted", **more):
    labels = dict(labels or {})
    if level:
        labels["pod-security.kubernetes.io/enforce"] = level
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": meta(name, labels=labels, **more)}


def role_binding(name, namespace, role, subjects, labels=None, kind="ClusterRole"):
    return {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
            "metadata": meta(name, namespace, labels),
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": role},
            "subjects": subjects}


def user(name):
    return {"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": name}


def group(name):
    return {"kind": "Group", "apiGroup": "rbac.authorization.k8s.io", "name": name}


def account(name, namespace):
    return {"kind": "ServiceAccount", "name": name, "namespace": namespace}


def pod_spec(**more):
    return {"securityContext": RESTRICTED,
            "containers": [{"name": "main", "image": "pause", "imagePullPolicy": "Never",
                            "resources": {"requests": {"cpu": "1m", "memory": "1Mi"},
                                          "limits": {"cpu": "10m", "memory": "8Mi"}},
                            "securityContext": {"allowPrivilegeEscalation": False,
                                                "capabilities": {"drop": ["ALL"]}}}], **more}


def pod(namespace, **spec):
    return {"apiVersion": "v1", "kind": "Pod", "metadata": meta("probe", namespace), "spec": pod_spec(**spec)}


def deployment(name, namespace, selector, labels=None, replicas=1):
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": meta(name, namespace, labels),
            "spec": {"replicas": replicas, "selector": {"matchLabels": selector},
                     "template": {"metadata": {"labels": selector}, "spec": pod_spec()}}}


def scaler(name, namespace, target, labels=None):
    return {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler",
            "metadata": meta(name, namespace, labels),
            "spec": {"minReplicas": 2, "maxReplicas": 3,
                     "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": target},
                     "metrics": [{"type": "Resource", "resource": {
                         "name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}}]}}


def kinds(name, namespace, labels=None):
    """One object of each kind that the operator manages, by resource name."""
    m = meta(name, namespace, labels)
    view = {"tenantviews": {"apiVersion": "tenant-operator.io/v1alpha1", "kind": "TenantView", "metadata": m,
                            "status": {"tier": "x"}}} if VIEWS else {}
    workload = {"tenant-operator.io/tenant": namespace, "tenant-operator.io/workload": name} if labels else {"app": name}
    return {
        **view,
        "resourcequotas": {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": m, "spec": {"hard": {"pods": "20"}}},
        "limitranges": {"apiVersion": "v1", "kind": "LimitRange", "metadata": m, "spec": {"limits": [
            {"type": "Container", "max": {"cpu": "1"}}]}},
        "serviceaccounts": {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": m},
        "configmaps": {"apiVersion": "v1", "kind": "ConfigMap", "metadata": m, "data": {"a": "1"}},
        "secrets": {"apiVersion": "v1", "kind": "Secret", "metadata": m, "stringData": {"a": "1"}},
        "services": {"apiVersion": "v1", "kind": "Service", "metadata": m,
                     "spec": {"selector": workload, "ports": [{"port": 80}]}},
        "persistentvolumeclaims": {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": m, "spec": {
            "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}}},
        "networkpolicies": {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": m,
                            "spec": {"podSelector": {}, "policyTypes": ["Ingress"]}},
        "deployments": deployment(name, namespace, workload, labels),
        "horizontalpodautoscalers": scaler(name, namespace, name, labels),
        "poddisruptionbudgets": {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": m,
                                 "spec": {"maxUnavailable": 1, "selector": {"matchLabels": workload}}},
        "rolebindings": role_binding(name, namespace, "tenant-operator-tenant-viewer", [user("somebody")], labels),
    }


def secret(namespace, name="tenant-database", labels=None, type="servicebinding.io/postgresql", **more):
    """Returns a Secret as the operator makes it, with these changes."""
    return {"apiVersion": "v1", "kind": "Secret", "type": type, "stringData": {"username": "u", "password": "p"},
            "metadata": meta(name, namespace, marks(namespace) if labels is None else labels, **more)}


def cluster_role(name, rules, subject):
    return [{"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": meta(name), "rules": rules},
            {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding", "metadata": meta(name),
             "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": name},
             "subjects": [subject]}]


def rule(groups, resources, verbs):
    return {"apiGroups": groups, "resources": resources, "verbs": verbs}


def set_up():
    make(namespace(A, marks(A)), namespace(B, marks(B)),
         namespace(DEDICATED, {**marks(DEDICATED), "tenant-operator.io/isolation": "DedicatedNodes"}),
         namespace(FOREIGN, level=None))
    for name in (A, B, DEDICATED):
        until("service account", lambda: read(name, "serviceaccount", "default").ok)
    managed = kinds("ours", A, marks(A))
    # B has one that is not ours, from before it was a tenant's.
    objects = [*managed.values(), *kinds("theirs", A).values(), secret(A), secret(B, labels={})]
    for ns in (A, DEDICATED):
        objects += [
            role_binding("tenant-operator", ns, "tenant-operator-namespace",
                         [account("tenant-operator", RELEASE_NAMESPACE)], marks(ns)),
            role_binding("owner-admin", ns, "tenant-operator-tenant-admin", [user(ADMIN)], marks(ns)),
            role_binding("owner-editor", ns, "tenant-operator-tenant-editor", [user(EDITOR)], marks(ns)),
            role_binding("owner-viewer", ns, "tenant-operator-tenant-viewer", [user(VIEWER)], marks(ns))]
    objects += [
        {"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": meta("everything", A),
         "rules": [rule(["*"], ["*"], ["*"])]},
        role_binding("everything", A, "everything", [user(ALL_IN_A)], kind="Role")]
    namespaces = rule([""], ["namespaces", "namespaces/finalize", "namespaces/status"], ["*"])
    objects += cluster_role(LABELLER, [namespaces], user(LABELLER))
    objects += cluster_role(BREAK_GLASS, [namespaces, rule(["tenant-operator.io"], ["tenants"], ["break-glass"])],
                            user(BREAK_GLASS))
    make(*objects)
    must(patch(A, "serviceaccount", "default", {"metadata": {"labels": marks(A)}}, dry_run=False))
    # The server learns of rights in the order in which they were made.
    until("rights", lambda: may(ALL_IN_A, "create", "pods", A) and may(BREAK_GLASS, "get", "namespaces", None))


def tear_down():
    for kind in ("clusterrole", "clusterrolebinding"):
        remove(None, kind, LABELLER, BREAK_GLASS, f"{RUN}-elevated")
    remove(None, "namespace", A, B, DEDICATED, FOREIGN, f"{RUN}-n", wait=False)
