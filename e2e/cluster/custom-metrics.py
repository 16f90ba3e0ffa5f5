#!/usr/bin/env python3
"""custom-metrics.py ADDRESS PORT FILE: a stand-in for an adapter of custom.metrics.k8s.io. Every pod has the value in FILE, whatever the metric. It ends
when its standard input does.

KUBECTL and KUBECONFIG name the program and the cluster that have the pods."""
import http.server
import json
import os
import ssl
import subprocess
import sys
import tempfile
import threading
import time
import urllib.parse

API = "/apis/custom.metrics.k8s.io/v1beta2"


def pods(namespace, selector):
    command = [os.environ.get("KUBECTL", "kubectl"), "get", "pods", "-n", namespace, "-l", selector, "-o", "json"]
    return [pod["metadata"]["name"] for pod in json.loads(subprocess.check_output(command))["items"]]


def resources():
    resource = {"name": "pods/*", "singularName": "", "namespaced": True, "kind": "MetricValueList", "verbs": ["get"]}
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": API[len("/apis/"):], "resources": [resource]}


def values(namespace, metric, selector, value):
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    items = [
        {"describedObject": {"kind": "Pod", "namespace": namespace, "name": pod, "apiVersion": "/v1"},
         "metric": {"name": metric}, "timestamp": now, "value": value}
        for pod in pods(namespace, selector)
    ]
    return {"kind": "MetricValueList", "apiVersion": API[len("/apis/"):], "metadata": {}, "items": items}


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        path, _, query = self.path.partition("?")
        match urllib.parse.unquote(path).removeprefix(API).split("/"):
            case [""] if path == API:
                self.answer(200, resources())
            case ["", "namespaces", namespace, "pods", "*", metric]:
                selector = urllib.parse.parse_qs(query).get("labelSelector", [""])[0]
                with open(sys.argv[3]) as file:
                    self.answer(200, values(namespace, metric, selector, file.read().strip()))
            case _:
                self.answer(404, {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 404})

    def answer(self, code, body):
        body = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


def end_with_input():
    sys.stdin.read()
    os._exit(0)


def main():
    threading.Thread(target=end_with_input, daemon=True).start()
    server = http.server.ThreadingHTTPServer((sys.argv[1], int(sys.argv[2])), Handler)
    with tempfile.NamedTemporaryFile() as pair:
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=custom-metrics", "-days", "1",
                        "-keyout", pair.name, "-out", pair.name + ".crt"], check=True, stderr=subprocess.DEVNULL)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pair.name + ".crt", pair.name)
        os.remove(pair.name + ".crt")
    server.socket = context.wrap_socket(server.socket, server_side=True)
    server.serve_forever()


main()
