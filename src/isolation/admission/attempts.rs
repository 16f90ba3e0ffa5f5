//! Attempts of the admission check. Pure.

use super::AdmissionSubject;
use crate::api::{ImagePullPolicy, ServiceType};
use crate::capability::hardening;
use crate::names;
use crate::quantity::Amount;
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Pod, Service};
use k8s_openapi::api::networking::v1::{Ingress, NetworkPolicy};
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::core::ApiResource;
use serde_json::{Value, json};

/// The name, and prefix of names, of everything that the examiner tries; nobody else can have taken one.
pub const NAME: &str = "tenant-operator-examination";
const SERVICES: &str = "tenant-operator-services";
const RAW_SOCKETS: &str = "tenant-operator-raw-sockets";
const DRY_RUN_POLICY: &str = "tenant-operator-examiner";
/// Keys of a quota that one container can exceed.
const AMOUNTS: [&str; 4] = ["requests.cpu", "requests.memory", "limits.cpu", "limits.memory"];
/// And one claim.
const STORAGE: &str = "requests.storage";

/// The policy or plugin that must refuse an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enforcer {
    /// Pod Security Admission, by the labels of the namespace.
    PodSecurity,
    /// A ValidatingAdmissionPolicy of the chart's.
    Policy(&'static str),
    /// The tenant's ResourceQuota, by this amount.
    Quota(&'static str),
    /// The policy that restricts the examiner to dry-run.
    DryRunPolicy,
}

impl Enforcer {
    /// Returns true if the API server's message names this enforcer.
    pub fn has_refused(self, words: &str) -> bool {
        match self {
            Self::PodSecurity => words.contains("violates PodSecurity"),
            // The API server's own plugin does the same for all namespaces, and comes first.
            Self::Policy(SERVICES) => words.contains(SERVICES) || words.contains("external IPs is denied"),
            // At `restricted` it asks the same, and comes first.
            Self::Policy(RAW_SOCKETS) => words.contains(RAW_SOCKETS) || Self::PodSecurity.has_refused(words),
            Self::Policy(name) => words.contains(name),
            Self::DryRunPolicy => words.contains(DRY_RUN_POLICY),
            Self::Quota(amount) => words.contains("exceeded quota") && words.contains(amount),
        }
    }

    /// Returns its title for an attempt in this namespace.
    pub fn title(self, namespace: &str) -> String {
        match self {
            Self::PodSecurity => format!("Pod Security in namespace {namespace}"),
            Self::Policy(name) => format!("ValidatingAdmissionPolicy {name}"),
            Self::DryRunPolicy => format!("ValidatingAdmissionPolicy {DRY_RUN_POLICY}"),
            Self::Quota(_) => format!("the ResourceQuota of namespace {namespace}"),
        }
    }

    /// Returns the restricted identity.
    pub fn whom(self) -> &'static str {
        match self {
            Self::DryRunPolicy => "the operator's examiner",
            _ => "the tenant's people",
        }
    }
}

/// Something that a tenant's people must not do.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// The action, after "may".
    pub what: &'static str,
    pub enforcer: Enforcer,
    pub make: Make,
}

/// The examiner's own forbidden act, by dry run too: it removes the ConfigMap that Kubernetes puts into every namespace.
pub const REMOVAL: (&str, Enforcer, &str) = (
    "remove what it did not make",
    Enforcer::DryRunPolicy,
    "kube-root-ca.crt",
);

/// An object to make in a namespace of the tenant.
#[derive(Clone, Debug)]
pub struct Make {
    pub resource: ApiResource,
    pub object: Value,
}

/// Returns the control, which the API server must accept; otherwise refusals prove nothing.
pub fn control() -> Make {
    make::<ConfigMap>(json!({"metadata": {"generateName": NAME}}))
}

