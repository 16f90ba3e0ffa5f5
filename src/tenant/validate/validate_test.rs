//! Every refusal with its field and words, and what merging comes to.

use super::*;
use crate::api::{OwnerRole, PodSecurity, ResourceList, Workload};
use crate::database::ValidDatabase;
use crate::gateway::ReportedKeys;
use crate::namespaces::ValidNamespaces;
use crate::tenant::fixtures::{ID, acme, part, tenant, tier, valid, validate, world};
use crate::testing::lay_over;
use ipnet::IpNet;
use serde_json::{Value, json};

fn refusals(tenant: &Tenant, tier: &TenantTier, world: &World) -> Vec<Invalid> {
    match validate(tenant, tier, world) {
        Ok(_) => Vec::new(),
        Err(reasons) => reasons,
    }
}

/// Exactly one reason, at this field, with these words.
fn refused_as(reasons: &[Invalid], case: &str, field: &str, words: &[&str]) {
    let [reason] = reasons else {
        panic!("{case}: not one reason but {reasons:#?}")
    };
    assert_eq!(reason.field, field, "{case}: {reason}");
    for word in words {
        assert!(reason.message.contains(word), "{case}: {reason} lacks {word:?}");
    }
}

fn refused(case: &str, spec: Value, plan: Value, field: &str, words: &[&str]) {
    refused_as(&refusals(&tenant(spec), &tier(plan), &world(&[])), case, field, words);
}

#[test]
fn the_least_tenant_is_valid() {
    let valid = acme(json!({}), json!({}));
    assert_eq!(
        valid.core.owner,
        Identity {
            tenant: "acme".into(),
            id: ID.into()
        }
    );
    assert_eq!(valid.core.isolation, IsolationModel::DedicatedApplication);
    assert_eq!(part::<ValidNamespaces>(&valid).pod_security, PodSecurity::Restricted);
    assert_eq!(valid.core.namespaces.len(), 1);
    assert_eq!(valid.core.configuration, None);
    assert!(!valid.core.suspend);
}

#[test]
fn names() {
    let named = |name: &str, spec: Value| {
        let mut tenant = tenant(spec);
        tenant.metadata.name = Some(name.into());
        refusals(&tenant, &tier(json!({})), &world(&[]))
    };
    let longest = "a".repeat(53);
    assert_eq!(named(&longest, json!({})), []);
    for name in ["", "A", "a_b", "a.b", "-a", "a-", "ä", &"a".repeat(54)] {
        refused_as(&named(name, json!({})), name, "metadata.name", &["DNS label", "53"]);
    }
    refused_as(&named("kube-a", json!({})), "kube-", "metadata.name", &["kube-"]);

    assert_eq!(named(&longest, json!({"namespaces": [{"name": "b23456789"}]})), []);
    let long = named(
        &longest,
        json!({"namespaces": [{"name": "ok"}, {"name": "b234567890"}]}),
    );
    refused_as(&long, "63", "spec.namespaces[1].name", &["63", &longest]);
    let malformed = named("acme", json!({"namespaces": [{"name": "B"}]}));
    refused_as(
        &malformed,
        "upper case",
        "spec.namespaces[0].name",
        &["acme-B", "DNS label"],
    );
    let twice = named(
        "acme",
        json!({"namespaces": [{"name": "b"}, {"name": "c"}, {"name": "b"}]}),
    );
    refused_as(&twice, "twice", "spec.namespaces[2].name", &["twice"]);
}

#[test]
fn names_that_hosts_end_in() {
    let judged = |name: &str, spec: Value, world: &World| {
        let mut tenant = tenant(spec);
        tenant.metadata.name = Some(name.into());
        validate(&tenant, &tier(json!({})), world)
    };
    let mut world = world(&[]);
    world.dns.dns_suffixes = ["rt-tld".into(), "x-y".into()].into();
    world.dns.dns_exempt_suffixes = ["app".into()].into();
    world.server_suffixes = [("db-tld".into(), "pg-eu-1".into())].into();
    let none = || json!({"namespaces": []});
    for (name, words) in [
        ("svc", "the cluster's own Services"),
        ("pod", "the cluster's own Services"),
        ("cluster", "the cluster's own Services"),
        ("local", "the cluster's own Services"),
        ("com", "top-level domain"),
        ("xn--p1ai", "top-level domain"),
        ("dev", "top-level domain"),
        ("internal", "top-level domain"),
        ("rt-tld", "network.dns.suffixes"),
        ("db-tld", "DatabaseServer pg-eu-1"),
    ] {
        let reasons = judged(name, none(), &world).expect_err(name);
        refused_as(&reasons, name, "metadata.name", &[name, words, "network.dns.exempt"]);
    }
    for name in ["acme", "app", "com-acme", "rt"] {
        assert_eq!(
            captures(&judged(name, none(), &world).expect(name)),
            Vec::<String>::new(),
            "{name}"
        );
    }
    // A further namespace, which has the tenant's name before its own.
    let further = |name: &str| json!({"namespaces": [{"name": "ok"}, {"name": name}]});
    let reasons = judged("rt", further("tld"), &world).expect_err("rt-tld");
    refused_as(
        &reasons,
        "rt-tld",
        "spec.namespaces[1].name",
        &["rt-tld", "network.dns.suffixes"],
    );
    assert!(judged("acme", further("svc"), &world).is_ok(), "acme-svc ends no host");

    // A tenant that is there already keeps what it has, is told, and gets no more such namespaces.
    world.capturing_namespaces = ["com".into()].into();
    let kept = captures(&judged("com", none(), &world).expect("it is there"));
    assert_eq!(kept.len(), 1);
    assert!(
        kept[0].starts_with("namespace com ") && kept[0].contains("exists already"),
        "{:?}",
        kept
    );
    let reasons = judged("x", further("y"), &world).expect_err("a new one");
    refused_as(&reasons, "x-y", "spec.namespaces[1].name", &["x-y"]);
}

fn captures(tenant: &ValidTenant) -> Vec<String> {
    part::<ValidNamespaces>(tenant).captures.clone()
}

#[test]
fn ids() {
    for id in [
        "x",
        "3F0C6A52-6A0E-4F6E-9A55-0F6A4F1C2D11",
        "3f0c6a526a0e4f6e9a550f6a4f1c2d11",
        "3f0c6a52-6a0e-4f6e-9a55-0f6a4f1c2d1é",
    ] {
        refused(id, json!({"id": id}), json!({}), "spec.id", &["UUID"]);
    }
    let without = tenant(json!({"id": null}));
    refused_as(
        &refusals(&without, &tier(json!({})), &world(&[])),
        "no id at all",
        "spec.id",
        &["UUID"],
    );
}

