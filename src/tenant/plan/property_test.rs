//! What holds for every valid Tenant.

use super::*;
use crate::api::{Tenant, TenantTier};
use crate::capability::World;
use crate::cluster::Kind;
use crate::dns::DnsSettings;
use crate::quantity::Amount;
use crate::tenant::fixtures::{ID, plan, platform, tier, validate, world};
use crate::testing::lay_over;
use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use proptest::collection::{btree_set, vec};
use proptest::option;
use proptest::prelude::*;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// Keys of a quota with the unit of what is generated for them.
const KEYS: [(&str, &str); 6] = [
    ("requests.cpu", "m"),
    ("limits.cpu", "m"),
    ("requests.memory", "Ki"),
    ("pods", ""),
    ("requests.storage", "M"),
    ("count/jobs.batch", ""),
];

/// For each key: what the tenant has, and the thousandth part that each further namespace names, if it does.
type Quota = Vec<Option<(u32, Vec<Option<u32>>)>>;

fn quota() -> impl Strategy<Value = Quota> {
    vec(
        option::of((0u32..2_000_000, vec(option::of(0u32..=1000), 5))),
        KEYS.len(),
    )
}

fn figures() -> impl Strategy<Value = Value> {
    // A request and a limit, in that order where both are there.
    let pair = |unit: &'static str| {
        (option::of(1u32..4000), option::of(1u32..4000)).prop_map(move |(a, b)| match (a, b) {
            (Some(a), Some(b)) => (Some(format!("{}{unit}", a.min(b))), Some(format!("{}{unit}", a.max(b)))),
            (a, b) => (a.map(|a| format!("{a}{unit}")), b.map(|b| format!("{b}{unit}"))),
        })
    };
    (pair("m"), pair("Mi"), pair("Mi")).prop_map(|(cpu, memory, disk)| {
        let (mut requests, mut limits) = (Map::new(), Map::new());
        for (key, (request, limit)) in [("cpu", cpu), ("memory", memory), ("ephemeral-storage", disk)] {
            requests.extend(request.map(|amount| (key.to_string(), json!(amount))));
            limits.extend(limit.map(|amount| (key.to_string(), json!(amount))));
        }
        json!({"requests": requests, "limits": limits})
    })
}

prop_compose! {
    fn workload(name: String)(
        name in Just(name),
        resources in option::of(figures()),
        scale in option::of(prop_oneof![
            (0i32..5).prop_map(|n| json!({"replicas": n})),
            (1i32..5, 0i32..5).prop_map(|(min, more)| json!({"autoscaling": {"minReplicas": min, "maxReplicas": min + more}})),
        ]),
        ports in option::of(btree_set(1u16..60000, 0..4)),
        claims in option::of(btree_set("[a-z0-9]{1,9}", 0..3)),
        reload in any::<bool>(),
    ) -> Value {
        let mut workload = json!({"name": name, "image": format!("{name}:1")});
        if let Some(resources) = resources {
            workload["resources"] = resources;
        }
        lay_over(&mut workload, scale.unwrap_or(json!({})));
        if let Some(ports) = ports {
            workload["ports"] = ports.into_iter().map(|p| json!({"name": format!("p{p}"), "containerPort": p})).collect();
        }
        if let Some(claims) = claims {
            let claim = |name| json!({"name": name, "mountPath": format!("/{name}"), "storage": "1Gi"});
            workload["volumeClaims"] = claims.into_iter().map(claim).collect();
        }
        if reload {
            workload["configurationUpdate"] = json!("Reload");
        }
        workload
    }
}

fn workloads() -> impl Strategy<Value = Vec<Value>> {
    btree_set("[a-z]([a-z0-9]{0,8}[a-z0-9])?", 0..4)
        .prop_map(|names| names.into_iter().filter(|name| name != "default").collect::<Vec<_>>())
        .prop_flat_map(|names| names.into_iter().map(workload).collect::<Vec<_>>())
}

