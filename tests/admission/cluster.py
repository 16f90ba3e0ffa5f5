"""kubectl with impersonation, and the report of the cases."""

import json
import os
import subprocess
import time

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
RELEASE_NAMESPACE = os.environ.get("OPERATOR_NAMESPACE", "tenant-operator-system")
EXAMINER = "tenant-operator:examiner"
OPERATOR = f"system:serviceaccount:{RELEASE_NAMESPACE}:tenant-operator"

os.environ.setdefault("KUBECONFIG", os.path.join(ROOT, "target/cluster/kubeconfig"))
os.environ["PATH"] = os.path.join(ROOT, "target/cluster/bin") + os.pathsep + os.environ["PATH"]


def kubectl(*args, user=None, stdin=None):
    command = ["kubectl", *([f"--as={user}"] if user else []), *args]
    if stdin is not None and not isinstance(stdin, str):
        stdin = json.dumps(stdin)
    run = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=60)
    return run.returncode == 0, run.stdout, run.stderr.strip()


def must(*args, **kwargs):
    ok, out, err = kubectl(*args, **kwargs)
    if not ok:
        raise SystemExit(f"kubectl {' '.join(args)}: {err}")
    return out


def get(*args):
    return json.loads(must("get", *args, "-o", "json"))


def create(obj, user=None, dry_run=True):
    flags = ["--dry-run=server"] if dry_run else []
    return kubectl("create", "-f", "-", "-o", "json", *flags, user=user, stdin=obj)


def patch(namespace, resource, name, body, user, *flags):
    return kubectl("patch", resource, name, "-n", namespace, "--type=merge", "--dry-run=server",
                   "-p", json.dumps(body), *flags, user=user)


def delete(namespace, resource, name, user):
    return kubectl("delete", resource, name, "-n", namespace, "--dry-run=server", "--wait=false", user=user)


def until(what, condition, seconds=60):
    end = time.time() + seconds
    while time.time() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.5)
    return None


class Report:
    def __init__(self):
        self.passed = 0
        self.failed = []

    def check(self, name, good, detail=""):
        if good:
            self.passed += 1
        else:
            self.failed.append(name)
            print(f"FAIL {name}: {detail}", flush=True)

    def allowed(self, name, result):
        ok, _, err = result
        self.check(f"allowed: {name}", ok, err)
        return result[1]

    def refused(self, name, result, *parts):
        """Refused for one of these reasons: of several policies that refuse, the API server names any."""
        ok, _, err = result
        self.check(f"refused: {name}", not ok and any(part in err for part in parts),
                   "was allowed" if ok else f"expected {' or '.join(map(repr, parts))} in: {err}")

    def finish(self):
        print(f"{self.passed} passed, {len(self.failed)} failed", flush=True)
        return 1 if self.failed else 0
