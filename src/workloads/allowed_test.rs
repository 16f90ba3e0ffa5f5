//! What a tenant may name, of what its tier allows.

use super::*;
use crate::api::{ServiceType, TenantSpec, TenantTierSpec};
use crate::capability::allowed;

fn list(items: &[&str]) -> Option<Vec<String>> {
    Some(items.iter().map(ToString::to_string).collect())
}

fn judged(tiers: Allowed, own: Option<Allowed>, workloads: &[Workload]) -> (Allowed, Vec<String>) {
    let spec = TenantSpec {
        allowed: own,
        ..TenantSpec::default()
    };
    let tier = TenantTierSpec {
        allowed: Some(tiers),
        ..TenantTierSpec::default()
    };
    let mut errors = Vec::new();
    let allowed = allowed::resolve(&spec, &tier, &mut errors);
    check(
        &allowed,
        workloads,
        &tier.scheduling.clone().unwrap_or_default(),
        &mut errors,
    );
    (allowed, errors.iter().map(ToString::to_string).collect())
}

#[test]
fn a_tenant_narrows_and_never_widens() {
    let tiers = || Allowed {
        image_registries: list(&["ghcr.io/acme", "docker.io"]),
        storage_classes: list(&["fast"]),
        volume_attributes_classes: list(&["silver"]),
        annotations: list(&["prometheus.io/*", "example.com/note"]),
        ..Allowed::default()
    };
    let (allowed, errors) = judged(tiers(), None, &[]);
    assert_eq!((allowed.image_registries, errors), (tiers().image_registries, vec![]));
    assert_eq!(allowed.service_types, Some(vec![]), "none unless the tier names them");
    assert_eq!(allowed.csi_drivers, Some(vec![]), "nor drivers");
    let own = Allowed {
        image_registries: list(&["ghcr.io/acme/web"]),
        storage_classes: list(&[]),
        ingress_classes: list(&["public"]),
        annotations: list(&["prometheus.io/interval", "prometheus.io/*"]),
        ..Allowed::default()
    };
    let (allowed, errors) = judged(tiers(), Some(own.clone()), &[]);
    assert_eq!(errors, Vec::<String>::new());
    assert_eq!(
        (
            allowed.image_registries,
            allowed.storage_classes,
            allowed.ingress_classes
        ),
        (own.image_registries, own.storage_classes, own.ingress_classes)
    );
    let wide = Allowed {
        image_registries: list(&["ghcr.io/acme-evil", "ghcr.io"]),
        storage_classes: list(&["fast", "slow"]),
        volume_attributes_classes: list(&["gold"]),
        csi_drivers: list(&["secrets-store.csi.k8s.io"]),
        service_types: Some(vec![ServiceType::NodePort]),
        annotations: list(&["example.com/*", "prometheus.io.evil.org/x"]),
        ..Allowed::default()
    };
    let (_, errors) = judged(tiers(), Some(wide), &[]);
    let fields = [
        "imageRegistries[0]",
        "imageRegistries[1]",
        "storageClasses[1]",
        "volumeAttributesClasses[0]",
        "csiDrivers[0]",
        "serviceTypes[0]",
        "annotations[0]",
        "annotations[1]",
    ];
    assert_eq!(errors.len(), fields.len(), "{errors:?}");
    for (error, field) in errors.iter().zip(fields) {
        assert!(error.contains(&format!("spec.allowed.{field}")), "{error}");
    }
    assert!(
        errors[5].contains("NodePort is not allowed by the tier, which allows none"),
        "{}",
        errors[5]
    );
}

#[test]
fn images_are_judged_as_the_runtime_reads_them() {
    let cases = [
        ("nginx", "docker.io/library", true),
        ("nginx:1.27", "docker.io/library/nginx", false),
        ("bitnami/nginx", "docker.io/bitnami", true),
        ("bitnami/nginx", "docker.io/bit", false),
        ("localhost/a:1", "localhost", true),
        ("registry:5000/a", "registry:5000", true),
        ("registry.example.com.evil.io/a", "registry.example.com", false),
        ("ghcr.io/acme/web@sha256:abc", "ghcr.io/acme", true),
        ("Evil/a", "docker.io", false),
        ("docker.io/nginx", "docker.io/library", true),
        ("docker.io/nginx:1.27", "docker.io/library", true),
        ("docker.io/nginx@sha256:abc", "docker.io/library", true),
        ("docker.io/library/nginx", "docker.io/library", true),
        ("docker.io/bitnami/nginx", "docker.io/library", false),
        ("docker.io/libraryx/nginx", "docker.io/library", false),
        ("library/nginx", "docker.io/library", true),
        ("index.docker.io/nginx:1", "docker.io/library", true),
        ("index.docker.io/library/nginx", "docker.io/library", true),
        ("index.docker.io/bitnami/nginx", "docker.io/bitnami", true),
        ("index.docker.io/bitnami/nginx", "docker.io/library", false),
        ("bitnami/nginx", "index.docker.io/bitnami", true),
        ("nginx", "index.docker.io", true),
        ("index.docker.io.evil.io/nginx", "docker.io/library", false),
        ("registry-1.docker.io/library/nginx", "docker.io/library", false),
        ("Docker.io/nginx", "docker.io/library", false),
        ("docker.io:443/nginx", "docker.io/library", false),
        ("localhost/nginx", "docker.io/library", false),
    ];
    for (image, bound, fits) in cases {
        let workload = Workload {
            name: "web".into(),
            image: Some(image.into()),
            ..Workload::default()
        };
        let tiers = Allowed {
            image_registries: list(&[bound]),
            ..Allowed::default()
        };
        let (_, errors) = judged(tiers, None, &[workload]);
        assert_eq!(errors.is_empty(), fits, "{image} in {bound}: {errors:?}");
    }
}

