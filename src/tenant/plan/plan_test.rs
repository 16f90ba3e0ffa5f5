//! What tenants become: snapshots, and the laws that every plan keeps.

use super::*;
use crate::api::{Tenant, TenantTier, yaml};
use crate::capability::Quarantine;
use crate::cluster::Kind;
use crate::names;
use crate::namespaces::ValidNamespaces;
use crate::tenant::fixtures::{
    self, acme, fixture, opening, part, plan, platform, valid, validate, world, world_with_services,
};
use serde_json::{Value, json};
use std::collections::BTreeSet;

fn tenant_a() -> ValidTenant {
    let tier: TenantTier = fixture("agentic-apisix/tier.yaml", "complete-isolation");
    valid(&fixture("agentic-apisix/tenant-a.yaml", "tenant-a"), &tier)
}

fn organisation(tier: &str) -> ValidTenant {
    let mut tenant: Tenant = fixture("riscura/tenant.yaml", "organisation");
    tenant.metadata.uid = Some("00000000-0000-0000-0000-000000000000".into());
    tenant.spec.tier = tier.into();
    tenant.spec.isolation = None;
    valid(&tenant, &fixture("riscura/tiers.yaml", tier))
}

fn everything() -> ValidTenant {
    let (tier, partner): (TenantTier, Tenant) = (
        fixture("everything/tier.yaml", "everything"),
        fixture("everything/partner.yaml", "partner"),
    );
    validate(
        &fixture("everything/tenant.yaml", "everything"),
        &tier,
        &world(&[&partner]),
    )
    .expect("valid")
}

fn partner() -> ValidTenant {
    let (tier, other): (TenantTier, Tenant) = (
        fixture("everything/tier.yaml", "everything"),
        fixture("everything/tenant.yaml", "everything"),
    );
    validate(&fixture("everything/partner.yaml", "partner"), &tier, &world(&[&other])).expect("valid")
}

fn suspended() -> ValidTenant {
    acme(
        json!({"suspend": true, "namespaces": [{"name": "b"}], "workloads": [
            {"name": "web", "image": "web:1", "replicas": 3},
            {"name": "api", "image": "api:1", "autoscaling": {"minReplicas": 2, "maxReplicas": 5}},
        ]}),
        json!({"quota": {"pods": 20}}),
    )
}

/// One that reaches two applications, by two ports of the first, in both of its namespaces.
fn reaching() -> ValidTenant {
    let mut plan = opening(&["models", "orders"]);
    let again = json!({"name": "training", "namespace": "applications", "service": "models", "port": 443});
    plan["gateway"]["applications"]
        .as_array_mut()
        .expect("a list")
        .push(again);
    plan["network"]["egress"]["applications"] = json!(["models", "training", "orders"]);
    let world = world_with_services(&[
        (
            "models",
            json!({"selector": {"app": "models"}, "ports": [{"port": 80, "targetPort": "http"}, {"port": 443, "targetPort": 8443}]}),
        ),
        (
            "orders",
            json!({"selector": {"app": "orders"}, "ports": [{"port": 80}]}),
        ),
    ]);
    let spec = json!({"namespaces": [{"name": "b"}]});
    validate(&fixtures::tenant(spec), &fixtures::tier(plan), &world).expect("valid")
}

/// Every tenant that the laws are held against.
fn all() -> Vec<(&'static str, ValidTenant)> {
    vec![
        ("tenant-a", tenant_a()),
        ("starter", organisation("starter")),
        ("professional", organisation("professional")),
        ("enterprise", organisation("enterprise")),
        ("everything", everything()),
        ("partner", partner()),
        ("suspended", suspended()),
        ("reaching", reaching()),
        ("least", acme(json!({}), json!({}))),
    ]
}

fn text(tenant: &ValidTenant) -> String {
    let documents: Vec<Value> = plan(tenant, &platform())
        .objects()
        .map(|object| object.value.clone())
        .collect();
    yaml(&documents).expect("YAML")
}

macro_rules! snapshot {
    ($name:ident, $tenant:expr) => {
        #[test]
        fn $name() {
            insta::assert_snapshot!(text(&$tenant));
        }
    };
}

snapshot!(the_seeds_tenant_a, tenant_a());
snapshot!(an_organisation_of_tier_starter, organisation("starter"));
snapshot!(an_organisation_of_tier_professional, organisation("professional"));
snapshot!(an_organisation_of_tier_enterprise, organisation("enterprise"));
snapshot!(a_tenant_with_everything, everything());
snapshot!(a_tenant_of_a_shared_application, partner());
snapshot!(a_suspended_tenant, suspended());