/// Returns the attempts that the API server must refuse in every tenant.
pub fn attempts(subject: &AdmissionSubject) -> Vec<Attempt> {
    let attempt = |what, enforcer, make| Attempt { what, enforcer, make };
    let policy = Enforcer::Policy;
    let with = |change: fn(&mut Value)| {
        let mut pod = pod(subject);
        change(&mut pod);
        make::<Pod>(pod)
    };
    let service = |spec: Value| make::<Service>(json!({"metadata": {"generateName": NAME}, "spec": spec}));
    let ports = json!([{"port": 80}]);
    let mut attempts = vec![
        attempt(
            "run a privileged container",
            Enforcer::PodSecurity,
            with(|pod| {
                pod["spec"]["containers"][0]["securityContext"] = json!({"privileged": true});
            }),
        ),
        attempt(
            "mount a folder of the node",
            Enforcer::PodSecurity,
            with(|pod| pod["spec"]["volumes"] = json!([{"name": "node", "hostPath": {"path": "/"}}])),
        ),
        attempt(
            "name the node of a pod",
            policy("tenant-operator-pods"),
            with(|pod| pod["spec"]["nodeName"] = json!(NAME)),
        ),
        attempt(
            "tolerate every taint",
            policy("tenant-operator-pods"),
            with(|pod| pod["spec"]["tolerations"] = json!([{"operator": "Exists"}])),
        ),
        attempt(
            "keep raw sockets in a container",
            policy(RAW_SOCKETS),
            with(|pod| pod["spec"]["containers"][0]["securityContext"]["capabilities"] = json!({})),
        ),
        attempt(
            "make a Service with external IPs",
            policy(SERVICES),
            service(json!({"ports": ports, "externalIPs": ["192.0.2.1"]})),
        ),
        attempt(
            "make a Service of type ExternalName",
            policy(SERVICES),
            service(json!({"type": "ExternalName", "externalName": "example.com"})),
        ),
        attempt(
            "claim a volume by its name",
            policy("tenant-operator-claims"),
            make::<PersistentVolumeClaim>(json!({"metadata": {"generateName": NAME}, "spec": {
                "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1"}},
                "storageClassName": storage_class(subject), "volumeName": NAME,
            }})),
        ),
        attempt(
            "claim a volume of no class by the older annotation",
            policy("tenant-operator-claims"),
            make::<PersistentVolumeClaim>(json!({"metadata": {"generateName": NAME, "annotations": {
                "volume.beta.kubernetes.io/storage-class": ""}}, "spec": {
                "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1"}},
                "storageClassName": storage_class(subject),
            }})),
        ),
        attempt(
            "mount a volume of any CSI driver",
            policy("tenant-operator-volumes"),
            with(|pod| pod["spec"]["volumes"] = json!([{"name": "csi", "csi": {"driver": "driver.invalid"}}])),
        ),
        attempt(
            "pull an image from an address",
            policy("tenant-operator-images"),
            with(|pod| pod["spec"]["containers"][0]["image"] = json!("192.0.2.1/image:1")),
        ),
        attempt(
            "let everybody in by a NetworkPolicy",
            policy("tenant-operator-network-policies"),
            make::<NetworkPolicy>(
                json!({"metadata": {"generateName": NAME}, "spec": {"podSelector": {}, "ingress": [{}]}}),
            ),
        ),
        attempt(
            "forge the operator's marks",
            policy("tenant-operator-managed"),
            make::<ConfigMap>(json!({"metadata": {"generateName": NAME, "labels": {names::TENANT: NAME}}})),
        ),
        // Permissions that the examiner itself holds there, so that RBAC does not refuse it first.
        attempt(
            "let everybody in by a RoleBinding",
            policy("tenant-operator-bindings"),
            make::<RoleBinding>(json!({
                "metadata": {"generateName": NAME},
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": names::EXAMINER_ROLE},
                "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "system:authenticated"}],
            })),
        ),
    ];
    let types = subject.allowed.service_types.as_deref().unwrap_or_default();
    if !types.contains(&ServiceType::NodePort) {
        attempts.push(attempt(
            "make a Service of type NodePort",
            policy(SERVICES),
            service(json!({"type": "NodePort", "ports": ports})),
        ));
    }
    let classes = subject.allowed.ingress_classes.as_deref();
    if classes.is_none_or(|classes| !classes.is_empty()) {
        let backend = json!({"service": {"name": NAME, "port": {"number": 80}}});
        let paths = json!([{"path": "/", "pathType": "Prefix", "backend": backend}]);
        // One is named always: without any, another policy may refuse first.
        let class = classes.and_then(<[String]>::first).map_or(NAME, String::as_str);
        let rules = json!([{"host": "host.invalid", "http": {"paths": paths}}]);
        attempts.push(attempt(
            "serve a host that is not its own",
            policy("tenant-operator-ingress-hosts"),
            make::<Ingress>(
                json!({"metadata": {"generateName": NAME}, "spec": {"ingressClassName": class, "rules": rules}}),
            ),
        ));
    }
    if subject.allowed.image_registries.is_some() {
        attempts.push(attempt(
            "run an image of any registry",
            policy("tenant-operator-images"),
            with(|pod| pod["spec"]["containers"][0]["image"] = json!("registry.invalid/image:1")),
        ));
    }
    attempts
}

