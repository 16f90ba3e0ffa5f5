//! Attempts follow the tenant's permissions.

use super::*;
use crate::tenant::fixtures::acme;
use k8s_openapi::api::core::v1::{Capabilities, Pod};

fn subject(spec: Value, tier: Value) -> AdmissionSubject {
    AdmissionSubject::all(&acme(spec, tier).core).remove(0)
}

fn whats(subject: &AdmissionSubject) -> Vec<&'static str> {
    attempts(subject).iter().map(|attempt| attempt.what).collect()
}

#[test]
fn what_a_tenant_is_allowed_is_not_tried() {
    let plain = subject(json!({}), json!({}));
    assert!(whats(&plain).contains(&"make a Service of type NodePort"));
    assert!(!whats(&plain).contains(&"run an image of any registry"));
    let tier = json!({"allowed": {"serviceTypes": ["NodePort"], "imageRegistries": ["registry.example.com/team"]}});
    let other = subject(json!({}), tier);
    assert!(!whats(&other).contains(&"make a Service of type NodePort"));
    assert!(whats(&other).contains(&"run an image of any registry"));
    let served = "serve a host that is not its own";
    assert!(whats(&plain).contains(&served));
    let classless = subject(json!({}), json!({"allowed": {"ingressClasses": []}}));
    assert!(
        !whats(&classless).contains(&served),
        "its class is refused before its host is"
    );
}

#[test]
fn each_pod_is_wrong_in_one_thing_only() {
    let tier = json!({"allowed": {"imageRegistries": ["registry.example.com/team"], "imagePullPolicies": ["Always"],
                                  "runtimeClasses": ["gvisor"], "storageClasses": ["fast"]}});
    let subject = subject(json!({}), tier);
    let right = pod(&subject);
    let container = &right["spec"]["containers"][0];
    assert_eq!(
        container["image"],
        "registry.example.com/team/tenant-operator-examination:1"
    );
    assert_eq!(container["imagePullPolicy"], "Always");
    assert_eq!(right["spec"]["runtimeClassName"], "gvisor");
    for attempt in attempts(&subject)
        .iter()
        .filter(|attempt| attempt.make.resource.kind == "Pod")
    {
        let differs = |field: &str| attempt.make.object["spec"][field] != right["spec"][field];
        let fields = [
            "containers",
            "volumes",
            "nodeName",
            "tolerations",
            "runtimeClassName",
            "securityContext",
        ];
        assert_eq!(
            fields.into_iter().filter(|field| differs(field)).count(),
            1,
            "{}",
            attempt.what
        );
        // A pod that the API server could not read would be refused for that.
        serde_json::from_value::<Pod>(attempt.make.object.clone()).expect(attempt.what);
    }
    let claim = attempts(&subject)
        .into_iter()
        .find(|attempt| attempt.make.resource.kind == "PersistentVolumeClaim");
    assert_eq!(claim.expect("a claim").make.object["spec"]["storageClassName"], "fast");
}

#[test]
fn the_excess_is_one_more_than_the_quota_has() {
    let of = |quota: Value| excess(&subject(json!({"quota": quota}), json!({})));
    let amounts = |attempt: &Attempt| attempt.make.object["spec"]["containers"][0]["resources"].clone();
    let cpu = of(json!({"requests.cpu": "1500m", "limits.memory": "1Gi"})).expect("a attempt");
    assert_eq!(
        amounts(&cpu),
        json!({"requests": {"cpu": "2500m"}, "limits": {"cpu": "2500m"}})
    );
    let memory = of(json!({"limits.memory": "1Gi", "pods": 5})).expect("a attempt");
    assert_eq!(
        amounts(&memory),
        json!({"requests": {"memory": "1073741825"}, "limits": {"memory": "1073741825"}})
    );
    let storage = of(json!({"requests.storage": "10Gi"})).expect("a attempt");
    assert_eq!(storage.make.resource.kind, "PersistentVolumeClaim");
    assert!(of(json!({"pods": 5})).is_none());
    assert!(of(json!({})).is_none());
}

/// At `restricted` Pod Security comes before the policy, and asks for the same.
#[test]
fn raw_sockets_are_refused_by_either() {
    let subject = subject(json!({}), json!({}));
    let attempts = attempts(&subject);
    let attempt = attempts
        .iter()
        .find(|attempt| attempt.what == "keep raw sockets in a container")
        .expect("the attempt");
    let pod: Pod = serde_json::from_value(attempt.make.object.clone()).expect("a Pod");
    let container = pod.spec.expect("a spec").containers.remove(0);
    let kept = container.security_context.expect("a security context").capabilities;
    assert_eq!(kept, Some(Capabilities::default()));
    for (words, refused) in [
        (
            "ValidatingAdmissionPolicy 'tenant-operator-raw-sockets' with binding 'tenant-operator-raw-sockets' denied request",
            true,
        ),
        (
            r#"violates PodSecurity "restricted:latest": unrestricted capabilities (container "examination" must set securityContext.capabilities.drop=["ALL"])"#,
            true,
        ),
        (
            "ValidatingAdmissionPolicy 'tenant-operator-pods' with binding 'tenant-operator-pods' denied request",
            false,
        ),
    ] {
        assert_eq!(attempt.enforcer.has_refused(words), refused, "{words}");
    }
}