#[test]
fn an_id_is_named_else_recorded_else_drawn() {
    let (named, recorded, drawn) = ("named", "recorded", "drawn");
    let mut tenant = tenant(json!({"id": named}));
    tenant.metadata.uid = Some(drawn.into());
    tenant.status = Some(crate::api::TenantStatus {
        id: Some(recorded.into()),
        ..Default::default()
    });
    assert_eq!(id(&tenant), Some(named));
    tenant.spec.id = None;
    assert_eq!(id(&tenant), Some(recorded));
    tenant.status = None;
    assert_eq!(id(&tenant), Some(drawn));
}

#[test]
fn the_number_of_namespaces() {
    let two = json!({"namespaces": [{"name": "b"}, {"name": "c"}]});
    assert_eq!(acme(two.clone(), json!({"maxNamespaces": 3})).core.namespaces.len(), 3);
    refused(
        "three of two",
        two,
        json!({"maxNamespaces": 2}),
        "spec.namespaces",
        &["3 namespaces", "2 of tier plan"],
    );
}

#[test]
fn isolation_within_the_tier() {
    let plan = json!({"isolation": {"default": "SharedApplication", "allowed": ["SharedApplication", "DedicatedApplication"]}});
    assert_eq!(
        acme(json!({}), plan.clone()).core.isolation,
        IsolationModel::SharedApplication
    );
    let first = json!({"isolation": {"allowed": ["SharedData"]}});
    assert_eq!(acme(json!({}), first).core.isolation, IsolationModel::SharedData);
    refused(
        "not allowed",
        json!({"isolation": {"model": "DedicatedNodes"}}),
        plan,
        "spec.isolation.model",
        &["DedicatedNodes", "plan", "SharedApplication, DedicatedApplication"],
    );
    for model in ["SharedData", "SharedApplication"] {
        refused(
            model,
            json!({"isolation": {"model": model}, "workloads": [{"name": "web", "image": "web"}]}),
            json!({}),
            "spec.workloads",
            &[model, "DedicatedApplication"],
        );
    }
    let tier_only = acme(
        json!({"isolation": {"model": "SharedData"}}),
        json!({"workloads": [{"name": "web", "image": "web"}]}),
    );
    assert_eq!(
        tier_only.core.workloads,
        [],
        "a tier's workloads are for those that have any"
    );
}

#[test]
fn quotas() {
    let plan = || json!({"quota": {"requests.cpu": "4", "pods": 20, "requests.memory": "8Gi"}});
    for (case, spec, field, words) in [
        (
            "beyond",
            json!({"quota": {"requests.cpu": "4001m"}}),
            "spec.quota.requests.cpu",
            vec!["4001m", "4 of tier plan"],
        ),
        (
            "beyond by suffix",
            json!({"quota": {"requests.memory": "9G"}}),
            "spec.quota.requests.memory",
            vec!["9G", "8Gi"],
        ),
        (
            "malformed",
            json!({"quota": {"pods": "many"}}),
            "spec.quota.pods",
            vec!["many", "not a quantity"],
        ),
        (
            "empty",
            json!({"quota": {"pods": ""}}),
            "spec.quota.pods",
            vec!["not a quantity"],
        ),
        (
            "out of range",
            json!({"quota": {"secrets": "9e18Ei"}}),
            "spec.quota.secrets",
            vec!["9e18Ei"],
        ),
        (
            "negative",
            json!({"quota": {"pods": -1}}),
            "spec.quota.pods",
            vec!["below zero"],
        ),
        (
            "negative text",
            json!({"quota": {"limits.cpu": "-1m"}}),
            "spec.quota.limits.cpu",
            vec!["below zero"],
        ),
        (
            "half a pod",
            json!({"quota": {"pods": "500m"}}),
            "spec.quota.pods",
            vec!["whole number"],
        ),
        (
            "bare cpu",
            json!({"quota": {"cpu": "1"}}),
            "spec.quota.cpu",
            vec!["requests.cpu", "limits.cpu"],
        ),
        (
            "bare memory",
            json!({"quota": {"memory": "1Gi"}}),
            "spec.quota.memory",
            vec!["requests.memory"],
        ),
        (
            "a namespace beyond the tenant",
            json!({"namespaces": [{"name": "b", "quota": {"pods": 21}}]}),
            "spec.namespaces[0].quota.pods",
            vec!["21", "20"],
        ),
        (
            "a namespace beyond the tenant's own bound",
            json!({"quota": {"pods": 5}, "namespaces": [{"name": "b"}, {"name": "c", "quota": {"pods": 6}}]}),
            "spec.namespaces[1].quota.pods",
            vec!["6", "5"],
        ),
        (
            "a key that the tenant has not",
            json!({"namespaces": [{"name": "b", "quota": {"secrets": 1}}]}),
            "spec.namespaces[0].quota.secrets",
            vec!["no such key"],
        ),
        (
            "a namespace's malformed quantity",
            json!({"namespaces": [{"name": "b", "quota": {"pods": "x"}}]}),
            "spec.namespaces[0].quota.pods",
            vec!["not a quantity"],
        ),
    ] {
        refused(case, spec, plan(), field, &words);
    }
    refused(
        "the tier's",
        json!({}),
        json!({"quota": {"pods": "x"}}),
        "spec.tier: the tier's quota.pods",
        &["not a quantity"],
    );

    let both = json!({"namespaces": [{"name": "b", "quota": {"pods": 11}}, {"name": "c", "quota": {"pods": 10}}]});
    let reasons = refusals(&tenant(both), &tier(plan()), &world(&[]));
    let fields: Vec<&str> = reasons.iter().map(|reason| reason.field.as_str()).collect();
    assert_eq!(
        fields,
        ["spec.namespaces[0].quota.pods", "spec.namespaces[1].quota.pods"]
    );

    // Each as much as Kubernetes can represent: together more than that, which must not be mistaken for it.
    let most = i64::MAX.to_string();
    let huge = json!({"quota": {"secrets": most}, "namespaces": [
        {"name": "b", "quota": {"secrets": most}}, {"name": "c", "quota": {"secrets": most}},
    ]});
    assert_eq!(refusals(&tenant(huge), &tier(json!({})), &world(&[])).len(), 2);
}

