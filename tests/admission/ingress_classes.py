"""Ingresses of the gateway's own class where the gateway is APISIX: the policy as the chart writes it for that, under another name and for one namespace,
since the cluster may have another gateway."""

import json
import os
import subprocess

from allowed import HOST, PREFIX, ingress, new_namespace
from cluster import RELEASE_NAMESPACE, ROOT, annotate, create, make, patch, remove, until
from fixtures import *

NAME, CLASS = f"{RUN}-classes", "apisix"
VALUES = f"gateway.controller=APISIX,gateway.name={CLASS},network.gatewayNamespace=apisix"
POLICY, BINDING = "validatingadmissionpolicy", "validatingadmissionpolicybinding"


def documents(text):
    """Yields the documents of YAML, by kubectl, which prints one JSON document after another."""
    read = subprocess.run(["kubectl", "create", "--dry-run=client", "-o", "json", "-f", "-"], input=text, check=True, capture_output=True, text=True)
    decoder, text = json.JSONDecoder(), read.stdout.strip()
    while text:
        document, end = decoder.raw_decode(text)
        yield document
        text = text[end:].lstrip()


def policy(ns):
    chart = os.path.join(ROOT, "charts/tenant-operator")
    rendered = subprocess.run(["helm", "template", "tenant-operator", chart, "--namespace", RELEASE_NAMESPACE, "--kube-version", "1.36.0",
                               "--show-only", "templates/admission/ingresses.yaml", "--set", VALUES], check=True, capture_output=True, text=True).stdout
    judge, binding = documents(rendered)
    judge["spec"]["matchConstraints"]["namespaceSelector"] = {"matchLabels": {"kubernetes.io/metadata.name": ns}}
    binding["spec"]["policyName"] = NAME
    return [{**body, "metadata": meta(NAME)} for body in (judge, binding)]


def classes(r):
    ns = f"{RUN}-gateway"
    try:
        new_namespace(ns, hosts=HOST, image_registries="")
        make(*policy(ns))
        of_the_gateway(r, ns)
    finally:
        remove(None, BINDING, NAME)
        remove(None, POLICY, NAME)
        remove(None, "namespace", ns, wait=False)


def of_the_gateway(r, ns):
    new = lambda cls=None, who=ADMIN, **metadata: create(ingress(ns, "web", cls, **metadata), who)
    old = lambda cls: {"annotations": {"kubernetes.io/ingress.class": cls}}
    until("the policy", lambda: new("other").ok and not new(CLASS).ok)
    r.allowed("another class than the gateway's", new("other"))
    r.refused("the gateway's class", new(CLASS), NAME)
    r.refused("no class, which may be the gateway's", new(), NAME)
    r.refused("the gateway's class by annotation", new(**old(CLASS)), NAME)
    r.refused("another class by annotation alone", new(**old("other")), NAME)
    r.allowed("the gateway's class of one who makes Ingresses everywhere", new(CLASS, None))
    make(ingress(ns, "web", "other"))
    r.refused("the gateway's class later", patch(ns, "ingress", "web", {"spec": {"ingressClassName": CLASS}}, ADMIN), NAME)
    r.refused("the gateway's class by annotation besides another", patch(ns, "ingress", "web", {"metadata": old(CLASS)}, ADMIN), NAME)
    r.refused("no class later", patch(ns, "ingress", "web", {"spec": {"ingressClassName": None}}, ADMIN), NAME)
    remove(ns, "ingress", "web")

    allow = lambda names: annotate(ns, f"{PREFIX}ingress-classes", names)
    allow("other")
    until("the list", lambda: not new("third").ok)
    r.refused("the gateway's class where others are allowed", new(CLASS), NAME, "tenant-operator-ingresses")
    allow(f"other,{CLASS}")
    until("the list", lambda: new(CLASS).ok)
    r.allowed("the gateway's class where it is allowed", new(CLASS))
    r.refused("no class where the gateway's is allowed", new(), NAME, "tenant-operator-ingresses")
