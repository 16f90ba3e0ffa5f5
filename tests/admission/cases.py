"""Rights of each user. Each refusal stands beside a control that passes."""

import json
import re

from cluster import (EXAMINER, OPERATOR, RELEASE_NAMESPACE, apply, ask, create, delete, get, make, may, must, patch, put, read, remove, request,
                     resources, until, within)
from fixtures import *

CONFINED, MANAGED = "tenant-operator-confinement", "tenant-operator-managed"
# Suffixes of hosts that pods resolve, whatever the registries say. The chart's default domain of the cluster is its own here.
CAPTURED = ("svc", "pod", "cluster", "local", "alt", "arpa", "consul", "corp", "example", "home", "internal", "intranet", "invalid", "lan", "localdomain", "localhost", "mail", "onion", "private", "test")
NAMES = "tenant-operator-names"
NAMESPACES, PODS, PROBES = "tenant-operator-namespaces", "tenant-operator-pods", "tenant-operator-probes"
RBAC, EXAMINES = "is forbidden: User", "tenant-operator-examiner"
STRANGER = "bears the marks of another tenant"


def run_in(namespace, pod, who):
    """Returns a command in a pod, which the policies judge before the server looks for the pod's node."""
    return ask("POST", namespace, "pods", pod, "exec", user=who, command="true", stdout="true")


def operator_namespaces(r):
    new = f"{RUN}-n"
    r.allowed("operator creates a marked namespace", create(namespace(new, marks(new)), OPERATOR))
    r.allowed("operator creates a marked namespace at baseline", create(namespace(new, marks(new), "baseline"), OPERATOR))
    r.refused("operator creates an unmarked namespace", create(namespace(new), OPERATOR), CONFINED)
    for mark in marks(new):
        labels = {k: v for k, v in marks(new).items() if k != mark}
        r.refused(f"operator creates a namespace without {mark}", create(namespace(new, labels), OPERATOR), CONFINED)
    for name in CAPTURED:
        r.refused(f"operator creates a namespace {name}", create(namespace(name, marks(name)), OPERATOR), NAMES)
    r.refused("operator creates a kube- namespace", create(namespace("kube-tenant", marks(new)), OPERATOR), CONFINED)
    for level in ("privileged", None):
        r.refused(f"operator creates a namespace at {level}", create(namespace(new, marks(new), level), OPERATOR), "Pod Security")
    r.allowed("operator labels a tenant's namespace", patch(A, "namespace", A, {"metadata": {"labels": {"tenant-operator.io/retained": "y"}}}, OPERATOR))
    r.allowed("operator relaxes to baseline", patch(A, "namespace", A, {"metadata": {"labels": {
        "pod-security.kubernetes.io/enforce": "baseline"}}}, OPERATOR))
    r.refused("operator relaxes to privileged", patch(A, "namespace", A, {"metadata": {"labels": {
        "pod-security.kubernetes.io/enforce": "privileged"}}}, OPERATOR), "Pod Security")
    r.refused("operator changes a tenant-id", patch(A, "namespace", A, {"metadata": {"labels": {
        "tenant-operator.io/tenant-id": ID[B]}}}, OPERATOR), CONFINED)
    r.refused("operator takes a mark away", patch(A, "namespace", A, {"metadata": {"labels": {
        "tenant-operator.io/tenant-id": None}}}, OPERATOR), CONFINED)
    r.allowed("operator deletes a tenant's namespace", delete(A, "namespace", A, OPERATOR))
    r.refused("operator deletes a foreign namespace", delete(FOREIGN, "namespace", FOREIGN, OPERATOR), RBAC)


def operator_bindings(r):
    own = account("tenant-operator", RELEASE_NAMESPACE)
    bind = lambda ns, role, subject: create(role_binding("probe", ns, role, [subject]), OPERATOR)
    viewer, admin, self_role = (f"tenant-operator-{n}" for n in ("tenant-viewer", "tenant-admin", "namespace"))
    r.allowed("operator binds an owner's role", bind(A, viewer, user("somebody")))
    for ns in ("kube-system", "default", RELEASE_NAMESPACE, FOREIGN):
        r.refused(f"operator binds an owner's role in {ns}", bind(ns, viewer, user("somebody")), CONFINED)
        r.refused(f"operator binds itself in {ns}", bind(ns, self_role, own), CONFINED)
    r.allowed("operator binds itself in a tenant's namespace", bind(A, self_role, own))
    for subject in (user("somebody"), account("other", RELEASE_NAMESPACE), account("tenant-operator", A)):
        r.refused(f"operator binds its role to {subject['name']}", bind(A, self_role, subject), CONFINED)
    r.refused("operator binds its role to two", create(role_binding("probe", A, self_role, [own, user("x")]), OPERATOR), CONFINED)
    r.allowed("operator binds to a tenant's ServiceAccount", bind(A, admin, account("ci", A)))
    r.allowed("operator binds to a group", bind(A, admin, group("acme-admins")))
    for subject in (group("system:authenticated"), user("system:anonymous"), group("system:serviceaccounts"),
                    account("default", "kube-system"), own):
        r.refused(f"operator binds an owner's role to {subject['name']}", bind(A, admin, subject), CONFINED)
    for role in ("cluster-admin", "admin"):
        r.refused(f"operator binds {role}", bind(A, role, user("somebody")), "not currently held")


def examiner(r):
    """The examiner only tries, in tenants' namespaces, and reads nothing."""
    config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta("tried", A)}
    bound = lambda *subjects, ns=A, role="tenant-operator-examiner": role_binding("examined", ns, role, list(subjects))
    r.allowed("operator binds the examiner", create(bound(user(EXAMINER)), OPERATOR))
    for name, subjects in {"somebody": [user("somebody")], "a group of that name": [group(EXAMINER)], "two": [user(EXAMINER), user("x")], "nobody": [],
                           "itself": [account("tenant-operator", RELEASE_NAMESPACE)]}.items():
        r.refused(f"operator binds {name} as the examiner", create(bound(*subjects), OPERATOR), CONFINED)
    r.refused("operator binds its own role to the examiner", create(bound(user(EXAMINER), role="tenant-operator-namespace"), OPERATOR), CONFINED)
    r.refused("operator binds the examiner elsewhere", create(bound(user(EXAMINER), ns="default"), OPERATOR), CONFINED)
    make(bound(user(EXAMINER)))
    try:
        until("the examiner's rights", lambda: create(config, EXAMINER).ok)
        r.allowed("the examiner tries", create(config, EXAMINER))
        r.refused("the examiner makes a ConfigMap", create(config, EXAMINER, dry_run=False), EXAMINES)
        r.refused("the examiner removes one", delete(A, "configmap", "kube-root-ca.crt", EXAMINER, dry_run=False), EXAMINES)
        r.refused("the examiner removes one by dry-run", delete(A, "configmap", "kube-root-ca.crt", EXAMINER), EXAMINES)
        r.refused("the examiner changes a namespace", patch(A, "namespace", A, {"metadata": {"labels": {"x": "y"}}}, EXAMINER), RBAC)
        for resource in ("secrets", "configmaps", "pods", "namespaces"):
            r.refused(f"the examiner reads {resource}", read(A, resource, user=EXAMINER), RBAC)
        r.refused("the examiner tries elsewhere", create({**config, "metadata": meta("tried", "default")}, EXAMINER), RBAC)
        r.refused("the examiner tries what tenants may not", create({**config, "metadata": meta("tried", A, marks(A))}, EXAMINER), "tenant-operator-managed")
    finally:
        remove(A, "rolebinding", "examined")


