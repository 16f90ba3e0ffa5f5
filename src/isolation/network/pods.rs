//! The pods that probe. Pure.

use super::PORT;
use super::schedule::NetworkSubject;
use super::target::Target;
use crate::capability::hardening;
use crate::cluster::metadata::labels;
use crate::names;
use k8s_openapi::api::core::v1::{
    Container, ContainerPort, EnvVar, EnvVarSource, ObjectFieldSelector, Pod, PodSpec, Probe, ResourceRequirements,
    SecurityContext, TCPSocketAction,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use std::time::Duration;

/// The lifetime of a pod that nobody removes, in seconds.
const DEADLINE: i64 = 300;
/// A probe's share of its tenant's quota.
const AMOUNTS: [(&str, &str, &str); 2] = [("cpu", "5m", "100m"), ("memory", "16Mi", "32Mi")];

/// Settings that all probes share.
#[derive(Clone, Debug)]
pub struct Image {
    pub name: String,
    pub pull_policy: String,
}

/// A pod that listens; it is Ready once it does.
pub fn listener(image: &Image, subject: &NetworkSubject) -> Pod {
    let container = Container {
        args: Some(vec!["probe".into(), "listen".into()]),
        ports: Some(vec![ContainerPort {
            container_port: PORT.into(),
            ..ContainerPort::default()
        }]),
        readiness_probe: Some(Probe {
            tcp_socket: Some(TCPSocketAction {
                port: IntOrString::Int(PORT.into()),
                host: None,
            }),
            period_seconds: Some(1),
            failure_threshold: Some(30),
            ..Probe::default()
        }),
        ..Container::default()
    };
    pod(image, subject, "listen", container)
}

/// Returns a pod that dials, writes its findings to its termination message, and ends. A `$(NODE)` in a target is its node's address.
pub fn dialler(image: &Image, subject: &NetworkSubject, targets: &[Target], settle: Duration) -> Pod {
    let settle = format!("--settle={}ms", settle.as_millis());
    let mut args = vec!["probe".into(), "dial".into(), settle];
    args.extend(targets.iter().map(ToString::to_string));
    let node = EnvVarSource {
        field_ref: Some(ObjectFieldSelector {
            field_path: "status.hostIP".into(),
            api_version: None,
        }),
        ..EnvVarSource::default()
    };
    let container = Container {
        args: Some(args),
        env: Some(vec![EnvVar {
            name: "NODE".into(),
            value_from: Some(node),
            ..EnvVar::default()
        }]),
        ..Container::default()
    };
    pod(image, subject, "dial", container)
}

fn pod(image: &Image, subject: &NetworkSubject, action: &str, container: Container) -> Pod {
    let amounts = |which: fn(&(&'static str, &'static str, &'static str)) -> &'static str| {
        let amounts = AMOUNTS
            .iter()
            .map(|amount| (amount.0.to_string(), Quantity(which(amount).into())));
        Some(amounts.collect())
    };
    let read_only = SecurityContext {
        read_only_root_filesystem: Some(true),
        ..hardening::container(None)
    };
    let mut labels = labels(&subject.owner);
    labels.insert(names::PROBE.into(), action.into());
    let placement = subject.placement.clone();
    Pod {
        metadata: ObjectMeta {
            generate_name: Some(format!("{}-{action}-", names::PROBES)),
            namespace: Some(subject.namespace.clone()),
            labels: Some(labels),
            ..ObjectMeta::default()
        },
        spec: Some(PodSpec {
            containers: vec![Container {
                name: action.into(),
                image: Some(image.name.clone()),
                image_pull_policy: Some(image.pull_policy.clone()),
                resources: Some(ResourceRequirements {
                    requests: amounts(|amount| amount.1),
                    limits: amounts(|amount| amount.2),
                    claims: None,
                }),
                security_context: Some(read_only),
                ..container
            }],
            security_context: Some(hardening::pod(None)),
            restart_policy: Some("Never".into()),
            active_deadline_seconds: Some(DEADLINE),
            termination_grace_period_seconds: Some(1),
            automount_service_account_token: Some(false),
            enable_service_links: Some(false),
            node_selector: placement.node_selector,
            tolerations: placement.tolerations,
            affinity: placement.affinity,
            runtime_class_name: placement.runtime_class_name,
            priority_class_name: placement.priority_class_name,
            ..PodSpec::default()
        }),
        status: None,
    }
}