fn shares(valid: &ValidTenant, key: &str) -> Vec<String> {
    valid
        .core
        .namespaces
        .iter()
        .map(|namespace| namespace.quota[key].0.clone())
        .collect()
}

#[test]
fn a_quota_is_shared_out() {
    let plan = json!({"quota": {"requests.cpu": "10", "pods": 20, "services.loadbalancers": 3}});
    let spec = json!({
        "quota": {"requests.cpu": 5, "requests.memory": "1Gi"},
        "namespaces": [{"name": "b", "quota": {"pods": "0"}}, {"name": "c", "quota": {"requests.cpu": "1500m"}}],
    });
    let valid = acme(spec, plan);
    assert_eq!(shares(&valid, "requests.cpu"), ["1750m", "1750m", "1500m"]);
    assert_eq!(shares(&valid, "pods"), ["10", "0", "10"]);
    assert_eq!(
        shares(&valid, "requests.memory"),
        ["357913942", "357913941", "357913941"]
    );
    assert_eq!(shares(&valid, "services.loadbalancers"), ["1", "1", "1"]);
    assert_eq!(
        shares(&valid, "services.nodeports"),
        ["0", "0", "0"],
        "bounded where nobody says anything"
    );
    assert_eq!(
        valid.core.quota["requests.cpu"].0, "5",
        "the tenant's own below the tier's"
    );
    assert_eq!(valid.core.quota["pods"].0, "20", "the tier's by default");
}

#[test]
fn the_largest_volume_bounds_declared_claims_and_those_of_pods() {
    let claims = |own: &str, ephemeral: &str| {
        let template = json!({"spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "fast",
            "resources": {"requests": {"storage": ephemeral}}}});
        json!({"workloads": [{"name": "web", "image": "web:1",
            "volumeClaims": [{"name": "data", "mountPath": "/data", "storage": own}],
            "volumes": [{"name": "scratch", "ephemeral": {"volumeClaimTemplate": template}}]}]})
    };
    let plan = json!({"volumes": {"max": "10Gi"}});
    let valid = acme(claims("10Gi", "10240Mi"), plan.clone());
    assert_eq!(
        valid.core.largest_volume.map(|largest| largest.to_string()).as_deref(),
        Some("10Gi")
    );
    for (spec, name) in [(claims("11Gi", "1Gi"), "data"), (claims("1Gi", "10241Mi"), "scratch")] {
        refused(name, spec, plan.clone(), "spec.workloads: web", &[name, "10Gi"]);
    }
    refused(
        "zero",
        json!({}),
        json!({"volumes": {"max": 0}}),
        "spec.tier: the tier's volumes.max",
        &["above zero"],
    );
}

#[test]
fn container_defaults() {
    let defaults = |own: Value| {
        acme(json!({}), json!({"containerDefaults": own}))
            .core
            .container_defaults
    };
    let figures = |own: Value, key: &str| {
        let defaults = defaults(own);
        let figure = |list: &ResourceList| list.get(key).map_or("none".to_string(), |quantity| quantity.0.clone());
        (figure(&defaults.requests), figure(&defaults.limits))
    };
    let pair = |request: &str, limit: &str| (request.to_string(), limit.to_string());
    assert_eq!(figures(json!({}), "cpu"), pair("100m", "1"));
    assert_eq!(
        figures(json!({"requests": {"cpu": "4"}}), "cpu"),
        pair("4", "4"),
        "only a request: the limit gives way"
    );
    assert_eq!(
        figures(json!({"limits": {"cpu": "50m"}}), "cpu"),
        pair("50m", "50m"),
        "only a limit: the request gives way"
    );
    assert_eq!(figures(json!({"limits": {"cpu": "2"}}), "cpu"), pair("100m", "2"));
    assert_eq!(figures(json!({"requests": {"cpu": "1m"}}), "cpu"), pair("1m", "1"));
    // The API server would add the request to a LimitRange by itself.
    assert_eq!(
        figures(json!({"limits": {"example.com/device": 1}}), "example.com/device"),
        pair("1", "1")
    );
    assert_eq!(
        figures(json!({"requests": {"example.com/device": 1}}), "example.com/device"),
        pair("1", "none")
    );
    refused(
        "both",
        json!({}),
        json!({"containerDefaults": {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}}),
        "spec.tier",
        &["request more cpu (2)", "(1)"],
    );
    refused(
        "malformed",
        json!({}),
        json!({"containerDefaults": {"limits": {"memory": "1Zi"}}}),
        "spec.tier: the tier's containerDefaults.limits.memory",
        &["1Zi"],
    );
}

fn egress(cidr: &str) -> Value {
    json!({"network": {"egress": {"to": [{"cidr": cidr}]}}})
}

#[test]
fn destinations() {
    let field = "spec.network.egress.to[0].cidr";
    for (cidr, words) in [
        ("", vec!["not a CIDR"]),
        ("203.0.113.1", vec!["not a CIDR"]),
        ("203.0.113.0/33", vec!["not a CIDR"]),
        ("010.0.0.0/8", vec!["not a CIDR"]),
        ("example.com/24", vec!["not a CIDR"]),
        ("203.0.113.7/24", vec!["write 203.0.113.0/24 or 203.0.113.7/32"]),
        ("2001:db8::7/64", vec!["write 2001:db8::/64 or 2001:db8::7/128"]),
        ("10.244.3.0/24", vec!["10.244.0.0/16", "cluster's own"]),
        ("10.244.0.0/16", vec!["10.244.0.0/16"]),
        ("10.96.0.1/32", vec!["10.96.0.0/12"]),
        ("fd00:10::1/128", vec!["fd00:10::/48"]),
        ("169.254.169.254/32", vec!["169.254.0.0/16", "metadata"]),
        ("169.254.0.0/16", vec!["metadata"]),
        ("fe80::1/128", vec!["metadata"]),
        ("fd00:ec2::254/128", vec!["metadata"]),
        ("fd20:ce::254/128", vec!["metadata"]),
        ("168.63.129.16/32", vec!["metadata"]),
        ("100.100.100.200/32", vec!["metadata"]),
        ("::ffff:169.254.169.254/128", vec!["IPv4"]),
        ("::ffff:10.244.0.0/112", vec!["IPv4"]),
        ("::ffff:0:0/96", vec!["IPv4"]),
    ] {
        refused(cidr, egress(cidr), json!({}), field, &words);
    }
    refused(
        "the tier's",
        json!({}),
        json!({"network": {"egress": {"to": [{"cidr": "1.2.3.4/32"}, {"cidr": "10.96.0.0/16"}]}}}),
        "spec.tier: the tier's network.egress.to[1].cidr",
        &["cluster's own"],
    );
    refused(
        "an address within a network, of the tier's",
        json!({}),
        json!({"network": {"egress": {"to": [{"cidr": "203.0.113.7/24"}]}}}),
        "spec.tier: the tier's network.egress.to[0].cidr",
        &["write 203.0.113.0/24 or 203.0.113.7/32"],
    );
}

