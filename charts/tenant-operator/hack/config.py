"""config/, for kustomize, from what the chart renders, so that both say the same."""

import os
import pathlib
import re
import subprocess

NAMESPACE = """\
apiVersion: v1
kind: Namespace
metadata:
  name: tenant-operator-system
  labels:
    app.kubernetes.io/name: tenant-operator
    pod-security.kubernetes.io/enforce: restricted
"""
DEFAULT = """\
resources:
  - ../crd
  - ../rbac
  - ../manager
  - ../admission
  - ../network-policy
  # With the Prometheus operator:
  # - ../prometheus
"""
HEADER = {"admission": "# Leave dedicated-nodes.yaml out where MutatingAdmissionPolicy is not served (before Kubernetes 1.36).\n"}
HELM_LABELS = re.compile(r"^ +(helm\.sh/chart: .*|app\.kubernetes\.io/managed-by: Helm)\n", re.M)


def render(root):
    env = {**os.environ, "PATH": f"{root}/target/cluster/bin{os.pathsep}{os.environ['PATH']}"}
    return subprocess.run(
        ["helm", "template", "tenant-operator", root / "charts/tenant-operator", "--namespace", "tenant-operator-system",
         "--kube-version", "1.36.0", "--api-versions", "admissionregistration.k8s.io/v1/MutatingAdmissionPolicy",
         "--set", "crds.install=false,metrics.serviceMonitor.enabled=true,metrics.prometheusRule.enabled=true"],
        check=True, stdout=subprocess.PIPE, text=True, env=env).stdout


def files(root):
    config, out, folders = pathlib.Path("config"), {}, {}
    for document in render(root).split("---\n"):
        source = re.match(r"# Source: tenant-operator/templates/(.+)\n", document)
        if not source:
            continue
        folder, name = source[1].split("/")
        body = HELM_LABELS.sub("", document[source.end():])
        path = config / folder / name
        out[path] = out[path] + "---\n" + body if path in out else body
        folders.setdefault(folder, set()).add(name)
    out[config / "manager/namespace.yaml"] = NAMESPACE
    folders["manager"].add("namespace.yaml")
    for folder, names in folders.items():
        text = HEADER.get(folder, "") + "resources:\n" + "".join(f"  - {name}\n" for name in sorted(names))
        out[config / folder / "kustomization.yaml"] = text
    out[config / "default/kustomization.yaml"] = DEFAULT
    return out
