#!/usr/bin/env python3
"""Writes what follows from elsewhere: the chart's CRDs, README and schema, and config/.

With --check it writes nothing and fails where a file differs.
"""

import difflib
import pathlib
import sys

sys.dont_write_bytecode = True

import config
import crds
import docs

ROOT = pathlib.Path(__file__).resolve().parents[3]
GENERATED = ("charts/tenant-operator/templates/crd", "config/crd", "config/rbac", "config/manager", "config/default",
             "config/admission", "config/prometheus", "config/network-policy")


def main():
    check = sys.argv[1:] == ["--check"]
    # The schema comes before config, since helm checks the values against it.
    wrong = 0
    known = set()
    for part in (crds, docs, config):
        for path, text in part.files(ROOT).items():
            known.add(path)
            target = ROOT / path
            old = target.read_text() if target.exists() else ""
            if old == text:
                continue
            wrong += 1
            if check:
                sys.stdout.writelines(difflib.unified_diff(
                    old.splitlines(True), text.splitlines(True), f"{path} (as it is)", f"{path} (as generated)"))
            else:
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_text(text)
                print(path)
    for folder in GENERATED:
        for file in (ROOT / folder).rglob("*.yaml"):
            if file.relative_to(ROOT) not in known:
                wrong += 1
                print(f"{file.relative_to(ROOT)}: nothing generates it")
                if not check:
                    file.unlink()
    if check and wrong:
        sys.exit(f"{wrong} files differ; run charts/tenant-operator/hack/generate.py")


if __name__ == "__main__":
    main()
