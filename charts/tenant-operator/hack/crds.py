"""The chart's and the kustomization's CRDs, from crds/, which comes from the Rust types."""

import pathlib

METADATA = """\
  annotations:
    # Without its CRD every Tenant would be gone.
    helm.sh/resource-policy: keep
  labels:
    {{- include "tenant-operator.labels" . | nindent 4 }}
"""


def template(text):
    if text.count("\nmetadata:\n") != 1 or "\n  annotations:\n" in text:
        raise SystemExit("crds/: a CRD has another form than expected")
    text = text.replace("{{", '{{ "{{" }}').replace("\nmetadata:\n", "\nmetadata:\n" + METADATA)
    return "{{- if .Values.crds.install }}\n" + text.rstrip("\n") + "\n{{- end }}\n"


def files(root):
    sources = sorted((root / "crds").glob("tenant-operator.io_*.yaml"))
    out = {}
    for source in sources:
        name = source.name.removeprefix("tenant-operator.io_")
        text = source.read_text().removeprefix("---\n")
        out[pathlib.Path("charts/tenant-operator/templates/crd") / name] = template(text)
        out[pathlib.Path("config/crd/bases") / source.name] = text
    names = [f"bases/{source.name}" for source in sources]
    out[pathlib.Path("config/crd/kustomization.yaml")] = "resources:" + (
        "".join(f"\n  - {name}" for name in names) if names else " []") + "\n"
    return out