def operator_rest(r):
    config = lambda ns: {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta("probe", ns)}
    event = lambda ns: {"apiVersion": "v1", "kind": "Event", "metadata": meta("probe", ns), "reason": "Probe",
                        "involvedObject": {"kind": "Tenant", "name": "x", "apiVersion": "tenant-operator.io/v1alpha1",
                                           **({} if ns == "default" else {"namespace": ns})}}
    lease = lambda ns: {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": meta("tenant-operator", ns)}
    claim = {**config(RELEASE_NAMESPACE), "metadata": meta(f"claim-id-{'0' * 40}", RELEASE_NAMESPACE, marks(A))}
    r.allowed("operator writes a claim", create(claim, OPERATOR))
    r.allowed("operator reports an event", create(event("default"), OPERATOR))
    ok, _, err = create(lease(RELEASE_NAMESPACE), OPERATOR)
    r.check("allowed: operator takes its lease", ok or "already exists" in err, err)
    for resource, obj in kinds("probe", A, marks(A)).items():
        if resource == "secrets":
            continue
        if resource != "rolebindings":
            r.allowed(f"operator creates {resource}", create(obj, OPERATOR))
        body = {"metadata": {"labels": {"tenant-operator.io/x": "y"}}}
        r.allowed(f"operator changes {resource}", patch(A, resource, "ours", body, OPERATOR))
        r.allowed(f"operator deletes {resource}", delete(A, resource, "ours", OPERATOR))
    for resource in ("configmaps", "services"):
        r.refused(f"operator writes {resource} in B, where it is not bound",
                  create(kinds("probe", B, marks(B))[resource], OPERATOR), RBAC)


def operator_secrets(r):
    """The operator may use one Secret in each tenant's namespace, and read Secrets in its own."""
    reads = lambda ns, name=None: read(ns, "secret", name, OPERATOR)
    r.allowed("operator makes a tenant's credentials", create(secret(DEDICATED), OPERATOR))
    for name in ("tenant-api-keys", "tenant-signing-key", "tenant-encryption-key"):
        r.allowed(f"operator makes {name}", create(secret(DEDICATED, name, type="Opaque"), OPERATOR))
        r.refused(f"operator makes {name} of another type", create(secret(DEDICATED, name), OPERATOR), CONFINED)
        r.refused(f"operator makes {name} with another tenant's marks",
                  create(secret(DEDICATED, name, type="Opaque", labels=marks(B)), OPERATOR), CONFINED, STRANGER)
    r.refused("operator makes a Secret of another name", create(secret(DEDICATED, "other"), OPERATOR), CONFINED)
    r.refused("operator makes one of a name to be drawn", create(
        secret(DEDICATED, None, generateName="tenant-database"), OPERATOR), CONFINED)
    for kind in ("Opaque", "kubernetes.io/service-account-token", "servicebinding.io/mysql"):
        annotations = {"kubernetes.io/service-account.name": "default"}
        r.refused(f"operator makes one of type {kind}", create(
            secret(DEDICATED, type=kind, annotations=annotations), OPERATOR), CONFINED)
    r.refused("operator makes one with another tenant's marks", create(secret(DEDICATED, labels=marks(B)), OPERATOR), CONFINED, STRANGER)
    for mark in marks(DEDICATED):
        less = {k: v for k, v in marks(DEDICATED).items() if k != mark}
        r.refused(f"operator makes one without {mark}", create(secret(DEDICATED, labels=less), OPERATOR), CONFINED)
        r.refused(f"operator makes one with another {mark}", create(
            secret(DEDICATED, labels={**less, mark: "other"}), OPERATOR), CONFINED, STRANGER)
        r.refused(f"operator takes {mark} away", patch(A, "secret", "tenant-database", {"metadata": {"labels": {mark: None}}}, OPERATOR), CONFINED)
    r.allowed("operator reads it", reads(A, "tenant-database"))
    r.allowed("operator changes it", patch(A, "secret", "tenant-database", {"stringData": {"password": "q"}}, OPERATOR))
    r.allowed("operator deletes it", delete(A, "secret", "tenant-database", OPERATOR))
    for ns, name in ((A, "theirs"), (A, None), (B, "tenant-database"), ("kube-system", None), (RELEASE_NAMESPACE, None)):
        r.refused(f"operator reads {name or 'all'} in {ns}", reads(ns, name), RBAC)
    r.refused("operator changes a tenant's Secret", patch(A, "secret", "theirs", {"metadata": {"labels": {"x": "y"}}}, OPERATOR), RBAC)
    r.refused("operator deletes a tenant's Secret", delete(A, "secret", "theirs", OPERATOR), RBAC)
    ok, _, err = reads(RELEASE_NAMESPACE, f"{RUN}-none")
    r.check("allowed: operator reads a Secret of its own namespace", not ok and "not found" in err, err)
    r.refused("operator makes a Secret in its own namespace", create(secret(RELEASE_NAMESPACE, labels=marks(A)), OPERATOR), RBAC)
    r.refused("operator makes a tenant's credentials where it is not bound", create(secret(FOREIGN, labels=marks(A)), OPERATOR), RBAC)


def operator_elevated(r):
    """With far more rights than the operator has, the policy alone still holds it."""
    everything = [rule([""], ["configmaps", "secrets", "events", "serviceaccounts", "serviceaccounts/token", "namespaces",
                              "pods", "pods/exec", "pods/eviction"], ["*"]),
                  rule(["apps"], ["deployments", "deployments/scale"], ["*"]),
                  rule(["rbac.authorization.k8s.io"], ["clusterroles", "roles", "rolebindings", "clusterrolebindings"], ["*"])]
    make(*cluster_role(f"{RUN}-elevated", everything, user(OPERATOR)))
    config = lambda ns: {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta("probe", ns)}
    until("elevation", lambda: may(OPERATOR, "create", "secrets", "kube-system"))
    r.allowed("elevated operator writes a ConfigMap in B", create(config(B), OPERATOR))
    r.allowed("elevated operator makes a tenant's credentials", create(secret(DEDICATED), OPERATOR))
    for ns in ("kube-system", "default", FOREIGN, RELEASE_NAMESPACE):
        r.refused(f"elevated operator writes a Secret in {ns}", create(secret(ns, labels=marks(A)), OPERATOR), CONFINED)
    for name, result in {
            "changes a tenant's Secret": patch(A, "secret", "theirs", {"metadata": {"labels": {"x": "y"}}}, OPERATOR),
            "marks a tenant's Secret": patch(A, "secret", "theirs", {"metadata": {"labels": marks(A)}}, OPERATOR),
            "deletes a tenant's Secret": delete(A, "secret", "theirs", OPERATOR),
            "deletes our Secret of another name": delete(A, "secret", "ours", OPERATOR),
            "takes over a Secret that it did not make": patch(B, "secret", "tenant-database", {
                "metadata": {"labels": marks(B)}}, OPERATOR),
            "deletes a Secret that it did not make": delete(B, "secret", "tenant-database", OPERATOR),
            "deletes all Secrets": delete(A, "secrets", None, OPERATOR),
            }.items():
        r.refused(f"elevated operator {name}", result, CONFINED)
    for ns in ("kube-system", "default", FOREIGN):
        r.refused(f"elevated operator writes a ConfigMap in {ns}", create(config(ns), OPERATOR), CONFINED)
    r.refused("elevated operator changes its own Deployment",
              create(deployment("probe", RELEASE_NAMESPACE, {"app": "x"}), OPERATOR), CONFINED)
    r.refused("elevated operator binds cluster-admin",
              create(role_binding("probe", A, "cluster-admin", [user("somebody")]), OPERATOR), CONFINED)
    r.refused("elevated operator writes a ClusterRole", create(cluster_role("probe", [], user("x"))[0], OPERATOR), CONFINED)
    r.refused("elevated operator writes a ClusterRoleBinding", create(cluster_role("probe", [], user("x"))[1], OPERATOR), CONFINED)
    r.refused("elevated operator writes a Role", create({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
              "metadata": meta("probe", A), "rules": []}, OPERATOR), CONFINED)
    r.refused("elevated operator marks a foreign namespace", patch(FOREIGN, "namespace", FOREIGN, {"metadata": {
        "labels": {**marks(A), "pod-security.kubernetes.io/enforce": "restricted"}}}, OPERATOR), CONFINED)
    r.refused("elevated operator deletes a foreign namespace", delete(FOREIGN, "namespace", FOREIGN, OPERATOR), CONFINED)
    says = {v["name"]: v["expression"] for v in get(None, "validatingadmissionpolicy", CONFINED)["spec"]["variables"]}
    own = re.search(r"c\.image\.startsWith\('([^']*):'\)", says["probeAllowed"])
    own = f"{own[1] if own else 'tenant-operator'}:1.2.3"
    dials = pod_spec()["containers"][0] | {"image": own}
    probe = lambda ns, labels=None, **more: {"apiVersion": "v1", "kind": "Pod", "metadata": meta(
        "to-probe", ns, {**marks(ns), "tenant-operator.io/probe": "dial"} if labels is None else labels),
        "spec": pod_spec(**{"automountServiceAccountToken": False, "activeDeadlineSeconds": 60, "containers": [dials], **more})}
    r.allowed("elevated operator makes a probe", create(probe(A), OPERATOR))
    r.allowed("elevated operator makes a probe of a digest", create(probe(A, containers=[dials | {"image": f"{own.split(':1.2.3')[0]}@sha256:{'0' * 64}"}]), OPERATOR))
    reads = dials | {"env": [{"name": "X", "valueFrom": {"secretKeyRef": {"name": "theirs", "key": "x"}}}]}
    for name, body in {
            "a pod that is no probe": probe(A, labels=marks(A)),
            "a probe without marks": probe(A, labels={"tenant-operator.io/probe": "dial"}),
            "a probe with another's marks": probe(A, labels={**marks(B), "tenant-operator.io/probe": "dial"}),
            "a probe with a token": probe(A, automountServiceAccountToken=True),
            "a probe as somebody": probe(A, serviceAccountName="theirs"),
            "a probe as somebody by the older field": probe(A, serviceAccount="theirs"),
            "a probe with all of a Secret": probe(A, containers=[dials | {"envFrom": [{"secretRef": {"name": "theirs"}}]}]),
            "a probe for ever": probe(A, activeDeadlineSeconds=None),
            "a probe with a volume": probe(A, volumes=[{"name": "v", "secret": {"secretName": "theirs"}}]),
            "a probe with a Secret": probe(A, containers=[reads]),
            "a probe with a Secret at its start": probe(A, initContainers=[{**reads, "name": "first"}]),
            **{f"a probe of the image {image}": probe(A, containers=[dials | {"image": image}]) for image in (
                "docker.io/library/busybox", "evil.io/tenant-operator:1", f"{own.split(':')[0]}-evil:1", own.split(":1.2.3")[0])},
            "a probe of another image besides": probe(A, containers=[dials, dials | {"name": "other", "image": "evil.io/x"}]),
            "a probe with another command": probe(A, containers=[dials | {"command": ["sh"]}]),
            "a probe that mounts an image": probe(A, volumes=[{"name": "v", "image": {"reference": "evil.io/x"}}]),
            "a probe in a namespace that is no tenant's": probe(A) | {"metadata": meta(
                "to-probe", FOREIGN, {**marks(A), "tenant-operator.io/probe": "dial"})},
            }.items():
        r.refused(f"elevated operator makes {name}", create(body, OPERATOR), CONFINED)
    r.refused("elevated operator takes a token", ask("POST", A, "serviceaccounts", "default", "token", body={
        "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {}}, user=OPERATOR), CONFINED)
    r.refused("elevated operator scales", patch(A, "deployment", "theirs", {"spec": {"replicas": 2}}, OPERATOR, "scale", dry_run=False), CONFINED)
    make(pod(A))
    r.refused("elevated operator runs a command in a pod", run_in(A, "probe", OPERATOR), CONFINED)
    remove(A, "pod", "probe", gracePeriodSeconds=0)
    for kind in ("clusterrole", "clusterrolebinding"):
        remove(None, kind, f"{RUN}-elevated")


def operator_tenants(r):
    """The operator ends a Tenant's finalizer and status, never its spec."""
    if not read(None, "crd", "tenants.tenant-operator.io").ok:
        return print("note: no Tenant CRD is installed, so its cases are left out")
    tier = {"apiVersion": "tenant-operator.io/v1alpha1", "kind": "TenantTier", "metadata": meta(RUN), "spec": {
        "displayName": "x", "isolation": {"default": "DedicatedApplication", "allowed": ["DedicatedApplication"]},
        "quota": {"pods": 1}}}
    tenant = {"apiVersion": "tenant-operator.io/v1alpha1", "kind": "Tenant", "metadata": meta(RUN),
              # A tier that does not exist, so that a running operator makes nothing of it.
              "spec": {"displayName": "x", "tier": f"{RUN}-none"}}
    for name in CAPTURED:
        r.refused(f"the admin creates a Tenant {name}", create({**tenant, "metadata": meta(name)}), NAMES)
    r.allowed("the admin creates a Tenant svc-x", create({**tenant, "metadata": meta("svc-x")}))
    make(tenant)
    try:
        r.allowed("operator sets a finalizer", patch("default", "tenant", RUN, {"metadata": {
            "finalizers": ["tenant-operator.io/cleanup"]}}, OPERATOR))
        status = lambda: put({**get(None, "tenant", RUN), "status": {"observedGeneration": 1}}, OPERATOR, "status")
        # A running operator writes there too.
        written = until("status", lambda: next((w for w in [status()] if "been modified" not in w.error), None))
        r.allowed("operator writes a status", written)
        label = lambda key: patch("default", "tenant", RUN, {"metadata": {"labels": {key: RUN}}}, OPERATOR)
        r.allowed("operator labels a family", label("tenant-operator.io/root"))
        r.allowed("operator labels a subtenant", label("tenant-operator.io/parent"))
        r.refused("operator sets another label on a Tenant", label("team"), CONFINED)
        r.refused("operator changes a spec", patch("default", "tenant", RUN, {"spec": {"displayName": "y"}}, OPERATOR), CONFINED)
        r.allowed("the admin changes a spec", patch("default", "tenant", RUN, {"spec": {"displayName": "y"}}, None))
        r.refused("operator deletes a Tenant", delete("default", "tenant", RUN, OPERATOR), RBAC)
        r.refused("operator creates a tier", create(tier, OPERATOR), RBAC)
    finally:
        remove(None, "tenant", RUN, wait=False)


def operator_servers(r):
    """The operator writes only finalizers and status of a DatabaseServer, too."""
    if not read(None, "crd", "databaseservers.tenant-operator.io").ok:
        return print("note: no DatabaseServer CRD is installed, so its cases are left out")
    server = {"apiVersion": "tenant-operator.io/v1alpha1", "kind": "DatabaseServer", "metadata": meta(RUN), "spec": {
        # Nothing answers there, and there is no such Secret.
        "host": "192.0.2.1", "database": "tenants", "adminSecretRef": {"name": f"{RUN}-none"}}}
    make(server)
    change = lambda body, who: patch("default", "databaseserver", RUN, body, who)
    try:
        r.allowed("operator sets a DatabaseServer's finalizer", change({"metadata": {"finalizers": ["tenant-operator.io/cleanup"]}}, OPERATOR))
        status = lambda: put({**get(None, "databaseserver", RUN), "status": {"tenants": 1}}, OPERATOR, "status")
        r.allowed("operator writes a DatabaseServer's status", until(
            "status", lambda: next((w for w in [status()] if "been modified" not in w.error), None)))
        r.refused("operator labels a DatabaseServer", change({"metadata": {"labels": {"tenant-operator.io/root": RUN}}}, OPERATOR), CONFINED)
        r.refused("operator changes a DatabaseServer's spec", change({"spec": {"port": 5433}}, OPERATOR), CONFINED)
        r.allowed("the admin changes a DatabaseServer's spec", change({"spec": {"port": 5433}}, None))
        r.refused("operator deletes a DatabaseServer", delete("default", "databaseserver", RUN, OPERATOR), RBAC)
        r.refused("operator creates a DatabaseServer", create({**server, "metadata": meta(f"{RUN}-b")}, OPERATOR), RBAC)
        for who in (ADMIN, ALL_IN_A):
            r.refused(f"{who} reads a DatabaseServer", read(None, "databaseserver", RUN, who), RBAC)
    finally:
        remove(None, "databaseserver", RUN, wait=False)


def namespaces(r):
    label = lambda ns, key, value, who: patch(ns, "namespace", ns, {"metadata": {"labels": {key: value}}}, who)
    enforce = "pod-security.kubernetes.io/enforce"
    r.allowed("a labeller labels a tenant's namespace", label(A, "x", "y", LABELLER))
    r.allowed("a labeller labels a foreign namespace", label(FOREIGN, "x", "y", LABELLER))
    r.allowed("a labeller sets Pod Security on a foreign namespace", label(FOREIGN, enforce, "privileged", LABELLER))
    r.allowed("a labeller sets managed-by on a foreign namespace", label(FOREIGN, "app.kubernetes.io/managed-by", "x", LABELLER))
    for key, value in {**{k: "other" for k in marks(A)}, "tenant-operator.io/isolation": "SharedData", enforce: "baseline",
                       "pod-security.kubernetes.io/warn": "privileged", f"{enforce}-version": "v1.20"}.items():
        r.refused(f"a labeller changes {key}", label(A, key, value, LABELLER), NAMESPACES)
    for key in (*marks(A), enforce):
        r.refused(f"a labeller removes {key}", label(A, key, None, LABELLER), NAMESPACES)
    r.refused("all labels at once", patch(A, "namespace", A, {"metadata": {"labels": None}}, LABELLER), NAMESPACES)
    r.refused("a labeller marks a foreign namespace", label(FOREIGN, "tenant-operator.io/tenant-id", ID[A], LABELLER), NAMESPACES)
    r.refused("a labeller annotates a tenant's namespace", patch(A, "namespace", A, {"metadata": {"annotations": {
        "tenant-operator.io/owned-by": "x"}}}, LABELLER), NAMESPACES)
    r.allowed("a labeller annotates it otherwise", patch(A, "namespace", A, {"metadata": {"annotations": {"x": "y"}}}, LABELLER))
    r.allowed("a labeller creates a namespace", create(namespace(f"{RUN}-n"), LABELLER))
    r.refused("a labeller creates a marked namespace", create(namespace(f"{RUN}-n", marks(A)), LABELLER), NAMESPACES)
    r.allowed("a labeller deletes a foreign namespace", delete(FOREIGN, "namespace", FOREIGN, LABELLER))
    r.refused("a labeller deletes a tenant's namespace", delete(A, "namespace", A, LABELLER), NAMESPACES)

    def through(subresource, ns, labels, **more):
        body = get(None, "namespace", ns)
        body["metadata"]["labels"].update(labels)
        body["metadata"].update(more)
        return put(body, LABELLER, subresource)
    for subresource in ("finalize", "status"):
        r.allowed(f"a labeller calls {subresource}", through(subresource, A, {}))
        for key in (*marks(A), enforce):
            r.refused(f"a labeller changes {key} by {subresource}", through(subresource, A, {key: "other" if key != enforce else "baseline"}), NAMESPACES)
        r.refused(f"a labeller marks a foreign namespace by {subresource}", through(subresource, FOREIGN, marks(A)), NAMESPACES)
        r.refused(f"a labeller marks the system's by {subresource}", through(subresource, "kube-system", marks(A)), NAMESPACES)
        r.refused(f"a labeller annotates by {subresource}", through(subresource, A, {}, annotations={"tenant-operator.io/owned-by": "x"}), NAMESPACES)
    r.refused("a labeller marks the system's", label("kube-system", "tenant-operator.io/tenant-id", ID[A], LABELLER), NAMESPACES)

    r.allowed("break-glass relabels", label(A, "tenant-operator.io/isolation", "SharedData", BREAK_GLASS))
    r.allowed("break-glass deletes", delete(A, "namespace", A, BREAK_GLASS))
    r.refused("break-glass relaxes to privileged", label(A, enforce, "privileged", BREAK_GLASS), "Pod Security")
    r.refused("the admin relaxes to privileged", label(A, enforce, "privileged", None), "Pod Security")
    r.refused("an owner labels the namespace", label(A, "x", "y", ADMIN), RBAC)


def managed(r):
    faked = kinds("faked", A, marks(A))
    plain = kinds("plain", A)
    for resource in plain:
        body = {"metadata": {"labels": {"x": "y"}}}
        r.allowed(f"creates its own {resource}", create(plain[resource], ALL_IN_A))
        r.refused(f"fakes {resource}", create(faked[resource], ALL_IN_A), MANAGED)
        r.allowed(f"changes its own {resource}", patch(A, resource, "theirs", body, ALL_IN_A))
        r.refused(f"marks its own {resource}", patch(A, resource, "theirs", {"metadata": {"labels": marks(A)}}, ALL_IN_A), MANAGED)
        r.refused(f"changes our {resource}", patch(A, resource, "ours", body, ALL_IN_A), MANAGED)
        r.refused(f"strips our {resource}", patch(A, resource, "ours", {"metadata": {"labels": None}}, ALL_IN_A), MANAGED)
        r.allowed(f"deletes its own {resource}", delete(A, resource, "theirs", ALL_IN_A))
        r.refused(f"deletes our {resource}", delete(A, resource, "ours", ALL_IN_A), MANAGED)
        r.allowed(f"the admin deletes our {resource}", delete(A, resource, "ours", None))
    r.refused("deletes a collection with ours in it", delete(
        A, "configmaps", None, ALL_IN_A, labelSelector="tenant-operator.io/tenant-id"), MANAGED)
    r.refused("changes the default ServiceAccount", patch(A, "serviceaccount", "default",
              {"automountServiceAccountToken": True}, ALL_IN_A), MANAGED)
    over = lambda name, obj: apply({**obj, "metadata": {**obj["metadata"], "name": name}}, ALL_IN_A, force=True)
    r.refused("applies over ours", over("ours", plain["configmaps"]), MANAGED)
    r.allowed("applies over its own", over("theirs", plain["configmaps"]))


RESTARTED = "kubectl.kubernetes.io/restartedAt"


def restarts(r):
    """Owners restart our workloads by one annotation of the pod template, and change nothing else of them."""
    moment = "2026-01-02T03:04:05Z"
    # The Deployment has everything that a change could take away.
    rich = deployment("restarted", A, {"tenant-operator.io/tenant": A, "tenant-operator.io/workload": "restarted"}, marks(A))
    rich["metadata"]["annotations"] = {"tenant-operator.io/owned-by": f"{A}/{ID[A]}", "theirs": "x"}
    rich["spec"]["template"]["metadata"]["annotations"] = {"tenant-operator.io/configuration-digest": "1"}
    rich["spec"]["template"]["metadata"]["labels"] = {**rich["spec"]["selector"]["matchLabels"], "theirs": "x"}
    make(rich)
    annotations = "/spec/template/metadata/annotations"
    escaped = lambda key: key.replace("/", "~1")
    restart = {"op": "add", "path": f"{annotations}/{escaped(RESTARTED)}", "value": moment}
    change = lambda who, *ops: patch(A, "deployment", "restarted", list(ops), who)
    merge = lambda who, **spec: patch(A, "deployment", "restarted", {"spec": spec}, who)
    template = lambda **notes: {"template": {"metadata": {"annotations": notes}}}
    for who in (ADMIN, EDITOR, ALL_IN_A):
        r.allowed(f"{who} restarts", change(who, restart))
        for other in ("2026-01-02T03:04:05+02:00", "2026-01-02T03:04:05.123456Z", "2026-12-31T23:59:59-11:30"):
            r.allowed(f"{who} restarts at {other}", merge(who, **template(**{RESTARTED: other})))
    r.refused("a viewer restarts", change(VIEWER, restart), RBAC)
    r.refused("a stranger restarts", change(LABELLER, restart), RBAC)
    must(patch(A, "deployment", "restarted", [restart], ADMIN, dry_run=False))
    later = {**restart, "value": "2026-01-02T03:04:06Z"}
    r.allowed("an owner restarts again", change(ADMIN, later))
    for value in ("", "now", "x" * 300, "2026-01-02T03:04:05Z\nx", "2026-01-02 03:04:05"):
        r.refused(f"an owner restarts at {value[:20]!r}", change(ADMIN, {**restart, "value": value}), MANAGED)
    r.refused("an owner takes a restart back", change(ADMIN, {"op": "remove", "path": restart["path"]}), MANAGED)

    container = "/spec/template/spec/containers/0"
    add = lambda path, value: {"op": "add", "path": path, "value": value}
    remove_ = lambda path: {"op": "remove", "path": path}
    others = {
        "replicas": add("/spec/replicas", 2), "no replicas": add("/spec/replicas", 0), "paused": add("/spec/paused", True),
        "strategy": add("/spec/strategy", {"type": "Recreate"}), "minReadySeconds": add("/spec/minReadySeconds", 9),
        "revisionHistoryLimit": add("/spec/revisionHistoryLimit", 1), "progressDeadlineSeconds": add("/spec/progressDeadlineSeconds", 60),
        "an image": add(f"{container}/image", "other"), "a command": add(f"{container}/command", ["sh"]),
        "a variable": add(f"{container}/env", [{"name": "A", "value": "b"}]), "limits": add(f"{container}/resources/limits/cpu", "1m"),
        "a sidecar": add("/spec/template/spec/containers/-", {**pod_spec()["containers"][0], "name": "other"}),
        "a first container": add("/spec/template/spec/initContainers", [{**pod_spec()["containers"][0], "name": "other"}]),
        "an account": add("/spec/template/spec/serviceAccountName", "theirs"), "a volume": add("/spec/template/spec/volumes", [{"name": "v", "emptyDir": {}}]),
        "a grace": add("/spec/template/spec/terminationGracePeriodSeconds", 0), "a node selector": add("/spec/template/spec/nodeSelector", {"a": "b"}),
        "a label of pods": add("/spec/template/metadata/labels/x", "y"), "a label of pods less": remove_("/spec/template/metadata/labels/theirs"),
        "a finalizer of pods": add("/spec/template/metadata/finalizers", ["example.com/x"]),
        "an annotation of pods": add(f"{annotations}/x", "y"), "our annotation of pods": add(f"{annotations}/tenant-operator.io~1configuration-digest", "2"),
        "our annotation of pods less": remove_(f"{annotations}/tenant-operator.io~1configuration-digest"),
        "another annotation of kubectl": add(f"{annotations}/kubectl.kubernetes.io~1default-container", "main"),
        "a label": add("/metadata/labels/x", "y"), "a mark less": remove_("/metadata/labels/tenant-operator.io~1tenant"),
        "an annotation": add("/metadata/annotations/x", "y"), "an annotation less": remove_("/metadata/annotations/theirs"),
        "the annotation on the Deployment itself": add(f"/metadata/annotations/{escaped(RESTARTED)}", moment),
        "an owner": add("/metadata/ownerReferences", [{"apiVersion": "v1", "kind": "ConfigMap", "name": "theirs", "uid": "1"}]),
        "a finalizer": add("/metadata/finalizers", ["example.com/x"]),
    }
    for name, op in others.items():
        for who in (ADMIN, EDITOR):
            r.refused(f"{who} restarts and changes {name}", change(who, later, op), MANAGED)
        r.refused(f"an owner changes {name} alone", change(ADMIN, op), MANAGED)
    # No field of a Deployment's is missing above: the API server knows these.
    known = must(request("GET", "/openapi/v3/apis/apps/v1"))["components"]["schemas"]
    fields = lambda kind: set(known[f"io.k8s.api.{kind}"]["properties"])
    r.check("every field of a Deployment's spec is tried", fields("apps.v1.DeploymentSpec") == {
        *(op["path"].split("/")[2] for op in others.values() if op["path"].startswith("/spec/")), "selector"}, fields("apps.v1.DeploymentSpec"))
    r.check("a pod template has metadata and a spec", fields("core.v1.PodTemplateSpec") == {"metadata", "spec"}, fields("core.v1.PodTemplateSpec"))
    whole = lambda who: put({**(there := get(A, "deployment", "restarted")), "spec": {**there["spec"], "replicas": 2}}, who)
    r.refused("an owner replaces it with another", whole(ADMIN), MANAGED)
    r.refused("an owner scales it", patch(A, "deployment", "restarted", {"spec": {"replicas": 0}}, ADMIN, "scale"), MANAGED)
    r.refused("an owner deletes it", delete(A, "deployment", "restarted", ADMIN), MANAGED)
    for resource in ("services", "serviceaccounts", "configmaps"):
        r.refused(f"an owner annotates our {resource}", patch(A, resource, "ours", {"metadata": {"annotations": {RESTARTED: moment}}}, ADMIN), MANAGED)
    r.allowed("the admin changes it", merge(None, replicas=2))
    remove(A, "deployment", "restarted")


def credentials(r):
    """The name of a tenant's credentials is the operator's; the tenant's other Secrets are its own."""
    plain = secret(DEDICATED, labels={}, type="Opaque")
    bare = secret(A, "other", labels={})
    reserved = "is reserved for"
    for who in (ADMIN, EDITOR):
        r.refused(f"{who} takes the name", create(plain, who), reserved)
        for name in ("tenant-api-keys", "tenant-signing-key", "tenant-encryption-key"):
            r.refused(f"{who} takes the name {name}", create(secret(DEDICATED, name, labels={}, type="Opaque"), who), reserved)
        r.refused(f"{who} takes the name of a certificate that is issued",
                  create(secret(DEDICATED, "tenant-certificate-0123456789abcdef", labels={}, type="Opaque"), who), reserved)
        r.refused(f"{who} fakes the credentials", create(secret(DEDICATED), who), MANAGED)
        r.refused(f"{who} takes the name by applying", apply(plain, who), reserved)
        r.allowed(f"{who} makes a Secret of another name", create(bare, who))
        r.allowed(f"{who} makes one of a name to be drawn", create(secret(DEDICATED, None, {}, generateName="tenant-database-"), who))
        r.allowed(f"{who} reads the credentials", read(A, "secret", "tenant-database", who))
        r.refused(f"{who} changes the credentials", patch(A, "secret", "tenant-database", {"stringData": {"password": "x"}}, who), MANAGED)
        r.refused(f"{who} strips the credentials", patch(A, "secret", "tenant-database", {"metadata": {"labels": None}}, who), MANAGED)
        r.refused(f"{who} deletes the credentials", delete(A, "secret", "tenant-database", who), MANAGED)
        r.refused(f"{who} deletes all Secrets", delete(A, "secrets", None, who), MANAGED)
    r.refused("a viewer reads the credentials", read(A, "secret", "tenant-database", VIEWER), RBAC)
    r.allowed("another kind may have the name", create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta("tenant-database", A)}, ADMIN))
    r.allowed("the admin takes the name", create(plain))
    r.allowed("the admin deletes the credentials", delete(A, "secret", "tenant-database", None))
    r.allowed("anyone takes the name elsewhere", create(secret(FOREIGN, labels={})))
    make(*[role_binding(n, B, "tenant-operator-tenant-editor", [user(n)]) for n in (EDITOR, BREAK_GLASS)])
    until("rights", lambda: may(BREAK_GLASS, "create", "secrets", B))
    for who in (None, BREAK_GLASS):
        title = who or "the admin"
        for ns, marked in (("by its labels", {"labels": marks(DEDICATED)}),
                           ("by its id alone", {"labels": {"tenant-operator.io/tenant-id": marks(DEDICATED)["tenant-operator.io/tenant-id"]}}),
                           ("by its annotation", {"labels": {}, "annotations": {
                               "tenant-operator.io/owned-by": f"{A}/{marks(DEDICATED)['tenant-operator.io/tenant-id']}"}})):
            copied = secret(B, "copied", **marked)
            r.refused(f"{title} copies credentials to another tenant, known {ns}", create(copied, who), STRANGER)
    r.allowed("the admin keeps a tenant's credentials elsewhere", create(secret(FOREIGN, labels=marks(DEDICATED))))
    r.allowed("the admin restores a tenant's credentials", create(secret(DEDICATED, labels=marks(DEDICATED)), None))
    r.allowed("an owner changes one of that name that is not ours", patch(B, "secret", "tenant-database", {"stringData": {"a": "b"}}, EDITOR))
    r.refused("and cannot make it look like ours", patch(B, "secret", "tenant-database", {"metadata": {"labels": marks(B)}}, EDITOR), MANAGED)
    r.allowed("and deletes it", delete(B, "secret", "tenant-database", EDITOR))
    remove(B, "secret", "tenant-database")
    r.refused("and cannot make it again", create(secret(B, labels={}), EDITOR), reserved)
    r.allowed("break-glass makes it", create(secret(B, labels={}), BREAK_GLASS))


def owners(r):
    scale = lambda name, who: patch(A, "deployment", name, {"spec": {"replicas": 0}}, who, "scale")
    for who in (ADMIN, EDITOR):
        r.allowed(f"{who} scales theirs", scale("theirs", who))
        r.refused(f"{who} scales ours", scale("ours", who), MANAGED)
        r.refused(f"{who} changes our Deployment", patch(A, "deployment", "ours", {"spec": {"replicas": 0}}, who), MANAGED)
        r.allowed(f"{who} changes their Deployment", patch(A, "deployment", "theirs", {"spec": {"replicas": 0}}, who))
        r.allowed(f"{who} creates a Secret", create({"apiVersion": "v1", "kind": "Secret", "metadata": meta("s", A)}, who))
        r.refused(f"{who} deletes our Service", delete(A, "service", "ours", who), MANAGED)
        r.refused(f"{who} changes the quota", patch(A, "resourcequota", "ours", {"spec": {"hard": {"pods": "99"}}}, who), RBAC)
    r.allowed("the admin's scale passes", scale("ours", None))
    r.refused("a viewer scales theirs", scale("theirs", VIEWER), RBAC)
    r.refused("an owner's admin deletes our binding", delete(A, "rolebinding", "owner-admin", ADMIN), MANAGED)
    r.refused("an owner's admin adds to our binding", patch(A, "rolebinding", "owner-viewer", {
        "subjects": [user("x")]}, ADMIN), MANAGED)
    r.allowed("an owner's admin lends what it has", create(
        role_binding("p", A, "tenant-operator-tenant-viewer", [user("x")]), ADMIN))
    for role in ("tenant-operator-namespace", "cluster-admin", "admin"):
        r.refused(f"an owner's admin binds {role}", create(role_binding("p", A, role, [user("x")]), ADMIN), "not currently held")
    r.refused("an owner's editor lends", create(role_binding("p", A, "tenant-operator-tenant-viewer", [user("x")]), EDITOR), RBAC)
    service = lambda **spec: {"apiVersion": "v1", "kind": "Service", "metadata": meta("p", A),
                              "spec": {"ports": [{"port": 80}], **spec}}
    r.allowed("an owner's admin makes a Service", create(service(), ADMIN))
    r.refused("with external IPs", create(service(externalIPs=["192.0.2.1"]), ADMIN), "tenant-operator-services")
    r.refused("of another's name", create(service(type="ExternalName", externalName="web.acme.svc"), ADMIN), "tenant-operator-services")


def pods(r):
    key = "tenant-operator.io/tenant"
    affinity = lambda op, values: {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
        {"matchExpressions": [{"key": key, "operator": op, **({"values": values} if values else {})}]}]}}}
    new = lambda ns=A, who=ADMIN, **spec: create(pod(ns, **spec), who)
    r.allowed("a pod", new())
    r.refused("a pod with nodeName", new(nodeName="some-node"), PODS)
    r.refused("the admin's pod with nodeName", new(who=None, nodeName="some-node"), PODS)
    r.allowed("nodeName elsewhere", new(FOREIGN, None, nodeName="some-node"))
    r.allowed("a toleration of something else", new(tolerations=[{"key": "spot", "operator": "Exists"}]))
    r.allowed("a toleration of its own", new(tolerations=[{"key": key, "operator": "Equal", "value": A}]))
    for name, t in {"another's": {"key": key, "operator": "Equal", "value": B}, "everyone's": {"key": key, "operator": "Exists"},
                    "everything": {"operator": "Exists"}, "everything's NoExecute": {"operator": "Exists", "effect": "NoExecute"},
                    "another's by default": {"key": key, "value": B}}.items():
        r.refused(f"a toleration of {name}", new(tolerations=[{"key": "spot", "operator": "Exists"}, t]), PODS)
    r.allowed("a selector of its own", new(nodeSelector={key: A}))
    r.refused("a selector of another", new(nodeSelector={key: B}), PODS)
    r.allowed("an affinity to its own", new(affinity=affinity("In", [A])))
    r.allowed("an affinity to something else", new(affinity={"nodeAffinity": {
        "preferredDuringSchedulingIgnoredDuringExecution": [
            {"weight": 1, "preference": {"matchExpressions": [{"key": "zone", "operator": "Exists"}]}}]}}))
    r.refused("an affinity to another", new(affinity=affinity("In", [A, B])), PODS)
    r.refused("an affinity to any", new(affinity=affinity("Exists", None)), PODS)
    r.refused("a system priority", new(priorityClassName="system-node-critical"), PODS)
    make(pod(A))
    tolerate = lambda t: patch(A, "pod", "probe", [{"op": "add", "path": "/spec/tolerations/-", "value": t}], ADMIN)
    r.allowed("a later toleration", tolerate({"key": "spot", "operator": "Exists"}))
    r.refused("a later toleration of another's", tolerate({"key": key, "operator": "Equal", "value": B}), PODS)
    r.refused("a later toleration of everything", tolerate({"operator": "Exists"}), PODS)
    r.allowed("a pod's label", patch(A, "pod", "probe", {"metadata": {"labels": {"x": "y"}}}, ADMIN))
    remove(A, "pod", "probe", gracePeriodSeconds=0)

    probe = {**pod(A), "metadata": meta("tenant-operator-probe-x", A, {"tenant-operator.io/probe": "dial"})}
    r.refused("an owner's pod with a probe's mark", create(probe, ADMIN), PROBES)
    make(probe)
    image = lambda who: patch(A, "pod", "tenant-operator-probe-x", [
        {"op": "replace", "path": "/spec/containers/0/image", "value": "other"}], who)
    for who in (ADMIN, EDITOR):
        r.refused(f"{who} changes a probe's image", image(who), PROBES)
        r.refused(f"{who} takes a probe's mark off", patch(A, "pod", "tenant-operator-probe-x", {
            "metadata": {"labels": {"tenant-operator.io/probe": None}}}, who), PROBES)
        r.refused(f"{who} runs something in a probe", run_in(A, "tenant-operator-probe-x", who), PROBES)
        r.allowed(f"{who} deletes a probe", delete(A, "pod", "tenant-operator-probe-x", who))
    r.allowed("the admin changes a probe's image", image(None))
    remove(A, "pod", "tenant-operator-probe-x", gracePeriodSeconds=0)

    # A pod from before the policy must not be stuck with its finalizers and labels.
    early = f"{RUN}-n"
    make(namespace(early))
    until("service account", lambda: read(early, "serviceaccount", "default").ok)
    make(pod(early, tolerations=[{"operator": "Exists"}]))
    must(patch(None, "namespace", early, {"metadata": {"labels": marks(A)}}, dry_run=False))
    until("policy", lambda: PODS in create(pod(early, tolerations=[{"operator": "Exists"}])).error)
    r.allowed("a label of an older pod that tolerates everything", patch(early, "pod", "probe", {
        "metadata": {"labels": {"x": "y"}}}, None))
    r.refused("a further toleration of that pod", patch(early, "pod", "probe", [
        {"op": "add", "path": "/spec/tolerations/-", "value": {"key": "spot", "operator": "Exists"}}]), PODS)
    remove(None, "namespace", early, wait=False)