prop_compose! {
    /// A Tenant and its tier, always valid.
    fn tenants()(
        name in "[a-z0-9]([-a-z0-9]{0,40}[a-z0-9])?".prop_filter("reserved", |name| !name.starts_with("kube-") && DnsSettings::default().suffix(name).is_none()),
        namespaces in btree_set("[a-z0-9]([-a-z0-9]{0,6}[a-z0-9])?", 0..6),
        quota in quota(),
        by_tier in any::<bool>(),
        model in prop::sample::select(vec!["DedicatedApplication", "DedicatedNodes"]),
        own in workloads(),
        tiers in workloads(),
        defaults in option::of(figures()),
        configuration in option::of(btree_set("[a-zA-Z0-9_.-]{1,10}", 0..5)),
        suspend in any::<bool>(),
        peers in btree_set("[a-z]{1,5}", 0..3),
        owners in vec(("[a-zA-Z@. ]{1,12}", prop::sample::select(vec!["User", "Group"]), prop::sample::select(vec!["Admin", "Editor", "Viewer"])), 0..5),
        access in vec(prop::sample::select(vec!["Allow", "Deny"]), 3),
    ) -> (Tenant, TenantTier) {
        let (mut total, mut named) = (Map::new(), vec![Map::new(); namespaces.len()]);
        for ((key, unit), amounts) in KEYS.iter().zip(quota) {
            let Some((whole, parts)) = amounts else { continue };
            total.insert(key.to_string(), json!(format!("{whole}{unit}")));
            for (share, part) in named.iter_mut().zip(parts) {
                let most = u64::from(whole) * u64::from(part.unwrap_or_default()) / 1000 / 5;
                share.extend(part.map(|_| (key.to_string(), json!(format!("{most}{unit}")))));
            }
        }
        let mut plan = json!({"workloads": tiers});
        if let Some(defaults) = defaults {
            plan["containerDefaults"] = defaults;
        }
        let mut spec = json!({
            "id": ID,
            "tier": "plan",
            "isolation": {"model": model},
            "namespaces": namespaces.iter().zip(named).map(|(name, quota)| json!({"name": name, "quota": quota})).collect::<Vec<_>>(),
            "workloads": own,
            "suspend": suspend,
            "owners": owners.iter().map(|(name, kind, role)| json!({"name": name, "kind": kind, "role": role})).collect::<Vec<_>>(),
            "network": {
                "ingress": {"gateway": access[0], "tenants": peers.iter().filter(|peer| **peer != name).map(|peer| json!({"name": peer})).collect::<Vec<_>>()},
                "egress": {"internet": access[1], "apiServer": access[2]},
            },
        });
        *(if by_tier { &mut plan["quota"] } else { &mut spec["quota"] }) = Value::Object(total);
        if let Some(keys) = configuration {
            spec["configuration"] = keys.into_iter().map(|key| (key.clone(), json!(key))).collect::<Map<_, _>>().into();
        }
        let spec = serde_json::from_value(spec).expect("a Tenant's spec");
        (Tenant::new(&name, spec), tier(plan))
    }
}

fn amount(value: &Value) -> Amount {
    Amount::parse(value.as_str().expect("a quantity")).expect("a quantity")
}