#[test]
fn a_tenant_that_reaches_applications() {
    let environment = plan(&reaching(), &platform());
    let is_for_applications =
        |object: &&Desired| object.key.kind == Kind::NetworkPolicy && is_of_applications(&object.key);
    let documents: Vec<Value> = environment
        .objects()
        .filter(is_for_applications)
        .map(|object| object.value.clone())
        .collect();
    insta::assert_snapshot!(yaml(&documents).expect("YAML"));
}

fn is_of_applications(key: &Key) -> bool {
    key.namespace == "applications" || key.name.ends_with("-allow-applications")
}

#[test]
fn the_same_tenant_gives_the_same_bytes() {
    for ((name, first), (_, second)) in all().into_iter().zip(all()) {
        assert_eq!(text(&first), text(&second), "{name}");
    }
}

/// The stage that an object belongs to by law 2.
fn stage(object: &Desired) -> usize {
    match object.key.kind {
        Kind::ConfigMap if object.key.namespace == platform().namespace => 0,
        Kind::Namespace => 1,
        Kind::RoleBinding if object.key.name == names::NAMESPACE_BINDING => 2,
        Kind::NetworkPolicy if object.key.namespace == "applications" => 5,
        Kind::ResourceQuota | Kind::LimitRange | Kind::NetworkPolicy => 3,
        Kind::ServiceAccount if object.key.name == "default" => 3,
        Kind::RoleBinding => 4,
        Kind::ConfigMap => 5,
        _ => 6,
    }
}

#[test]
fn objects_come_in_the_order_of_law_2() {
    for (name, tenant) in all() {
        let environment = plan(&tenant, &platform());
        let stages: Vec<usize> = environment.objects().map(stage).collect();
        assert!(stages.is_sorted(), "{name}: {stages:?}");
        for workload in &tenant.core.workloads {
            let at = |kind: Kind| {
                environment
                    .objects()
                    .position(|o| o.key.kind == kind && o.key.name == workload.name)
            };
            let deployment = at(Kind::Deployment).expect("a Deployment");
            assert!(
                at(Kind::ServiceAccount) < Some(deployment),
                "{name}: pods need their ServiceAccount"
            );
            let claims = environment
                .objects()
                .enumerate()
                .filter(|(_, o)| o.key.kind == Kind::PersistentVolumeClaim);
            for (i, claim) in claims.filter(|(_, o)| o.value["metadata"]["labels"][names::WORKLOAD] == workload.name) {
                assert!(i < deployment, "{name}: {}", claim.key);
            }
        }
    }
}

#[test]
fn every_object_is_marked_and_named_once() {
    for (name, tenant) in all() {
        let environment = plan(&tenant, &platform());
        let mut keys = BTreeSet::new();
        for object in environment.objects() {
            let metadata = &object.value["metadata"];
            assert!(keys.insert(object.key.clone()), "{name}: {} is there twice", object.key);
            assert_eq!(metadata["name"], object.key.name, "{name}");
            assert_eq!(
                metadata["namespace"].as_str().unwrap_or_default(),
                object.key.namespace,
                "{name}"
            );
            assert_eq!(
                metadata["labels"][names::TENANT],
                tenant.name(),
                "{name}: {}",
                object.key
            );
            assert_eq!(
                metadata["labels"][names::TENANT_ID],
                tenant.core.owner.id,
                "{name}: {}",
                object.key
            );
            assert_eq!(
                metadata["labels"][names::MANAGED_BY],
                names::MANAGER,
                "{name}: {}",
                object.key
            );
            assert_eq!(
                metadata["annotations"][names::OWNED_BY],
                tenant.core.owner.annotation(),
                "{name}: {}",
                object.key
            );
            assert!(metadata.get("ownerReferences").is_none(), "{name}: {}", object.key);
            assert!(
                object.value["kind"].is_string() && object.value["apiVersion"].is_string(),
                "{name}: {}",
                object.key
            );
            assert_eq!(object.value["kind"], object.key.kind.as_str());
        }
        let deployments = environment
            .objects()
            .filter(|object| object.key.kind == Kind::Deployment);
        for deployment in deployments {
            let template = &deployment.value["spec"]["template"]["metadata"];
            assert!(
                template["labels"].get(names::MANAGED_BY).is_none(),
                "{name}: {}",
                deployment.key
            );
            let selector = deployment.value["spec"]["selector"]["matchLabels"]
                .as_object()
                .expect("a selector");
            for (key, value) in selector {
                assert_eq!(&template["labels"][key], value, "{name}: {}", deployment.key);
            }
        }
    }
}