/// The destination that a rule comes to in a cluster of these addresses: a CIDR, and what is left out.
fn opened(cidr: &str, cluster: &[&str]) -> Result<(String, Vec<String>), String> {
    let cluster = cluster.iter().map(|cidr| cidr.parse().expect("a CIDR")).collect();
    let world = World {
        cluster_cidrs: cluster,
        ..World::default()
    };
    let valid =
        validate(&tenant(egress(cidr)), &tier(json!({})), &world).map_err(|reasons| reasons[0].message.clone())?;
    let [destination] = valid.core.network.to.as_slice() else {
        panic!("{cidr}")
    };
    let except = destination.except.iter().map(ToString::to_string).collect();
    Ok((destination.cidr.to_string(), except))
}

#[test]
fn a_server_of_the_clusters_dns_can_be_named() {
    let world = World {
        cluster_cidrs: vec!["10.96.0.0/12".parse().expect("a CIDR")],
        dns_addresses: [
            "169.254.20.10",
            "10.96.0.10",
            "169.254.169.254",
            "168.63.129.16",
            "fe80::53",
        ]
        .map(|address| address.parse().expect("an address"))
        .into(),
        ..World::default()
    };
    for (cidr, is_open) in [
        ("169.254.20.10/32", true),
        ("10.96.0.10/32", true),
        ("fe80::53/128", true),
        ("169.254.20.11/32", false),
        ("169.254.20.8/30", false),
        ("10.96.0.11/32", false),
        // They serve credentials besides.
        ("169.254.169.254/32", false),
        ("168.63.129.16/32", false),
    ] {
        let valid = validate(&tenant(egress(cidr)), &tier(json!({})), &world);
        assert_eq!(valid.is_ok(), is_open, "{cidr}: {:?}", valid.err());
    }
}

#[test]
fn what_lies_within_a_destination_and_is_not_opened_is_left_out() {
    let known = ["10.244.0.0/16", "10.96.0.0/12"];
    let is = |cidr: &str, except: &[&str]| Ok((cidr.to_string(), except.iter().map(ToString::to_string).collect()));
    assert_eq!(opened("203.0.113.0/24", &known), is("203.0.113.0/24", &[]));
    assert_eq!(
        opened("10.0.0.0/8", &known),
        is("10.0.0.0/8", &["10.96.0.0/12", "10.244.0.0/16"])
    );
    assert_eq!(
        opened("192.168.0.0/16", &known),
        is("192.168.0.0/16", &[]),
        "private, and not the cluster's"
    );
    assert_eq!(opened("169.0.0.0/8", &known), is("169.0.0.0/8", &["169.254.0.0/16"]));
    assert_eq!(
        opened("0.0.0.0/0", &known),
        is(
            "0.0.0.0/0",
            &[
                "10.96.0.0/12",
                "10.244.0.0/16",
                "100.100.100.200/32",
                "168.63.129.16/32",
                "169.254.0.0/16"
            ]
        )
    );
    for private in [
        "10.1.0.0/16",
        "172.20.0.0/16",
        "192.168.7.0/24",
        "100.64.1.0/24",
        "fd12::/48",
    ] {
        let refused = opened(private, &[]).expect_err(private);
        assert!(refused.contains("network.clusterCIDRs"), "{private}: {refused}");
    }
    assert_eq!(opened("11.0.0.0/8", &[]), is("11.0.0.0/8", &[]));
    assert_eq!(opened("8.0.0.0/5", &[]), is("8.0.0.0/5", &["10.0.0.0/8"]));
    // Kubernetes refuses an exception that is all of the block.
    for cluster in [["10.0.0.0/9", "10.128.0.0/9"], ["10.128.0.0/9", "10.0.0.0/9"]] {
        opened("10.0.0.0/8", &cluster).expect_err("halves that make up the whole");
    }
    opened("169.254.0.0/15", &["169.255.0.0/16"]).expect_err("half the cluster's and half link-local");
}

#[test]
fn the_internet_is_only_what_is_public() {
    let valid = acme(json!({"network": {"egress": {"internet": "Allow"}}}), json!({}));
    let all: Vec<(String, Vec<IpNet>)> = valid
        .core
        .network
        .to
        .iter()
        .map(|to| (to.cidr.to_string(), to.except.clone()))
        .collect();
    assert_eq!(
        all.iter().map(|(cidr, _)| cidr.as_str()).collect::<Vec<_>>(),
        ["0.0.0.0/0", "::/0"]
    );
    for closed in [
        "10.244.1.1",
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "169.254.169.254",
        "168.63.129.16",
        "100.100.100.200",
        "fd00:10::1",
        "fe80::1",
        "fd00:ec2::254",
        "fc00::1",
    ] {
        let address: std::net::IpAddr = closed.parse().expect("an address");
        assert!(
            all.iter()
                .flat_map(|(_, except)| except)
                .any(|net| net.contains(&address)),
            "{closed}"
        );
    }
    for open in ["8.8.8.8", "203.0.113.1", "2606:4700::1111"] {
        let address: std::net::IpAddr = open.parse().expect("an address");
        assert!(
            !all.iter()
                .flat_map(|(_, except)| except)
                .any(|net| net.contains(&address)),
            "{open}"
        );
    }
}