fn map(value: &Value) -> &Map<String, Value> {
    value.as_object().expect("an object")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]

    #[test]
    fn every_valid_tenant_has_a_plan((tenant, tier) in tenants()) {
        let valid = match validate(&tenant, &tier, &world(&[])) {
            Ok(valid) => valid,
            Err(reasons) => return Err(TestCaseError::fail(format!("{reasons:#?}"))),
        };
        let environment = plan(&valid, &platform());

        // Names are valid and each is there once.
        let mut keys = BTreeSet::new();
        for object in environment.objects() {
            prop_assert!(crate::syntax::is_dns_label(&object.key.name), "{}", object.key);
            prop_assert!(object.key.namespace.is_empty() || crate::syntax::is_dns_label(&object.key.namespace), "{}", object.key);
            prop_assert!(keys.insert(object.key.clone()), "{} is there twice", object.key);
        }
        let namespaces = environment.stage(Stage::Namespaces);
        let namespaces: BTreeSet<&str> = namespaces.iter().map(|object| object.key.name.as_str()).collect();
        prop_assert_eq!(namespaces.len(), tenant.spec.namespaces.len() + 1);
        let wide = environment.objects().filter(|object| object.key.namespace.is_empty());
        prop_assert!(wide.into_iter().all(|object| object.key.kind == Kind::Namespace), "of what has no namespace only namespaces");
        let outside = environment.objects().filter(|object| !object.key.namespace.is_empty() && !namespaces.contains(&*object.key.namespace));
        prop_assert_eq!(outside.count(), environment.stage(Stage::Claims).len(), "nothing but claims outside of the tenant's namespaces");

        // Every quota has every key, and each key's shares are all of it.
        let bounds = environment.stage(Stage::Bounds);
        let quotas: Vec<&Map<String, Value>> =
            bounds.iter().filter(|o| o.key.kind == Kind::ResourceQuota).map(|o| map(&o.value["spec"]["hard"])).collect();
        prop_assert_eq!(quotas.len(), namespaces.len());
        for (key, whole) in &valid.core.quota {
            let sum = quotas.iter().map(|hard| amount(&hard[key])).fold(Amount::ZERO, Amount::plus);
            let stopped = valid.core.suspend && matches!(key.as_str(), "pods" | "count/jobs.batch");
            let whole = Amount::parse(&whole.0).expect("a quantity");
            let named = tenant.spec.namespaces.iter().filter(|namespace| namespace.quota.contains_key(key)).count();
            prop_assert!(named <= tenant.spec.namespaces.len());
            prop_assert_eq!(sum, if stopped { Amount::ZERO } else { whole }, "{}", key);
        }
        for hard in &quotas {
            prop_assert!(hard.keys().eq(quotas[0].keys()));
            prop_assert!(hard.values().all(|value| !amount(value).is_negative()));
        }

        // No container asks for more than it may have, whatever was left out.
        for deployment in environment.stage(Stage::Workloads).iter().filter(|o| o.key.kind == Kind::Deployment) {
            let container = &deployment.value["spec"]["template"]["spec"]["containers"][0];
            let (requests, limits) = (map(&container["resources"]["requests"]), map(&container["resources"]["limits"]));
            for key in ["cpu", "memory", "ephemeral-storage"] {
                prop_assert!(requests.contains_key(key) && limits.contains_key(key), "{}: no {}", deployment.key, key);
                prop_assert!(amount(&requests[key]) <= amount(&limits[key]), "{}: {} of {:?}", deployment.key, key, container);
            }
        }
        for limits in bounds.iter().filter(|o| o.key.kind == Kind::LimitRange) {
            let item = &limits.value["spec"]["limits"][0];
            for (key, limit) in map(&item["default"]) {
                prop_assert!(amount(&item["defaultRequest"][key]) <= amount(limit), "{}", key);
            }
        }

        // The same again is the same.
        let again = plan(&validate(&tenant, &tier, &world(&[])).expect("valid"), &platform());
        prop_assert!(environment.objects().map(|o| o.value.to_string()).eq(again.objects().map(|o| o.value.to_string())));
    }

    #[test]
    fn no_destination_opens_what_must_stay_closed(
        to in net(),
        cluster in vec(net(), 0..4),
    ) {
        let spec = json!({"id": ID, "tier": "plan", "network": {"egress": {"to": [{"cidr": to.trunc().to_string()}]}}});
        let tenant = Tenant::new("acme", serde_json::from_value(spec).expect("a spec"));
        let world = World { cluster_cidrs: cluster.clone(), ..World::default() };
        let Ok(valid) = validate(&tenant, &tier(json!({})), &world) else { return Ok(()) };
        let metadata = ["169.254.169.254/32", "168.63.129.16/32", "fd00:ec2::254/128"].map(|net| net.parse::<IpNet>().expect("a CIDR"));
        for destination in &valid.core.network.to {
            prop_assert!(destination.except.iter().all(|net| destination.cidr.contains(net) && *net != destination.cidr));
            for closed in cluster.iter().chain(&metadata) {
                let apart = !destination.cidr.contains(closed) && !closed.contains(&destination.cidr);
                prop_assert!(apart || destination.except.iter().any(|net| net.contains(&closed.trunc())), "{} opens {}", to, closed);
            }
        }
    }
}

/// Addresses that often lie within each other.
fn net() -> impl Strategy<Value = IpNet> {
    let v4 = (
        prop::sample::select(vec![10u8, 168, 169, 203]),
        prop::sample::select(vec![0u8, 63, 128, 254]),
        0u8..=32,
    )
        .prop_map(|(a, b, length)| IpNet::V4(Ipv4Net::new([a, b, 0, 0].into(), length).expect("a length")));
    let v6 = (
        prop::sample::select(vec![0xfd00u16, 0x2001]),
        prop::sample::select(vec![0u16, 0xec2]),
        0u8..=128,
    )
        .prop_map(|(a, b, length)| IpNet::V6(Ipv6Net::new([a, b, 0, 0, 0, 0, 0, 0].into(), length).expect("a length")));
    prop_oneof![v4, v6]
}
