"""README.md's table and values.schema.json, from values.yaml."""

import json
import pathlib
import re

import values

# Of the operator's own flags: see src/flags.rs.
PATTERNS = {
    "address": r"^([0-9]{1,3}(\.[0-9]{1,3}){3}|[0-9a-fA-F:.]*:[0-9a-fA-F:.]*)$",
    "cidr": r"^([0-9]{1,3}(\.[0-9]{1,3}){3}|[0-9a-fA-F:.]*:[0-9a-fA-F:.]*)/[0-9]{1,3}$",
    "digest": r"^(sha256:[0-9a-f]{64})?$",
    "duration": r"^([0-9]+(\.[0-9]+)?(h|m|s|ms|us|µs|ns))+$",
    "template": r"^(/[-A-Za-z0-9_~]+)*/(\{tenant\}|\{id\})(/[-A-Za-z0-9_~]+)*$",
    "endpoint": r"^([0-9]{1,3}(\.[0-9]{1,3}){3}|\[[0-9a-fA-F:.]+\]):[0-9]{1,5}$",
}
# Without the Lease two pods would both write.
ONE_WITHOUT_ELECTION = {
    "if": {"properties": {"leaderElection": {"properties": {"enabled": {"const": False}}, "required": ["enabled"]}}},
    "then": {"properties": {"replicas": {"maximum": 1}}},
}
TYPES = {bool: "boolean", int: "integer", str: "string", list: "array", dict: "object"}


def table(root):
    rows = ["| value | default | description |", "| --- | --- | --- |"]
    for value in values.leaves(root):
        default = json.dumps(values.plain(value)).replace("|", "\\|")
        choice = f" One of {value.hints['enum']}." if "enum" in value.hints else ""
        rows.append(f"| `{'.'.join(value.path)}` | `{default}` | {value.comment}{choice} |")
    return "\n".join(rows)


def schema(value):
    documented = bool(value.comment)
    default = values.plain(value)
    out = {"type": TYPES[type(default)]}
    if documented:
        out["description"] = value.comment
    if "enum" in value.hints:
        out["enum"] = value.hints["enum"].split(", ")
    if "items" in value.hints:
        out["items"] = {"type": value.hints["items"]}
    if "pattern" in value.hints:
        pattern = {"pattern": PATTERNS[value.hints["pattern"]]}
        out.update({"items": {**out["items"], **pattern}} if "items" in out else pattern)
    if "minimum" in value.hints:
        out["minimum"] = int(value.hints["minimum"])
    if value.children and not documented:
        out["additionalProperties"] = False
        out["properties"] = {child.path[-1]: schema(child) for child in value.children}
    return out


def files(root):
    chart = pathlib.Path("charts/tenant-operator")
    tree = values.read((root / chart / "values.yaml").read_text())
    top = {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema(tree), **ONE_WITHOUT_ELECTION}
    # A parent chart hands its global values down.
    top["properties"]["global"] = {"type": "object"}
    readme = (root / chart / "README.md").read_text()
    readme = re.sub(r"(<!-- values -->\n).*(<!-- /values -->)", lambda m: m[1] + table(tree) + "\n" + m[2], readme, flags=re.S)
    return {chart / "README.md": readme, chart / "values.schema.json": json.dumps(top, indent=2) + "\n"}