#[test]
fn a_tiers_deny_stands() {
    for (field, own, deny) in [
        (
            "ingress.gateway",
            json!({"ingress": {"gateway": "Allow"}}),
            json!({"ingress": {"gateway": "Deny"}}),
        ),
        (
            "egress.internet",
            json!({"egress": {"internet": "Allow"}}),
            json!({"egress": {"internet": "Deny"}}),
        ),
        (
            "egress.apiServer",
            json!({"egress": {"apiServer": "Allow"}}),
            json!({"egress": {"apiServer": "Deny"}}),
        ),
    ] {
        let field = format!("spec.network.{field}");
        refused(
            &field,
            json!({"network": own}),
            json!({"network": deny}),
            &field,
            &["the tier denies it"],
        );
        acme(json!({"network": own}), json!({}));
        acme(json!({"network": deny}), json!({"network": own}));
    }
    let allow =
        json!({"network": {"ingress": {"gateway": "Allow"}, "egress": {"internet": "Allow", "apiServer": "Allow"}}});
    let network = acme(json!({}), allow.clone()).core.network;
    assert_eq!(
        [network.gateway, network.internet, network.api_server],
        [crate::api::Access::Allow; 3]
    );
    let network = acme(json!({}), json!({})).core.network;
    assert_eq!(
        [network.gateway, network.internet, network.api_server],
        [crate::api::Access::Deny; 3]
    );
}

#[test]
fn peers() {
    let naming = |peers: Value| json!({"network": {"ingress": {"tenants": peers}}});
    refused(
        "itself",
        naming(json!([{"name": "acme"}])),
        json!({}),
        "spec.network.ingress.tenants",
        &["itself"],
    );
    let spec =
        naming(json!([{"name": "z"}, {"name": "agreed"}, {"name": "one-sided"}, {"name": "absent"}, {"name": "z"}]));
    let other = |name: &str, peers: Value| {
        let mut other = tenant(naming(peers));
        other.metadata.name = Some(name.into());
        other.spec.namespaces = vec![crate::api::TenantNamespace {
            name: "b".into(),
            ..Default::default()
        }];
        other
    };
    let (agreed, one_sided) = (
        other("agreed", json!([{"name": "acme"}])),
        other("one-sided", json!([{"name": "other"}])),
    );
    let valid = validate(&tenant(spec), &tier(json!({})), &world(&[&agreed, &one_sided])).expect("valid");
    let found: Vec<(&str, bool, usize)> = valid
        .core
        .network
        .peers
        .iter()
        .map(|peer| {
            (
                peer.name.as_str(),
                peer.state == crate::api::PeerState::Agreed,
                peer.namespaces.len(),
            )
        })
        .collect();
    assert_eq!(
        found,
        [
            ("absent", false, 0),
            ("agreed", true, 2),
            ("one-sided", false, 0),
            ("z", false, 0)
        ]
    );
}

#[test]
fn owners() {
    let owner = |over: Value| {
        let mut owner = json!({"kind": "User", "name": "alice", "role": "Admin"});
        lay_over(&mut owner, over);
        json!({"owners": [owner]})
    };
    for (case, over, field, word) in [
        ("a system user", json!({"name": "system:admin"}), "name", "system"),
        ("a node", json!({"name": "system:node:a"}), "name", "system"),
        (
            "everyone",
            json!({"kind": "Group", "name": "system:authenticated"}),
            "name",
            "system",
        ),
        (
            "cluster admins",
            json!({"kind": "Group", "name": "system:masters"}),
            "name",
            "system",
        ),
        (
            "by the back door",
            json!({"name": "system:serviceaccount:kube-system:x"}),
            "name",
            "system",
        ),
        (
            "kube-system's",
            json!({"kind": "ServiceAccount", "namespace": "kube-system"}),
            "namespace",
            "system",
        ),
        (
            "kube-anything's",
            json!({"kind": "ServiceAccount", "namespace": "kube-flannel"}),
            "namespace",
            "system",
        ),
        (
            "nowhere's",
            json!({"kind": "ServiceAccount"}),
            "namespace",
            "has a namespace",
        ),
    ] {
        refused(
            case,
            owner(over),
            json!({}),
            &format!("spec.owners[0].{field}"),
            &[word],
        );
    }
    let mut world = world(&[]);
    world.tenant_namespaces.insert("globex".into(), "globex".into());
    world.tenant_namespaces.insert("acme".into(), "acme".into());
    let service_account = |namespace: &str| tenant(owner(json!({"kind": "ServiceAccount", "namespace": namespace})));
    let reasons = refusals(&service_account("globex"), &tier(json!({})), &world);
    refused_as(
        &reasons,
        "another tenant's",
        "spec.owners[0].namespace",
        &["another tenant", "globex"],
    );
    for allowed in ["acme", "ci"] {
        assert_eq!(
            refusals(&service_account(allowed), &tier(json!({})), &world),
            [],
            "{allowed}"
        );
    }
}

