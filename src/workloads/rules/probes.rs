//! Probes, and the ports that they name.

use super::Faults;
use crate::api::Workload;
use crate::syntax::{header_name, port_name};
use k8s_openapi::api::core::v1::Probe;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

pub fn check(workload: &Workload, faults: &mut Faults) {
    for (name, probe) in [
        ("livenessProbe", &workload.liveness_probe),
        ("readinessProbe", &workload.readiness_probe),
        ("startupProbe", &workload.startup_probe),
    ] {
        let Some(probe) = probe else { continue };
        let at = format!(".{name}");
        handler(workload, &at, probe, faults);
        let is_readiness = name == "readinessProbe";
        if !is_readiness && probe.success_threshold.is_some_and(|times| times > 1) {
            faults.say(format!("{at}.successThreshold"), "must be 1");
        }
        if is_readiness && probe.termination_grace_period_seconds.is_some() {
            faults.say(
                format!("{at}.terminationGracePeriodSeconds"),
                "must not be set for readiness probes",
            );
        }
    }
}

fn handler(workload: &Workload, at: &str, probe: &Probe, faults: &mut Faults) {
    let kinds = [
        probe.exec.is_some(),
        probe.http_get.is_some(),
        probe.tcp_socket.is_some(),
        probe.grpc.is_some(),
    ];
    faults.exactly_one(at, &kinds, "exec, httpGet, tcpSocket and grpc");
    if let Some(exec) = &probe.exec
        && exec.command.as_ref().is_none_or(Vec::is_empty)
    {
        faults.say(format!("{at}.exec.command"), "is missing");
    }
    if let Some(get) = &probe.http_get {
        port(workload, &format!("{at}.httpGet.port"), &get.port, faults);
        faults.word(
            format!("{at}.httpGet.scheme"),
            get.scheme.as_deref(),
            &["HTTP", "HTTPS"],
        );
        for (i, header) in get.http_headers.iter().flatten().enumerate() {
            faults.name(format!("{at}.httpGet.httpHeaders[{i}].name"), &header.name, header_name);
        }
    }
    if let Some(socket) = &probe.tcp_socket {
        port(workload, &format!("{at}.tcpSocket.port"), &socket.port, faults);
    }
    if let Some(grpc) = &probe.grpc {
        number(&format!("{at}.grpc.port"), grpc.port, faults);
    }
}

fn number(at: &str, port: i32, faults: &mut Faults) {
    if !(1..=65_535).contains(&port) {
        faults.say(at, "must be between 1 and 65535");
    }
}

/// Kubernetes accepts a name that no port has, and the probe fails for ever.
fn port(workload: &Workload, at: &str, port: &IntOrString, faults: &mut Faults) {
    match port {
        IntOrString::Int(port) => number(at, *port, faults),
        IntOrString::String(name) if port_name(name).is_err() => faults.name(at, name, port_name),
        IntOrString::String(name) => {
            if !workload.ports.iter().flatten().any(|port| port.name == *name) {
                faults.say(at, format!("the workload has no port {name}"));
            }
        }
    }
}
