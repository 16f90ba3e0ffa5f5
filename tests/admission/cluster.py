"""A client that stays connected to the API server, and the report of the cases."""

import atexit
import functools
import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from typing import NamedTuple
from urllib.parse import urlencode

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
RELEASE_NAMESPACE = os.environ.get("OPERATOR_NAMESPACE", "tenant-operator-system")
EXAMINER = "tenant-operator:examiner"
OPERATOR = f"system:serviceaccount:{RELEASE_NAMESPACE}:tenant-operator"

os.environ.setdefault("KUBECONFIG", os.path.join(ROOT, "target/cluster/kubeconfig"))
os.environ["PATH"] = os.path.join(ROOT, "target/cluster/bin") + os.pathsep + os.environ["PATH"]


class Answer(NamedTuple):
    ok: bool
    body: dict
    error: str


class Connection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=60)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


@functools.cache
def connection(kubeconfig=None):
    """One `kubectl proxy` serves all requests: it knows every kind of kubeconfig, and only this user reaches its socket."""
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder)
    path = os.path.join(folder, "api")
    # By default the proxy rejects exec. In a session of its own it outlives Ctrl-C, after which objects are still removed.
    command = ["kubectl", "proxy", f"--unix-socket={path}", "--reject-paths=^$", *([f"--kubeconfig={kubeconfig}"] if kubeconfig else [])]
    proxy = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    atexit.register(proxy.terminate)
    if not proxy.stdout.readline():
        sys.exit("kubectl proxy does not start")
    return Connection(path)