def mutates():
    return "mutatingadmissionpolicies" in resources()


def dedicated(r):
    key = "tenant-operator.io/tenant"
    if not mutates():
        r.refused("a pod without selector, nothing mutating", create(pod(DEDICATED), ADMIN), PODS)
        return print("note: MutatingAdmissionPolicy is not served, so its cases are left out")
    toleration = {"key": key, "operator": "Equal", "value": DEDICATED, "effect": "NoSchedule"}

    def lead(name, **spec):
        got = r.allowed(name, create(pod(DEDICATED, **spec), ADMIN)).get("spec", {})
        r.check(f"led to its nodes: {name}", got.get("nodeSelector", {}).get(key) == DEDICATED
                and got.get("tolerations", []).count(toleration) == 1, json.dumps(got))
        return got
    lead("an empty pod")
    got = lead("with its own placement", nodeSelector={"zone": "x"}, tolerations=[{"key": "spot", "operator": "Exists"}])
    r.check("its own placement stays", got.get("nodeSelector", {}).get("zone") == "x"
            and {"key": "spot", "operator": "Exists"} in got.get("tolerations", []), json.dumps(got))
    got = lead("that has it all", nodeSelector={key: DEDICATED}, tolerations=[toleration])
    lead("with an empty selector and list", nodeSelector={}, tolerations=[])
    lead("with only the NoExecute toleration", tolerations=[{**toleration, "effect": "NoExecute"}])
    r.refused("a selector of another", create(pod(DEDICATED, nodeSelector={key: A}), ADMIN), PODS)
    plain = r.allowed("elsewhere", create(pod(A), ADMIN)).get("spec", {})
    r.check("is not led", key not in plain.get("nodeSelector", {}), json.dumps(plain))