#[test]
fn only_a_default_service_account_is_ever_taken_over() {
    for (name, tenant) in all() {
        for object in plan(&tenant, &platform()).objects().filter(|object| object.takes_over) {
            assert_eq!(
                (object.key.kind, object.key.name.as_str()),
                (Kind::ServiceAccount, "default"),
                "{name}"
            );
            assert!(
                tenant
                    .core
                    .namespaces
                    .iter()
                    .any(|namespace| namespace.name == object.key.namespace),
                "{name}"
            );
        }
    }
}

/// Every `podSelector`, `namespaceSelector` and `ipBlock` of the policy's rules, with the rules' side.
fn peers_of(policy: &Value) -> Vec<&Value> {
    let rules = [("ingress", "from"), ("egress", "to")]
        .into_iter()
        .flat_map(|(side, who)| {
            let rules = policy["spec"][side].as_array().into_iter().flatten();
            rules.map(move |rule| {
                rule[who]
                    .as_array()
                    .unwrap_or_else(|| panic!("a rule for everyone: {rule}"))
            })
        });
    rules.flatten().collect()
}

#[test]
fn a_quarantine_leaves_one_policy_and_a_mark() {
    for (name, mut tenant) in all() {
        let before = plan(&tenant, &platform());
        let since = "2026-01-01T12:00:00Z".parse().expect("a time");
        tenant.core.quarantine = Some(Quarantine {
            since,
            found_by: "network-access".into(),
            clean_since: None,
        });
        let environment = plan(&tenant, &platform());
        let mut policies = environment
            .objects()
            .filter(|object| object.key.kind == Kind::NetworkPolicy);
        assert!(
            policies.all(|policy| policy.key.name == "tenant-operator-deny-all"),
            "{name}"
        );
        let mark = |object: &Desired| object.value["metadata"]["annotations"][names::QUARANTINED_SINCE].clone();
        assert!(
            before
                .stage(Stage::Namespaces)
                .iter()
                .all(|namespace| mark(namespace).is_null()),
            "{name}"
        );
        let mut namespaces = environment.stage(Stage::Namespaces).into_iter();
        assert!(
            namespaces.all(|namespace| mark(&namespace) == "2026-01-01T12:00:00Z"),
            "{name}"
        );
        // Nothing else is taken away.
        let rest = |environment: &Environment| {
            let objects = environment.objects().map(|object| object.key.clone());
            objects
                .filter(|key| key.kind != Kind::NetworkPolicy)
                .collect::<Vec<_>>()
        };
        assert_eq!(rest(&before), rest(&environment), "{name}");
    }
}

#[test]
fn network_policies_let_nobody_in_by_a_label_that_can_be_forged() {
    for (name, tenant) in all() {
        let environment = plan(&tenant, &platform());
        let policies = environment
            .objects()
            .filter(|object| object.key.kind == Kind::NetworkPolicy);
        for policy in policies {
            let is_for_every_pod = policy.value["spec"]["podSelector"] == json!({});
            // At an application, for its pods only.
            let is_at_application = policy.key.namespace == "applications";
            assert_ne!(is_for_every_pod, is_at_application, "{name}: {}", policy.key);
            for peer in peers_of(&policy.value) {
                if let Some(block) = peer.get("ipBlock") {
                    assert!(peer.get("podSelector").is_none() && peer.get("namespaceSelector").is_none());
                    assert!(block["cidr"].is_string());
                    continue;
                }
                let selector = &peer["namespaceSelector"];
                assert!(selector.get("matchLabels").is_none(), "{name}: {selector}");
                let [expression] = selector["matchExpressions"].as_array().expect("expressions").as_slice() else {
                    panic!("{name}: {selector}")
                };
                assert_eq!(
                    (&expression["key"], &expression["operator"]),
                    (&json!(names::NAMESPACE_NAME), &json!("In"))
                );
                assert!(
                    !expression["values"].as_array().expect("names").is_empty(),
                    "{name}: {}",
                    policy.key
                );
                if let Some(pods) = peer.get("podSelector") {
                    assert!(
                        !pods["matchLabels"].as_object().expect("labels").is_empty(),
                        "{name}: {}",
                        policy.key
                    );
                }
            }
        }
    }
}

