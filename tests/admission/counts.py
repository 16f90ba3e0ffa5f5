"""The bounds on numbers of objects, as docs/tenants.md has them, are bounds to the API server."""

import re

from cluster import ROOT, create, get, make, read, remove, until
from fixtures import RUN, kinds, meta, pod, pod_spec

NAMESPACE = f"{RUN}-q"


def documented():
    with open(f"{ROOT}/docs/tenants.md", encoding="utf-8") as file:
        return re.findall(r"^\| `(count/[^`]+)` \| \d+ \|$", file.read(), re.M)


def one_of_each():
    """Returns one object of each resource, for resources of which the operator makes none."""
    template = {"metadata": {"labels": {"app": "probe"}}, "spec": pod_spec()}
    once = {**template, "spec": pod_spec(restartPolicy="Never")}
    runs = {"selector": {"matchLabels": {"app": "probe"}}, "template": template}
    make = lambda api, kind, **more: {"apiVersion": api, "kind": kind, "metadata": meta("probe", NAMESPACE), **more}
    return {
        **kinds("probe", NAMESPACE),
        "pods": pod(NAMESPACE),
        "replicationcontrollers": make("v1", "ReplicationController", spec={"selector": {"app": "probe"}, "template": template}),
        "replicasets": make("apps/v1", "ReplicaSet", spec=runs),
        "daemonsets": make("apps/v1", "DaemonSet", spec=runs),
        "statefulsets": make("apps/v1", "StatefulSet", spec={**runs, "serviceName": "probe"}),
        "controllerrevisions": make("apps/v1", "ControllerRevision", revision=1, data={}),
        "jobs": make("batch/v1", "Job", spec={"template": once}),
        "cronjobs": make("batch/v1", "CronJob", spec={"schedule": "@yearly", "jobTemplate": {"spec": {"template": once}}}),
        "ingresses": make("networking.k8s.io/v1", "Ingress", spec={
            "defaultBackend": {"service": {"name": "probe", "port": {"number": 80}}}}),
        "roles": make("rbac.authorization.k8s.io/v1", "Role", rules=[]),
    }


def counts(r):
    keys = documented()
    r.check("docs/tenants.md names the bounds", len(keys) > 15, keys)
    make({"apiVersion": "v1", "kind": "Namespace", "metadata": meta(NAMESPACE)})
    try:
        # Else what Kubernetes itself makes there is refused too.
        until("service account", lambda: read(NAMESPACE, "serviceaccount", "default").ok)
        make({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": meta("tenant", NAMESPACE), "spec": {"hard": {key: "0" for key in keys}}})
        until("the quota", lambda: len(get(NAMESPACE, "resourcequota", "tenant").get("status", {}).get("hard", {})) == len(keys))
        objects = one_of_each()
        for key in keys:
            resource = key.removeprefix("count/").split(".")[0]
            r.refused(f"one more of {resource}", create(objects[resource]), f"requested: {key}=1")
    finally:
        remove(None, "namespace", NAMESPACE, wait=False)