def system(r):
    """The policies admit the cluster's own controllers, which really run."""
    ours = lambda: get(A, "deployment", "ours")
    r.check("the deployment controller writes on ours", within(60, lambda: ours()["metadata"].get(
        "annotations", {}).get("deployment.kubernetes.io/revision")))
    r.check("the quota controller fills status.hard", within(60, lambda: get(
        A, "resourcequota", "ours").get("status", {}).get("hard", {}).get("pods")))
    r.check("the autoscaler scales ours", within(60, lambda: ours()["spec"]["replicas"] == 2))
    make({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta("parent", A)})
    uid = get(A, "configmap", "parent")["metadata"]["uid"]
    make({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta("child", A, marks(A),
         ownerReferences=[{"apiVersion": "v1", "kind": "ConfigMap", "name": "parent", "uid": uid}])})
    remove(A, "configmap", "parent")
    r.check("the garbage collector deletes ours", within(60, lambda: not read(A, "configmap", "child").ok))
    if mutates():
        make(deployment("theirs", DEDICATED, {"app": "theirs"}), user=ADMIN)
        made = within(60, lambda: get(DEDICATED, "pods")["items"])
        r.check("a ReplicaSet's pods are led to the tenant's nodes", made and made[0]["spec"].get(
            "nodeSelector", {}).get("tenant-operator.io/tenant") == DEDICATED)
    remove(None, "namespace", B, wait=False)
    r.allowed("operator deletes a namespace", delete(None, "namespace", A, OPERATOR, dry_run=False))
    for ns in (A, B):
        r.check(f"the namespace {ns} goes, with what it held", within(120, lambda: not read(None, "namespace", ns).ok))