#[test]
fn an_image_of_a_registry_within_the_cluster_needs_to_be_allowed() {
    let judge = |image: &str, tiers: Allowed| {
        let workload = Workload {
            name: "web".into(),
            image: Some(image.into()),
            ..Workload::default()
        };
        judged(tiers, None, &[workload]).1
    };
    let internal = [
        "127.0.0.1/a",
        "10.0.0.1:8080/a",
        "[::1]:5000/a",
        "localhost/a",
        "LOCALHOST/a",
        "registry:5000/a",
        "2130706433:80/a",
        "127.1/a",
        "0x7f.1/a",
        "web.acme.svc/a",
        "web.acme.SVC:80/a",
        "web.acme.svc.cluster.local/a",
        "10-0-0-1.acme.pod:80/a",
        "kubernetes.default:443/a",
        "node.internal/a",
    ];
    for image in internal {
        let errors = judge(image, Allowed::default());
        assert!(
            errors.len() == 1 && errors[0].contains("within the cluster"),
            "{image}: {errors:?}"
        );
        let (registry, _) = image.split_once('/').expect("a registry");
        let tiers = Allowed {
            image_registries: list(&[registry]),
            ..Allowed::default()
        };
        assert_eq!(judge(image, tiers), Vec::<String>::new(), "{image}");
    }
    for image in [
        "nginx",
        "bitnami/nginx",
        "ghcr.io/acme/web:1",
        "registry.example.com:5000/a",
        "registry.xn--p1ai/a",
        "svc.example.com/a",
    ] {
        assert_eq!(judge(image, Allowed::default()), Vec::<String>::new(), "{image}");
    }
}

#[test]
fn an_ephemeral_volume_is_of_an_allowed_class_in_either_spelling() {
    let judge = |metadata: serde_json::Value, class: Option<&str>| {
        let claim = serde_json::json!({"metadata": metadata, "spec": {"storageClassName": class}});
        let workload = serde_json::from_value(serde_json::json!({
            "name": "web", "image": "web:1", "volumes": [{"name": "v", "ephemeral": {"volumeClaimTemplate": claim}}]}));
        let tiers = Allowed {
            storage_classes: list(&["fast"]),
            ..Allowed::default()
        };
        judged(tiers, None, &[workload.expect("a workload")]).1
    };
    let older = |class: &str| serde_json::json!({"annotations": {"volume.beta.kubernetes.io/storage-class": class}});
    assert!(judge(serde_json::json!({}), Some("fast")).is_empty());
    assert!(judge(older("fast"), None).is_empty());
    for errors in [
        judge(serde_json::json!({}), Some("slow")),
        judge(older("slow"), Some("fast")),
        judge(older(""), Some("fast")),
    ] {
        assert!(
            errors.len() == 1 && errors[0].contains("storageClassName"),
            "{errors:?}"
        );
    }
}

#[test]
fn the_policy_of_an_image_that_says_none_is_kubernetes() {
    let always = ["nginx", "nginx:latest", "registry:5000/nginx"];
    for image in always {
        assert_eq!(default_policy(image), ImagePullPolicy::Always, "{image}");
    }
    for image in [
        "nginx:1",
        "registry:5000/nginx:1",
        "nginx@sha256:abc",
        "nginx:latest@sha256:abc",
    ] {
        assert_eq!(default_policy(image), ImagePullPolicy::IfNotPresent, "{image}");
    }
}

#[test]
fn workloads_that_admission_would_refuse_are_refused_before() {
    let workload = Workload {
        name: "web".into(),
        image: Some("nginx:1".into()),
        ..Workload::default()
    };
    let tiers = Allowed {
        image_pull_policies: Some(vec![ImagePullPolicy::Always]),
        runtime_classes: list(&["gvisor"]),
        priority_classes: list(&[]),
        ..Allowed::default()
    };
    let (_, errors) = judged(tiers, None, &[workload]);
    assert_eq!(errors.len(), 2, "{errors:?}");
    assert!(
        errors[0].contains("imagePullPolicy IfNotPresent is not allowed; allowed: Always"),
        "{errors:?}"
    );
    assert!(
        errors[1].contains("runtimeClassName") && errors[1].contains("is absent, but the allowed values are gvisor"),
        "{errors:?}"
    );
}
