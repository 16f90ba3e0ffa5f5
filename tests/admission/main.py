#!/usr/bin/env python3
"""Proves the chart's policies and roles on a real API server.

The chart must be installed; the operator need not run. KUBECONFIG names the
cluster, and target/cluster/kubeconfig is taken where it is unset.
"""

import json
import signal
import sys
import time

sys.dont_write_bytecode = True

import access
import allowed
import annotations
import applications
import autoscalers
import bindings
import cases
import confined
import counts
import grants
import hosts
import ingress_classes
import network_policies
import pod_contents
import reports
import spellings
from cluster import Report, get, read
from fixtures import set_up, tear_down

CASES = (access.matrix, cases.operator_namespaces, cases.operator_bindings, cases.operator_rest,
         cases.operator_secrets, cases.operator_tenants, cases.operator_servers, cases.namespaces, cases.managed, cases.restarts, cases.owners, confined.confined,
         cases.pods, cases.dedicated, allowed.allowed, annotations.annotations, spellings.spellings, pod_contents.contents, hosts.hosts, ingress_classes.classes, network_policies.bounds, bindings.bounds, autoscalers.autoscalers, counts.counts, reports.reports, grants.grants, applications.applications, cases.examiner, cases.operator_elevated, cases.credentials, cases.system)


def type_checks(report):
    names = [f"tenant-operator-{n}" for n in ("annotations", "autoscalers", "bindings", "claim-templates", "claims", "confinement", "examiner", "images", "ingress-hosts", "ingresses", "listener-hosts", "managed", "names", "namespaces", "network-policies", "pods", "probes", "raw-sockets", "route-backends", "route-hosts", "secrets", "services", "volumes")]
    # Only with a gateway.
    optional = [f"tenant-operator-{n}" for n in ("confinement-gateway",)]
    names += [name for name in optional if read(None, "validatingadmissionpolicy", name).ok]
    for name in names:
        policy = get(None, "validatingadmissionpolicy", name)
        report.check(f"{name} has no type warnings", not policy.get("status", {}).get("typeChecking", {}).get("expressionWarnings"),
                     json.dumps(policy.get("status")))
        report.check(f"{name} fails closed", policy["spec"]["failurePolicy"] == "Fail")
        binding = get(None, "validatingadmissionpolicybinding", name)
        report.check(f"{name} denies", binding["spec"]["validationActions"] == ["Deny"])


def main():
    # The objects of the cases are removed then too, and the client's process ends.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))
    if not read(None, "validatingadmissionpolicy", "tenant-operator-confinement").ok:
        sys.exit("the chart is not installed in this cluster (no policy tenant-operator-confinement)")
    report = Report()
    type_checks(report)
    try:
        set_up()
        for case in CASES:
            start, before = time.time(), report.passed
            case(report)
            print(f"{case.__name__}: {report.passed - before} passed, {time.time() - start:.1f} s", flush=True)
    finally:
        tear_down()
    return report.finish()


if __name__ == "__main__":
    sys.exit(main())
