//! What is tried follows what the tenant may.

use super::*;
use crate::tenant::fixtures::acme;
use k8s_openapi::api::core::v1::Pod;

fn subject(spec: Value, tier: Value) -> Subject {
    Subject::all(&acme(spec, tier).core).remove(0)
}

fn whats(subject: &Subject) -> Vec<&'static str> {
    deeds(subject).iter().map(|deed| deed.what).collect()
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
    for deed in deeds(&subject).iter().filter(|deed| deed.make.resource.kind == "Pod") {
        let differs = |field: &str| deed.make.object["spec"][field] != right["spec"][field];
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
            deed.what
        );
        // A pod that the API server could not read would be refused for that.
        serde_json::from_value::<Pod>(deed.make.object.clone()).expect(deed.what);
    }
    let claim = deeds(&subject)
        .into_iter()
        .find(|deed| deed.make.resource.kind == "PersistentVolumeClaim");
    assert_eq!(claim.expect("a claim").make.object["spec"]["storageClassName"], "fast");
}

#[test]
fn the_excess_is_one_more_than_the_quota_has() {
    let of = |quota: Value| excess(&subject(json!({"quota": quota}), json!({})));
    let amounts = |deed: &Deed| deed.make.object["spec"]["containers"][0]["resources"].clone();
    let cpu = of(json!({"requests.cpu": "1500m", "limits.memory": "1Gi"})).expect("a deed");
    assert_eq!(
        amounts(&cpu),
        json!({"requests": {"cpu": "2500m"}, "limits": {"cpu": "2500m"}})
    );
    let memory = of(json!({"limits.memory": "1Gi", "pods": 5})).expect("a deed");
    assert_eq!(
        amounts(&memory),
        json!({"requests": {"memory": "1073741825"}, "limits": {"memory": "1073741825"}})
    );
    let storage = of(json!({"requests.storage": "10Gi"})).expect("a deed");
    assert_eq!(storage.make.resource.kind, "PersistentVolumeClaim");
    assert!(of(json!({"pods": 5})).is_none());
    assert!(of(json!({})).is_none());
}