/// More than the tenant's quota has; None where it bounds nothing that one pod or claim could exceed.
pub fn excess(subject: &AdmissionSubject) -> Option<Attempt> {
    let above = |key: &str| {
        let hard = Amount::parse(&subject.quota.get(key)?.0).ok()?;
        Some(hard.plus(Amount::whole(1)).to_string())
    };
    let amount = AMOUNTS.into_iter().find_map(|key| {
        let resource = key.split('.').next_back()?;
        let amounts = json!({resource: above(key)?});
        let mut pod = pod(subject);
        pod["spec"]["containers"][0]["resources"] = json!({"requests": amounts, "limits": amounts});
        Some((key, make::<Pod>(pod)))
    });
    let storage = || {
        let claim = json!({"metadata": {"generateName": NAME}, "spec": {
            "accessModes": ["ReadWriteOnce"], "storageClassName": storage_class(subject),
            "resources": {"requests": {"storage": above(STORAGE)?}},
        }});
        Some((STORAGE, make::<PersistentVolumeClaim>(claim)))
    };
    let (key, make) = amount.or_else(storage)?;
    Some(Attempt {
        what: "ask for more than its quota has",
        enforcer: Enforcer::Quota(key),
        make,
    })
}

fn make<K: kube::Resource<DynamicType = ()>>(mut object: Value) -> Make {
    let resource = ApiResource::erase::<K>(&());
    object["apiVersion"] = json!(resource.api_version);
    object["kind"] = json!(resource.kind);
    Make { resource, object }
}

/// A pod that nothing but the quota has a word about.
fn pod(subject: &AdmissionSubject) -> Value {
    let (allowed, placement) = (&subject.allowed, &subject.placement);
    let registry = allowed.image_registries.iter().flatten().next();
    let image = registry.map_or_else(|| format!("{NAME}:1"), |registry| format!("{registry}/{NAME}:1"));
    let policy = allowed.image_pull_policies.iter().flatten().next().copied();
    let runtime = allowed.runtime_classes.iter().flatten().next().cloned();
    json!({"metadata": {"generateName": NAME}, "spec": {
        "automountServiceAccountToken": false,
        "securityContext": hardening::pod(None),
        "nodeSelector": placement.node_selector,
        "tolerations": placement.tolerations,
        "affinity": placement.affinity,
        "priorityClassName": placement.priority_class_name,
        "runtimeClassName": placement.runtime_class_name.clone().or(runtime),
        "containers": [{
            "name": "examination", "image": image,
            "imagePullPolicy": policy.unwrap_or(ImagePullPolicy::IfNotPresent),
            "securityContext": hardening::container(None),
        }],
    }})
}

fn storage_class(subject: &AdmissionSubject) -> String {
    let allowed = subject.allowed.storage_classes.iter().flatten().next();
    allowed.map_or_else(|| NAME.into(), String::clone)
}

#[cfg(test)]
#[path = "attempts_test.rs"]
mod tests;