#[test]
fn an_owner_counts_once_however_it_is_written() {
    let owners = json!({"owners": [
        {"kind": "User", "name": "bob", "role": "Admin"},
        {"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "alice", "role": "Admin"},
        {"kind": "User", "name": "alice", "role": "Admin"},
        {"kind": "User", "name": "alice", "role": "Viewer"},
        {"kind": "ServiceAccount", "name": "bob", "namespace": "ci", "role": "Admin"},
    ]});
    let valid = acme(owners, json!({}));
    let owners = &part::<ValidNamespaces>(&valid).owners;
    let names: Vec<(&str, &str)> = owners[&OwnerRole::Admin]
        .iter()
        .map(|subject| (subject.kind.as_str(), subject.name.as_str()))
        .collect();
    assert_eq!(names, [("User", "alice"), ("User", "bob"), ("ServiceAccount", "bob")]);
    assert_eq!(owners[&OwnerRole::Viewer].len(), 1);
    assert!(!owners.contains_key(&OwnerRole::Editor));
}

#[test]
fn workloads() {
    let web = |over: Value| {
        let mut web = json!({"name": "web", "image": "web:1"});
        lay_over(&mut web, over);
        json!({"workloads": [web]})
    };
    let at = |part: &str| format!("spec.workloads[0]{part}");
    for (case, over, part, words) in [
        ("no image", json!({"image": null}), ".image", vec!["missing"]),
        (
            "the default",
            json!({"name": "default"}),
            ".name",
            vec!["ServiceAccount"],
        ),
        ("upper case", json!({"name": "Web"}), ".name", vec!["DNS label"]),
        (
            "a digit first",
            json!({"name": "1web"}),
            ".name",
            vec!["begins with a letter"],
        ),
        ("too long", json!({"name": "w".repeat(54)}), ".name", vec!["53"]),
        (
            "id",
            json!({"env": [{"name": "A", "value": "b"}, {"name": "TENANT_ID", "value": "x"}]}),
            ".env",
            vec!["TENANT_ID"],
        ),
        (
            "name",
            json!({"env": [{"name": "TENANT_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}]}),
            ".env",
            vec!["TENANT_NAME"],
        ),
        (
            "a claim's name",
            json!({"volumeClaims": [{"name": "d".repeat(60), "mountPath": "/d", "storage": "1Gi"}]}),
            ".volumeClaims",
            vec!["63"],
        ),
        (
            "a claim and a volume",
            json!({"volumes": [{"name": "d", "emptyDir": {}}], "volumeClaims": [{"name": "d", "mountPath": "/d", "storage": "1Gi"}]}),
            ".volumeClaims",
            vec!["d is also the name of a volume"],
        ),
        (
            "a claim of no size",
            json!({"volumeClaims": [{"name": "d", "mountPath": "/d", "storage": "0"}]}),
            ".volumeClaims",
            vec!["above zero"],
        ),
        (
            "a claim of any size",
            json!({"volumeClaims": [{"name": "d", "mountPath": "/d", "storage": "big"}]}),
            ".volumeClaims",
            vec!["not a quantity"],
        ),
        (
            "the configuration's volume",
            json!({"volumes": [{"name": "tenant-configuration", "emptyDir": {}}]}),
            ".volumes",
            vec!["tenant-configuration"],
        ),
        (
            "requests above limits",
            json!({"resources": {"requests": {"memory": "2Gi"}, "limits": {"memory": "2G"}}}),
            ".resources.requests.memory",
            vec!["2Gi", "2G"],
        ),
        (
            "malformed",
            json!({"resources": {"limits": {"cpu": "lots"}}}),
            ".resources.limits.cpu",
            vec!["not a quantity"],
        ),
        (
            "negative",
            json!({"resources": {"requests": {"cpu": "-1"}}}),
            ".resources.requests.cpu",
            vec!["below zero"],
        ),
    ] {
        refused(case, web(over), json!({}), &at(part), &words);
    }
    let twice = json!({"workloads": [{"name": "web", "image": "a"}, {"name": "web", "image": "b"}]});
    refused("twice", twice, json!({}), "spec.workloads[1].name", &["web", "twice"]);
    let claim = |name: &str| json!([{"name": name, "mountPath": "/d", "storage": "1Gi"}]);
    let colliding = json!({"workloads": [
        {"name": "a", "image": "a", "volumeClaims": claim("b-c")},
        {"name": "a-b", "image": "a", "volumeClaims": claim("c")},
    ]});
    refused(
        "one claim of two workloads",
        colliding,
        json!({}),
        "spec.workloads[1].volumeClaims",
        &["a-b-c", "also the name of a claim of workload a"],
    );
    refused(
        "the tier's",
        json!({}),
        json!({"workloads": [{"name": "agent"}]}),
        "spec.tier: the tier's workload agent.image",
        &["missing"],
    );
}

#[test]
fn a_tenant_overrides_fields_of_a_tiers_workload() {
    let plan = json!({"workloads": [
        {"name": "web", "image": "web:1", "replicas": 2, "args": ["a"], "env": [{"name": "A", "value": "tier"}]},
        {"name": "agent", "image": "agent:1", "autoscaling": {"maxReplicas": 3}},
    ]});
    let merged = |workloads: Value| acme(json!({"workloads": workloads}), plan.clone()).core.workloads;
    let names = |workloads: &[Workload]| {
        workloads
            .iter()
            .map(|workload| workload.name.clone())
            .collect::<Vec<_>>()
    };

    let plain = merged(json!([]));
    assert_eq!(names(&plain), ["agent", "web"]);
    let overridden = merged(json!([{"name": "web", "env": []}, {"name": "batch", "image": "batch:1"}]));
    assert_eq!(names(&overridden), ["agent", "batch", "web"]);
    let web = &overridden[2];
    assert_eq!(
        (web.image.as_deref(), web.replicas),
        (Some("web:1"), Some(2)),
        "what is not named is the tier's"
    );
    assert_eq!(web.env, Some(Vec::new()), "an empty list is named too");
    let scaled = &merged(json!([{"name": "web", "autoscaling": {"maxReplicas": 9}}]))[1];
    assert_eq!((scaled.replicas, scaled.autoscaling.is_some()), (None, true));
    let fixed = &merged(json!([{"name": "agent", "replicas": 0}]))[0];
    assert_eq!((fixed.replicas, fixed.autoscaling.is_some()), (Some(0), false));

    let bad = json!({"workloads": [{"name": "web", "env": [{"name": "TENANT_ID", "value": "x"}]}]});
    refused(
        "blamed on the tenant",
        bad,
        plan.clone(),
        "spec.workloads[0].env",
        &["TENANT_ID"],
    );
}

#[test]
fn configuration() {
    let plan = json!({"configurationSchema": {
        "type": "object",
        "required": ["region"],
        "properties": {"model": {"properties": {"temperature": {"type": "number", "maximum": 2}}}, "region": {"enum": ["eu"]}},
    }});
    acme(
        json!({"configuration": {"region": "eu", "model": {"temperature": 2}}}),
        plan.clone(),
    );
    let secret = "hunter2".to_string();
    let bad = json!({"configuration": {"region": "eu", "model": {"temperature": secret}}});
    let reasons = refusals(&tenant(bad), &tier(plan.clone()), &world(&[]));
    refused_as(&reasons, "type", "spec.configuration.model.temperature", &["type"]);
    assert!(!reasons[0].to_string().contains(&secret), "a value may be confidential");
    refused("absent", json!({}), plan.clone(), "spec.configuration", &["required"]);
    refused(
        "empty",
        json!({"configuration": {}}),
        plan,
        "spec.configuration",
        &["required"],
    );
    refused(
        "no schema",
        json!({}),
        json!({"configurationSchema": {"type": 7}}),
        "spec.tier",
        &["JSON Schema"],
    );
    refused(
        "a schema from elsewhere",
        json!({}),
        json!({"configurationSchema": {"$ref": "file:///etc/passwd"}}),
        "spec.tier",
        &["JSON Schema"],
    );
    let many: Value = (0..50)
        .map(|i| (format!("k{i}"), json!(i)))
        .collect::<serde_json::Map<_, _>>()
        .into();
    let strings = json!({"configurationSchema": {"additionalProperties": {"type": "string"}}});
    assert!(refusals(&tenant(json!({"configuration": many})), &tier(strings), &world(&[])).len() <= 5);

    let sized = |length: usize| tenant(json!({"configuration": {"a": "x".repeat(length)}}));
    let around = r#"{"a":""}"#.len();
    assert_eq!(refusals(&sized(256 * 1024 - around), &tier(json!({})), &world(&[])), []);
    let reasons = refusals(&sized(256 * 1024 - around + 1), &tier(json!({})), &world(&[]));
    refused_as(&reasons, "a byte too many", "spec.configuration", &["262145", "262144"]);
}

#[test]
fn a_tiers_configuration_lies_under_the_tenants() {
    let base = || json!({"model": {"temperature": 0.7, "stops": ["a", "b"], "safety": {"pii": true}}, "locale": "en"});
    let merged = |tier: Value, own: Value| {
        let valid = acme(json!({"configuration": own}), json!({"configuration": tier}));
        valid
            .core
            .configuration
            .map(|text| serde_json::from_str::<Value>(&text).expect("JSON"))
    };
    let cases = [
        ("nothing of its own", Value::Null, base()),
        ("an empty object", json!({}), base()),
        (
            "another value",
            json!({"locale": "de"}),
            json!({"model": base()["model"], "locale": "de"}),
        ),
        (
            "objects merge, lists are replaced",
            json!({"model": {"stops": ["c"], "safety": {"toxicity": true}}}),
            json!({"model": {"temperature": 0.7, "stops": ["c"], "safety": {"pii": true, "toxicity": true}}, "locale": "en"}),
        ),
        (
            "a null removes",
            json!({"model": {"stops": null, "safety": null}, "none": null}),
            json!({"model": {"temperature": 0.7}, "locale": "en"}),
        ),
        (
            "an object in place of a value",
            json!({"locale": {"ui": "de", "no": null}}),
            json!({"model": base()["model"], "locale": {"ui": "de"}}),
        ),
        (
            "a value in place of an object",
            json!({"model": 5}),
            json!({"model": 5, "locale": "en"}),
        ),
        (
            "nulls of a list",
            json!({"locale": [null]}),
            json!({"model": base()["model"], "locale": [null]}),
        ),
    ];
    for (case, own, expected) in cases {
        assert_eq!(merged(base(), own), Some(expected), "{case}");
    }
    assert_eq!(merged(json!({"a": 1}), json!({"a": null})), None, "nothing is left");
    assert_eq!(merged(json!({"a": null}), Value::Null), None);
}

#[test]
fn an_error_of_the_merged_configuration_names_its_origin() {
    let plan = |configuration: Value| {
        let temperature = json!({"type": "number", "maximum": 2});
        json!({"configuration": configuration, "configurationSchema": {
            "required": ["region"],
            "properties": {"model": {"required": ["name"], "properties": {"temperature": temperature}}},
        }})
    };
    let temperature = "spec.configuration.model.temperature";
    let of_tier = ["comes from TenantTier plan", "spec.configuration of TenantTier plan"];
    let bad = plan(json!({"region": "eu", "model": {"name": "m", "temperature": 7}}));
    refused("the tier's", json!({}), bad.clone(), temperature, &of_tier);
    let beside = json!({"configuration": {"model": {"name": "other"}}});
    refused("the tier's beside its own", beside, bad.clone(), temperature, &of_tier);
    acme(json!({"configuration": {"model": {"temperature": 1}}}), bad.clone());
    acme(json!({"configuration": {"model": {"temperature": null}}}), bad);
    let good = || plan(json!({"region": "eu", "model": {"name": "m", "temperature": 1}}));
    let own = |spec: Value, field: &str, rule: &str| {
        let reasons = refusals(&tenant(spec), &tier(good()), &world(&[]));
        refused_as(&reasons, rule, field, &[rule]);
        assert!(!reasons[0].message.contains("comes from"), "{}", reasons[0]);
    };
    own(
        json!({"configuration": {"model": {"temperature": 9}}}),
        temperature,
        "maximum",
    );
    own(
        json!({"configuration": {"model": {"name": null}}}),
        "spec.configuration.model",
        "required",
    );
    own(
        json!({"configuration": {"region": null}}),
        "spec.configuration",
        "required",
    );
    // The tenant can add what is missing.
    refused(
        "missing in both",
        json!({}),
        plan(json!({"model": {"name": "m"}})),
        "spec.configuration",
        &["required"],
    );
    refused(
        "missing in the tier's object",
        json!({"configuration": {"region": "eu"}}),
        plan(json!({"model": {}})),
        "spec.configuration.model",
        &of_tier,
    );

    let sized = |length: usize| json!({"a": "x".repeat(length)});
    let half = || json!({"configuration": {"b": "x".repeat(200_000)}});
    refused(
        "together",
        half(),
        json!({"configuration": sized(200_000)}),
        "spec.configuration",
        &["together with that of TenantTier plan"],
    );
    refused(
        "alone",
        json!({}),
        json!({"configuration": sized(300_000)}),
        "spec.configuration",
        &["spec.configuration of TenantTier plan", "262144"],
    );
}

#[test]
fn features() {
    let plan = || json!({"features": {"default": ["chat", "analytics"], "allowed": ["callRecording", "voice"]}});
    let turn = |name: &str, enabled: bool| json!({"name": name, "enabled": enabled});
    for (case, own, plan, expected) in [
        ("none", json!([]), json!({}), vec![]),
        ("the tier's", json!([]), plan(), vec!["analytics", "chat"]),
        (
            "enabled and disabled",
            json!([turn("voice", true), turn("chat", false), turn("analytics", true)]),
            plan(),
            vec!["analytics", "voice"],
        ),
        (
            "allowed but disabled",
            json!([turn("voice", false)]),
            plan(),
            vec!["analytics", "chat"],
        ),
        (
            "none of the tier's",
            json!([turn("sso", false)]),
            plan(),
            vec!["analytics", "chat"],
        ),
    ] {
        assert_eq!(acme(json!({"features": own}), plan).core.features, expected, "{case}");
    }
    let own = json!({"features": [turn("voice", true), turn("sso", true)]});
    let words = [
        "sso is not allowed by tier plan",
        "analytics, callRecording, chat, voice",
    ];
    refused("not in the tier", own.clone(), plan(), "spec.features[1].name", &words);
    let bare = json!({"features": [turn("sso", true)]});
    refused(
        "a tier without features",
        bare,
        json!({}),
        "spec.features[0].name",
        &["sso", "tier plan", "no feature"],
    );
    let twice = json!({"features": [turn("voice", true), turn("voice", false)]});
    refused(
        "twice",
        twice,
        plan(),
        "spec.features[1].name",
        &["voice is there twice"],
    );
}

#[test]
fn a_number_is_known_from_the_status() {
    let number = |spec: Value, recorded: Option<i64>| {
        let mut tenant = tenant(json!({"isolation": {"model": "SharedData"}, "database": {}}));
        tenant.spec.number = spec.as_i64();
        let database = crate::api::DatabaseStatus {
            number: recorded,
            ..Default::default()
        };
        tenant.status = Some(crate::api::TenantStatus {
            database: Some(database),
            ..Default::default()
        });
        valid(&tenant, &tier(json!({}))).core.number
    };
    assert_eq!(number(Value::Null, Some(5)), Some(5));
    assert_eq!(number(json!(5), Some(5)), Some(5));
    assert_eq!(number(json!(5), None), None, "not confirmed");
    assert_eq!(number(json!(7), Some(5)), None);
}

#[test]
fn configuration_has_one_form() {
    let text = |configuration: Value| {
        let valid = acme(json!({"configuration": configuration}), json!({}));
        valid.core.configuration.clone()
    };
    let parse = |text: &str| serde_json::from_str::<Value>(text).expect("JSON");
    let one = text(parse(r#"{"b": [1, {"y": null, "x": "\"ä\n"}], "a": 1.50}"#));
    assert_eq!(
        one,
        text(parse(r#"{"a":1.5,"b":[1,{"x":"\"ä\n","y":null}]}"#)),
        "a list stays as it is"
    );
    assert_eq!(one.as_deref(), Some(r#"{"a":1.5,"b":[1,{"x":"\"ä\n","y":null}]}"#));
    assert_eq!(text(json!({})), None, "nothing to hand over");
}

/// The longest a reason may be: its field, its message and what stands between.
const LONGEST: usize = 2 * crate::capability::MAX_REASON + 2;

#[test]
fn long_values_do_not_blow_up_what_is_said_of_them() {
    let long = "ü".repeat(10_000);
    let hostile = [
        json!({"id": long}),
        json!({"tier": long, "isolation": {"model": "DedicatedNodes"}, "quota": {"pods": 99}}),
        json!({"quota": {&long: "x", "pods": long}}),
        json!({"namespaces": [{"name": long, "quota": {&long: long}}, {"name": long}]}),
        json!({"network": {"egress": {"to": [{"cidr": long}]}}}),
        json!({"owners": [{"kind": "User", "name": format!("system:{long}"), "role": "Admin"}]}),
        json!({"workloads": [{"name": long, "env": [{"name": "TENANT_ID"}], "volumes": [{"name": long, "emptyDir": {}}],
               "volumeClaims": [{"name": long, "mountPath": "/", "storage": long}, {"name": long, "mountPath": "/", "storage": "1"}],
               "resources": {"requests": {&long: "2", "cpu": long}, "limits": {&long: "1"}}}, {"name": long}]}),
        json!({"configuration": {&long: "not a number"}}),
    ];
    let plan = tier(json!({
        "isolation": {"allowed": ["DedicatedApplication"]},
        "quota": {"pods": 1},
        "configurationSchema": {"additionalProperties": {"type": "number"}},
    }));
    for spec in hostile {
        let mut tenant = tenant(spec);
        tenant.metadata.name = Some(long.clone());
        let reasons = refusals(&tenant, &plan, &world(&[]));
        assert!(!reasons.is_empty());
        for reason in reasons {
            assert!(
                reason.to_string().len() <= LONGEST,
                "{} bytes: {:.200}",
                reason.to_string().len(),
                reason.to_string()
            );
        }
    }
}

#[test]
fn every_reason_is_given_at_once() {
    let spec = json!({
        "id": "x",
        "quota": {"pods": -1},
        "network": {"egress": {"to": [{"cidr": "x"}]}},
        "owners": [{"kind": "User", "name": "system:x", "role": "Admin"}],
        "workloads": [{"name": "web"}],
    });
    let fields: Vec<String> = refusals(&tenant(spec), &tier(json!({})), &world(&[]))
        .into_iter()
        .map(|reason| reason.field)
        .collect();
    assert_eq!(
        fields,
        [
            "spec.quota.pods",
            "spec.id",
            "spec.network.egress.to[0].cidr",
            "spec.workloads[0].image",
            "spec.owners[0].name"
        ]
    );
}

#[test]
fn what_a_former_process_saw_is_known_by_the_status() {
    let told = |status: &str| {
        let mut told = tenant(json!({"database": {}}));
        told.status = serde_json::from_value(json!({
            "conditions": [{"type": "DatabaseReady", "status": status, "reason": "Ready", "message": "",
                            "lastTransitionTime": "2026-01-01T00:00:00Z"}],
            "database": {"server": "s", "model": "Schema", "database": "d", "credentialsIssuedAt": "2026-01-01T00:00:00Z"},
            "gateway": {"apiKeys": [{"name": "ci"}]},
        }))
        .expect("a status");
        valid(&told, &tier(json!({})))
    };
    let opened_by = |valid: ValidTenant| part::<ValidDatabase>(&valid).opened_by.clone();
    assert_eq!(opened_by(told("True")).as_deref(), Some("2026-01-01T00:00:00Z"));
    assert_eq!(opened_by(told("False")), None);
    let mut changed = tenant(json!({"database": {}}));
    changed.status = serde_json::from_value(json!({
        "conditions": [{"type": "DatabaseReady", "status": "True", "reason": "Ready", "message": "",
                        "lastTransitionTime": "2026-01-01T00:00:00Z", "observedGeneration": 1}],
        "database": {"server": "s", "model": "Schema", "database": "d", "credentialsIssuedAt": "2026-01-01T00:00:00Z"},
    }))
    .expect("a status");
    for (generation, told) in [(1, true), (2, false)] {
        changed.metadata.generation = Some(generation);
        let opened_by = opened_by(valid(&changed, &tier(json!({}))));
        assert_eq!(opened_by.is_some(), told, "generation {generation}");
    }
    assert!(part::<ReportedKeys>(&told("True")).0);
    let new = valid(&tenant(json!({"database": {}})), &tier(json!({})));
    assert!(!part::<ReportedKeys>(&new).0 && opened_by(new).is_none());
}

#[test]
fn a_tenant_is_not_called_like_anothers_id() {
    let mut named = tenant(json!({}));
    named.metadata.name = Some("5b0c6a52-6a0e-4f6e-9a55-0f6a4f1c2d11".into());
    let reasons = refusals(&named, &tier(json!({})), &world(&[]));
    refused_as(&reasons, "a UUID", "metadata.name", &["another tenant's id"]);
}