#[test]
fn each_namespace_is_closed_before_it_is_opened() {
    for (name, tenant) in all() {
        let environment = plan(&tenant, &platform());
        let bounds = environment.stage(Stage::Bounds);
        for namespace in &tenant.core.namespaces {
            let inside = || bounds.iter().filter(|object| object.key.namespace == namespace.name);
            let closed: Vec<&Value> = inside()
                .map(|object| &object.value["spec"])
                .filter(|spec| **spec == json!({"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}))
                .collect();
            assert_eq!(closed.len(), 1, "{name}: {}", namespace.name);
            for kind in [Kind::ResourceQuota, Kind::LimitRange, Kind::ServiceAccount] {
                assert_eq!(
                    inside().filter(|object| object.key.kind == kind).count(),
                    1,
                    "{name}: {kind}"
                );
            }
            let namespaces = environment.stage(Stage::Namespaces);
            let labels = namespaces
                .iter()
                .find(|object| object.key.name == namespace.name)
                .map(|object| &object.value["metadata"]["labels"]);
            for mode in ["enforce", "audit", "warn"] {
                let label = format!("pod-security.kubernetes.io/{mode}");
                assert_eq!(
                    labels.expect("a namespace")[label],
                    part::<ValidNamespaces>(&tenant).pod_security.as_str(),
                    "{name}"
                );
            }
        }
    }
}

#[test]
fn a_workload_that_chooses_its_capabilities_has_no_raw_sockets() {
    for (own, expected) in [
        (
            json!({"add": ["NET_BIND_SERVICE"]}),
            json!({"add": ["NET_BIND_SERVICE"], "drop": ["NET_RAW"]}),
        ),
        (json!({"drop": ["CHOWN"]}), json!({"drop": ["CHOWN", "NET_RAW"]})),
        (json!({"drop": ["NET_RAW"]}), json!({"drop": ["NET_RAW"]})),
        (
            json!({"drop": ["ALL"], "add": ["CHOWN"]}),
            json!({"drop": ["ALL"], "add": ["CHOWN"]}),
        ),
    ] {
        let workload = json!({"name": "web", "image": "web:1", "securityContext": {"capabilities": own}});
        let tenant = acme(json!({"workloads": [workload]}), json!({"podSecurity": "baseline"}));
        let environment = plan(&tenant, &platform());
        let mut deployments = environment
            .objects()
            .filter(|object| object.key.kind == Kind::Deployment);
        let pod = &deployments.next().expect("a Deployment").value["spec"]["template"]["spec"];
        assert_eq!(pod["containers"][0]["securityContext"]["capabilities"], expected);
    }
}

#[test]
fn pods_get_no_token_and_no_more_rights_than_pod_security_restricted_has() {
    let tenant = acme(json!({"workloads": [{"name": "web", "image": "web:1"}]}), json!({}));
    let environment = plan(&tenant, &platform());
    let accounts = environment
        .objects()
        .filter(|object| object.key.kind == Kind::ServiceAccount);
    for account in accounts {
        assert_eq!(account.value["automountServiceAccountToken"], false, "{}", account.key);
    }
    let deployment = environment
        .objects()
        .find(|object| object.key.kind == Kind::Deployment)
        .expect("a Deployment");
    let pod = &deployment.value["spec"]["template"]["spec"];
    assert_eq!(pod["automountServiceAccountToken"], false);
    assert_eq!(pod["serviceAccountName"], "web");
    assert_eq!(
        pod["securityContext"],
        json!({"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}})
    );
    assert_eq!(
        pod["containers"][0]["securityContext"],
        json!({"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}})
    );
    let env: Vec<&Value> = pod["containers"][0]["env"].as_array().expect("env").iter().collect();
    assert_eq!(env[0], &json!({"name": "TENANT_ID", "value": tenant.core.owner.id}));
    assert_eq!(
        env[1],
        &json!({"name": "TENANT_NAME", "value": tenant.core.owner.tenant})
    );
}

fn deployments(tenant: &ValidTenant) -> Vec<Desired> {
    plan(tenant, &platform())
        .stage(Stage::Workloads)
        .into_iter()
        .filter(|object| object.key.kind == Kind::Deployment)
        .collect()
}

#[test]
fn dedicated_nodes_are_asked_for_and_tolerated_by_name() {
    let pods = |model: &str| {
        let spec = json!({"isolation": {"model": model}, "workloads": [{"name": "web", "image": "web:1"}]});
        deployments(&acme(spec, json!({}))).remove(0).value["spec"]["template"]["spec"].take()
    };
    let dedicated = pods("DedicatedNodes");
    assert_eq!(dedicated["nodeSelector"], json!({names::TENANT: "acme"}));
    assert_eq!(
        dedicated["tolerations"],
        json!([{"key": names::TENANT, "operator": "Equal", "value": "acme", "effect": "NoSchedule"}])
    );
    let shared = pods("DedicatedApplication");
    for field in ["nodeSelector", "tolerations", "affinity"] {
        assert!(shared.get(field).is_none(), "{field}");
    }
}

#[test]
fn a_changed_configuration_rolls_the_pods_that_want_it() {
    let digests = |configuration: Value| -> Vec<Option<String>> {
        let workloads = json!([
            {"name": "a", "image": "a:1"},
            {"name": "b", "image": "b:1", "configurationUpdate": "Reload"},
            {"name": "c", "image": "c:1", "configurationUpdate": "Restart"},
        ]);
        let tenant = acme(
            json!({"configuration": configuration, "workloads": workloads}),
            json!({}),
        );
        let digest = |deployment: &Desired| {
            let annotations = &deployment.value["spec"]["template"]["metadata"]["annotations"];
            annotations[names::CONFIGURATION_DIGEST].as_str().map(String::from)
        };
        deployments(&tenant).iter().map(digest).collect()
    };
    let (one, same, other) = (
        digests(json!({"a": 1, "b": 2})),
        digests(json!({"b": 2, "a": 1})),
        digests(json!({"a": 2, "b": 2})),
    );
    assert_eq!(one, same);
    assert!(one[0].is_some() && one[0] == one[2] && one[0] != other[0]);
    assert_eq!((&one[1], &other[1]), (&None, &None));
    assert_eq!(digests(Value::Null), [None, None, None]);
}

#[test]
fn workloads_find_their_features_beside_their_configuration() {
    let planned = |own: Value, of_tier: Value| {
        let spec = json!({"features": own, "workloads": [{"name": "a", "image": "a:1"}]});
        let tenant = acme(spec, json!({"features": of_tier}));
        let map = plan(&tenant, &platform())
            .stage(Stage::Configuration)
            .into_iter()
            .next();
        map.map(|map| map.value["data"].clone())
    };
    let of_tier = || json!({"default": ["b"], "allowed": ["a"]});
    let enabled = |enabled: bool| json!([{"name": "a", "enabled": enabled}, {"name": "b", "enabled": enabled}]);
    for (own, expected) in [
        (json!([]), r#"["b"]"#),
        (enabled(true), r#"["a","b"]"#),
        (enabled(false), "[]"),
    ] {
        assert_eq!(planned(own, of_tier()), Some(json!({"features.json": expected})));
    }
    assert_eq!(planned(json!([]), json!(null)), None, "a tier without features");
}

#[test]
fn a_tiers_configuration_reaches_the_pods() {
    let planned = |of_tier: Value| {
        let spec = json!({"configuration": {"b": {"own": 1}}, "workloads": [{"name": "a", "image": "a:1"}]});
        let tenant = acme(spec, json!({"configuration": of_tier}));
        let map = plan(&tenant, &platform()).stage(Stage::Configuration).remove(0);
        let annotations = &deployments(&tenant)[0].value["spec"]["template"]["metadata"]["annotations"];
        (
            map.value["data"].clone(),
            annotations[names::CONFIGURATION_DIGEST].clone(),
        )
    };
    let (data, digest) = planned(json!({"b": {"of": "tier"}, "a": 1}));
    assert_eq!(
        data,
        json!({"configuration.json": r#"{"a":1,"b":{"of":"tier","own":1}}"#})
    );
    assert_ne!(
        planned(json!({"b": {"of": "tier"}, "a": 2})).1,
        digest,
        "a change of the tier rolls the pods"
    );
}

#[test]
fn workloads_find_the_tiers_roles_beside_their_configuration() {
    let rendered = |configuration: Value, roles: Value| {
        let workloads = json!([{"name": "a", "image": "a:1"}]);
        let tenant = acme(
            json!({"configuration": configuration, "workloads": workloads}),
            json!({"roles": roles}),
        );
        let map = plan(&tenant, &platform())
            .stage(Stage::Configuration)
            .into_iter()
            .next();
        let pod = deployments(&tenant)[0].value["spec"]["template"].clone();
        let digest = pod["metadata"]["annotations"][names::CONFIGURATION_DIGEST].clone();
        let mounts = pod["spec"]["containers"][0]["volumeMounts"]
            .as_array()
            .map_or(0, Vec::len);
        (map.map(|map| map.value["data"].clone()), digest, mounts)
    };
    let roles = |permission: &str| json!([{"name": "agent", "permissions": [permission]}]);
    let (both, one, mounts) = rendered(json!({"a": 1}), roles("read"));
    let expected = json!({"configuration.json": r#"{"a":1}"#, "roles.json": r#"{"agent":["read"]}"#});
    assert_eq!((both, mounts), (Some(expected), 1));
    let (alone, without, mounts) = rendered(json!(null), roles("read"));
    assert_eq!(
        (alone, mounts),
        (Some(json!({"roles.json": r#"{"agent":["read"]}"#})), 1)
    );
    let other = rendered(json!({"a": 1}), roles("write")).1;
    let before = rendered(json!({"a": 1}), json!([])).1;
    assert!(
        one != other && one != before && one != without,
        "{one} {other} {before} {without}"
    );
    assert_eq!(before, json!(names::digest(br#"{"a":1}"#)), "no roles, no restart");
    assert_eq!(rendered(json!(null), json!([])), (None, Value::Null, 0));
}

#[test]
fn suspension_stops_everything_and_keeps_data() {
    let tenant = suspended();
    let environment = plan(&tenant, &platform());
    for quota in environment
        .stage(Stage::Bounds)
        .iter()
        .filter(|object| object.key.kind == Kind::ResourceQuota)
    {
        let hard = &quota.value["spec"]["hard"];
        assert_eq!(
            (&hard["pods"], &hard["count/jobs.batch"]),
            (&json!("0"), &json!("0")),
            "{}",
            quota.key
        );
    }
    for deployment in deployments(&tenant) {
        assert_eq!(deployment.value["spec"]["replicas"], 0, "{}", deployment.key);
        assert!(
            deployment.others.is_empty(),
            "{}: an autoscaler must not keep it running",
            deployment.key
        );
    }
}

#[test]
fn an_autoscaler_has_its_replicas_to_itself() {
    let workloads = json!([
        {"name": "auto", "image": "a:1", "autoscaling": {"minReplicas": 2, "maxReplicas": 5}},
        {"name": "fixed", "image": "a:1", "replicas": 3},
    ]);
    let tenant = acme(json!({"workloads": workloads}), json!({}));
    let [auto, fixed] = deployments(&tenant).try_into().expect("two");
    assert_eq!(
        (&auto.value["spec"]["replicas"], auto.others),
        (&json!(2), vec!["/spec/replicas"])
    );
    assert_eq!(
        (&fixed.value["spec"]["replicas"], fixed.others),
        (&json!(3), Vec::new())
    );
    let kinds = |name: &str| -> Vec<Kind> {
        let environment = plan(&tenant, &platform());
        environment
            .stage(Stage::Workloads)
            .iter()
            .filter(|object| object.key.name == name)
            .map(|object| object.key.kind)
            .collect()
    };
    assert!(kinds("auto").contains(&Kind::HorizontalPodAutoscaler));
    assert!(!kinds("fixed").contains(&Kind::HorizontalPodAutoscaler));
}

#[test]
fn what_the_platform_lacks_is_not_opened() {
    let spec = json!({"network": {"ingress": {"gateway": "Allow"}, "egress": {"apiServer": "Allow"}}});
    let tenant = acme(spec, json!({}));
    let names = |platform: &Platform| -> Vec<String> {
        let bounds = plan(&tenant, platform).stage(Stage::Bounds);
        bounds
            .iter()
            .filter(|o| o.key.kind == Kind::NetworkPolicy)
            .map(|o| o.key.name.clone())
            .collect()
    };
    let whole = names(&platform());
    let bare = names(&Platform {
        gateway_namespace: None,
        api_server: Vec::new(),
        ..platform()
    });
    let missing: Vec<&String> = whole.iter().filter(|name| !bare.contains(name)).collect();
    assert_eq!(
        missing,
        ["tenant-operator-allow-gateway", "tenant-operator-allow-api-server"]
    );
}