@functools.cache
def with_its_token():
    """Returns a kubeconfig with only a token of the operator's."""
    token = must(ask("POST", RELEASE_NAMESPACE, "serviceaccounts", "tenant-operator", "token", body={
        "apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "metadata": {}, "spec": {"expirationSeconds": 3600}}))["status"]["token"]
    config = json.loads(subprocess.run(["kubectl", "config", "view", "--raw", "--minify", "--flatten", "--output=json"],
                                       check=True, stdout=subprocess.PIPE).stdout)
    config["users"] = [{**user, "user": {"token": token}} for user in config["users"]]
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder)
    path = os.path.join(folder, "kubeconfig")
    with open(path, "w", opener=lambda name, mode: os.open(name, mode, 0o600)) as file:
        json.dump(config, file)
    return path


def request(method, path, body=None, user=None, accept="application/json", content="application/json", **query):
    """The server judges a request as the user's, or as the administrator's where there is none. The operator comes with its real token."""
    to = connection(with_its_token()) if user == OPERATOR else connection()
    user = None if user == OPERATOR else user
    headers = {"Accept": accept, "Content-Type": content, **({"Impersonate-User": user} if user else {})}
    body = json.dumps(body) if isinstance(body, (dict, list)) else body
    try:
        to.request(method, f"{path}?{urlencode(query)}", body, headers)
        response = to.getresponse()
        text, ok = response.read().decode(), response.status < 300
    except BaseException:
        # After an interruption, the removal of the objects still needs the connection.
        to.close()
        raise
    try:
        body = json.loads(text)
    except ValueError:
        body = {"reason": response.reason, "message": text.strip()}
    return Answer(ok, body, "" if ok else f"{body.get('reason')}: {body.get('message')}")


@functools.cache
def resources():
    """Returns all resources: by kind, and by their names as kubectl takes them. The server lists its preferred version first."""
    found = {}
    for root in ("/api", "/apis"):
        groups = must(request("GET", root, accept="application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList"))
        for group in groups["items"]:
            name = group["metadata"].get("name", "")
            for version in group["versions"]:
                api = f"{name}/{version['version']}".lstrip("/")
                for resource in version["resources"]:
                    plural = resource["resource"]
                    place = (f"{root}/{api}", plural, resource["scope"] == "Namespaced")
                    for key in (f"{api}/{resource['responseKind']['kind']}", f"{plural}.{name}", plural, resource["singularResource"],
                                *resource.get("shortNames", ())):
                        found.setdefault(key, place)
    return found


def ask(method, namespace, resource, *path, **options):
    """Sends a request for a resource in a namespace, which is ignored for a cluster-wide resource; path is a name and a subresource."""
    if resource not in resources():
        resources.cache_clear()
    if resource not in resources():
        return Answer(False, {"reason": "NotFound"}, f"the server does not serve {resource}")
    api, plural, namespaced = resources()[resource]
    place = ("namespaces", namespace) if namespaced and namespace else ()
    return request(method, "/".join([api, *place, plural, *filter(None, path)]), **options)


def must(answer):
    if not answer.ok:
        sys.exit(answer.error)
    return answer.body


def flags(dry_run, **more):
    return {"fieldManager": "admission-tests", **({"dryRun": "All"} if dry_run else {}), **more}


def of(obj):
    """Returns the namespace and kind of an object."""
    return obj["metadata"].get("namespace"), f"{obj['apiVersion']}/{obj['kind']}"


def read(namespace, resource, name=None, user=None, **query):
    return ask("GET", namespace, resource, name, user=user, **query)


def get(namespace, resource, name=None, **query):
    return must(read(namespace, resource, name, **query))


def create(obj, user=None, dry_run=True):
    return ask("POST", *of(obj), body=obj, user=user, **flags(dry_run, fieldValidation="Strict"))


def make(*objects, user=None):
    for obj in objects:
        must(create(obj, user, dry_run=False))


def put(obj, user, subresource=None):
    """Replaces an object by dry run, in its current version: the kind's own controller may write another one at any time."""
    name = obj["metadata"]["name"]
    for _ in range(10):
        there = read(*of(obj), name).body.get("metadata", {})
        version = {key: there[key] for key in ("resourceVersion", "uid") if key in there}
        body = {**obj, "metadata": {**obj["metadata"], **version}}
        answer = ask("PUT", *of(obj), name, subresource, body=body, user=user, **flags(True, fieldValidation="Strict"))
        if not answer.error.startswith("Conflict: Operation cannot be fulfilled"):
            break
    return answer


def apply(obj, user, **query):
    """Applies an object by a dry run on the server's side."""
    return ask("PATCH", *of(obj), obj["metadata"]["name"], body=obj, user=user, content="application/apply-patch+yaml",
               **flags(True, fieldValidation="Strict", **query))


def patch(namespace, resource, name, body, user=None, subresource=None, dry_run=True):
    """Patches an object: a list is a JSON patch, anything else a merge patch."""
    content = "application/json-patch+json" if isinstance(body, list) else "application/merge-patch+json"
    return ask("PATCH", namespace, resource, name, subresource, body=body, user=user, content=content, **flags(dry_run))


def annotate(namespace, key, value):
    must(patch(None, "namespace", namespace, {"metadata": {"annotations": {key: value}}}, dry_run=False))


def delete(namespace, resource, name, user=None, dry_run=True, **options):
    dry = {"dryRun": "All"} if dry_run else {}
    return ask("DELETE", namespace, resource, name, user=user, propagationPolicy="Background", **dry, **options)


def remove(namespace, resource, *names, wait=True, **options):
    """Deletes the present objects for good."""
    for name in names:
        answer = delete(namespace, resource, name, dry_run=False, **options)
        if answer.ok and wait:
            until(f"{resource} {name} to go", lambda: not read(namespace, resource, name).ok)
        if not answer.ok and answer.body.get("reason") != "NotFound":
            sys.exit(answer.error)


def may(user, verb, resource, namespace):
    review = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview", "metadata": {},
              "spec": {"resourceAttributes": {"verb": verb, "resource": resource, "namespace": namespace}}}
    return must(create(review, user, dry_run=False))["status"]["allowed"]


def within(seconds, condition):
    """Returns the condition's first true value, or its last one in the end."""
    end = time.time() + seconds
    while not (value := condition()) and time.time() < end:
        time.sleep(0.05)
    return value


FAILED = []


def fail(name, detail):
    FAILED.append(name)
    print(f"FAIL {name}: {detail}", flush=True)


def until(what, condition):
    value = within(60, condition)
    if not value:
        fail(f"a wait for {what}", "in vain")
    return value


class Report:
    def __init__(self):
        self.passed = 0

    def check(self, name, good, detail=""):
        if good:
            self.passed += 1
        else:
            fail(name, detail)

    def allowed(self, name, answer):
        self.check(f"allowed: {name}", answer.ok, answer.error)
        return answer.body if answer.ok else {}

    def refused(self, name, answer, *parts):
        """Checks a refusal for one of these reasons: if several policies refuse, the API server names any of them."""
        self.check(f"refused: {name}", not answer.ok and any(part in answer.error for part in parts),
                   "was allowed" if answer.ok else f"expected {' or '.join(map(repr, parts))} in: {answer.error}")

    def finish(self):
        print(f"{self.passed} passed, {len(FAILED)} failed", flush=True)
        return 1 if FAILED else 0
