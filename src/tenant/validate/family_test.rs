//! The place of a subtenant, and what it has from the tenants above it.

use super::*;
use crate::api::{Access, PodSecurity};
use crate::capability::Family;
use crate::capability::family::{Links, Relatives};
use crate::namespaces::ValidNamespaces;
use crate::tenant::family::observe;
use crate::tenant::fixtures::{self, world};
use kube::ResourceExt;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Tenants and tiers by name, with the index of parents.
#[derive(Default)]
struct All {
    tenants: BTreeMap<String, Arc<Tenant>>,
    tiers: BTreeMap<String, Arc<TenantTier>>,
    links: Links,
}

impl Relatives for All {
    fn tenant(&self, name: &str) -> Option<Arc<Tenant>> {
        self.tenants.get(name).cloned()
    }

    fn tier(&self, tenant: &Tenant) -> Option<Arc<TenantTier>> {
        self.tiers.get(&tenant.spec.tier).cloned()
    }

    fn children(&self, parent: &str) -> Vec<String> {
        self.links.children(parent)
    }
}

impl All {
    /// A tier `plan` with this spec, which allows subtenants of any tier.
    fn new(plan: Value) -> Self {
        let mut all = Self::default();
        let mut spec = json!({"subtenants": {"max": 3, "maxDepth": 3, "tiers": ["plan", "small"]}});
        crate::testing::lay_over(&mut spec, plan);
        all.add_tier("plan", spec);
        all.add_tier("small", json!({}));
        all
    }

    fn add_tier(&mut self, name: &str, spec: Value) {
        let tier = TenantTier::new(name, serde_json::from_value(spec).expect("a tier"));
        self.tiers.insert(name.into(), Arc::new(tier));
    }

    /// Adds a Tenant, of tier `plan` unless it says so; a later one is younger.
    fn add(&mut self, name: &str, spec: Value) -> &mut Self {
        let age = self.tenants.len();
        let mut whole = json!({
            "apiVersion": "tenant-operator.io/v1alpha1",
            "kind": "Tenant",
            "metadata": {
                "name": name,
                "uid": format!("00000000-0000-0000-0000-{age:012}"),
                "creationTimestamp": format!("2026-01-01T00:00:{age:02}Z"),
            },
            "spec": {"tier": "plan"},
        });
        crate::testing::lay_over(&mut whole["spec"], spec);
        self.enter(serde_json::from_value(whole).expect("a Tenant"));
        self
    }

    fn enter(&mut self, tenant: Tenant) {
        self.links.put(&tenant);
        self.tenants.insert(tenant.name_any(), Arc::new(tenant));
    }

    fn edit(&mut self, name: &str, edit: impl FnOnce(&mut Tenant)) {
        let mut tenant = (*self.tenants[name]).clone();
        edit(&mut tenant);
        self.enter(tenant);
    }

    fn judge(&self, name: &str) -> Result<ValidTenant, Vec<Invalid>> {
        let tenant = &self.tenants[name];
        let world = World {
            family: observe(tenant, self),
            ..world(&[])
        };
        fixtures::validate(tenant, &self.tiers[&tenant.spec.tier], &world)
    }

    fn valid(&self, name: &str) -> ValidTenant {
        self.judge(name).unwrap_or_else(|reasons| panic!("{name}: {reasons:?}"))
    }

    /// Expects this one reason, with these words.
    fn refused(&self, name: &str, field: &str, words: &[&str]) {
        let reasons = self.judge(name).map(|_| ()).expect_err(name);
        let fits = |reason: &Invalid| reason.field == field && words.iter().all(|word| reason.message.contains(word));
        assert!(reasons.iter().all(fits) && !reasons.is_empty(), "{name}: {reasons:?}");
    }
}

fn below(parent: &str) -> Value {
    json!({"parent": parent})
}

fn with(mut spec: Value, more: Value) -> Value {
    crate::testing::lay_over(&mut spec, more);
    spec
}

#[test]
fn a_subtenant_knows_its_family() {
    let mut all = All::new(json!({}));
    all.add("acme", json!({}))
        .add("a1", below("acme"))
        .add("a11", below("a1"));
    let family = |name: &str| all.valid(name).core.family;
    let names = |family: &Family| {
        family
            .ancestors
            .iter()
            .map(|one| one.tenant.clone())
            .collect::<Vec<_>>()
    };
    assert_eq!(names(&family("acme")), [""; 0]);
    assert_eq!(names(&family("a11")), ["a1", "acme"]);
    assert_eq!(
        family("a11").root().map(|root| root.tenant.clone()),
        Some("acme".into())
    );
    assert_eq!(
        family("a1").parent().map(|parent| parent.id.clone()),
        Some("00000000-0000-0000-0000-000000000000".into())
    );
    assert_eq!(family("acme").children.len(), 1);
    assert_eq!(family("a11").children.len(), 0);
}

#[test]
fn a_parent_must_be_there_and_no_tenant_is_above_itself() {
    let mut all = All::new(json!({}));
    all.add("orphan", below("nobody"))
        .add("own", below("own"))
        .add("a", below("b"))
        .add("b", below("a"))
        .add("c", below("a"))
        .add("lost", json!({"tier": "none"}))
        .add("of-lost", below("lost"));
    all.refused("orphan", "spec.parent", &["there is no Tenant nobody"]);
    all.refused("own", "spec.parent", &["its own ancestor"]);
    all.refused("a", "spec.parent", &["its own ancestor"]);
    all.refused("b", "spec.parent", &["its own ancestor"]);
    all.refused("c", "spec.parent", &["Tenant a is its own ancestor"]);
    all.refused("of-lost", "spec.parent", &["TenantTier none of Tenant lost"]);
}

#[test]
fn the_tier_bounds_levels_numbers_and_tiers_of_subtenants() {
    let mut all = All::new(json!({}));
    all.add("acme", json!({}));
    for (above, name) in [("acme", "l1"), ("l1", "l2"), ("l2", "l3"), ("l3", "l4"), ("l4", "l5")] {
        all.add(name, below(above));
    }
    all.valid("l3");
    all.refused("l4", "spec.parent", &["level 4", "Tenant acme", "allows 3"]);
    all.refused("l5", "spec.parent", &["level 5"]);

    let mut all = All::new(json!({}));
    all.add("acme", json!({}));
    for name in ["c", "b", "a", "d", "e"] {
        all.add(name, below("acme"));
    }
    for name in ["c", "b", "a"] {
        all.valid(name);
    }
    all.refused(
        "d",
        "spec.parent",
        &["Tenant acme has 3 older subtenants", "subtenants.max"],
    );
    all.add("of-e", below("e"));
    all.refused("of-e", "spec.parent", &["Tenant e is refused", "3 older"]);
    let may_grow = all
        .valid("acme")
        .core
        .family
        .children
        .into_iter()
        .map(|child| (child.owner.tenant, child.may_grow));
    let may_grow: BTreeMap<String, bool> = may_grow.collect();
    assert_eq!((may_grow["a"], may_grow["d"]), (true, false));

    let mut all = All::new(json!({}));
    all.add_tier("other", json!({}));
    all.add_tier("same", json!({"subtenants": {"max": 1}}));
    all.add("acme", json!({}))
        .add("a1", with(below("acme"), json!({"tier": "other"})))
        .add("a2", with(below("acme"), json!({"tier": "small"})))
        .add("of-a2", below("a2"))
        .add("group", json!({"tier": "same"}))
        .add("g1", with(below("group"), json!({"tier": "same"})))
        .add("g11", with(below("g1"), json!({"tier": "same"})));
    all.refused(
        "a1",
        "spec.tier",
        &["other is no tier for subtenants of Tenant acme", "plan, small"],
    );
    all.refused(
        "of-a2",
        "spec.parent",
        &["tier small of Tenant a2 allows no subtenants"],
    );
    all.valid("g1");
    all.refused("g11", "spec.parent", &["level 2", "allows 1"]);
}

#[test]
fn another_tenant_of_the_parents_name_is_no_parent() {
    let mut all = All::new(json!({}));
    all.add("acme", json!({})).add("a1", below("acme"));
    let recorded = |all: &mut All, id: &str| {
        let parent = json!({"parent": {"name": "acme", "id": id, "root": "acme", "rootId": id}});
        all.edit("a1", |a1| a1.status = serde_json::from_value(parent).expect("a status"));
    };
    recorded(&mut all, "00000000-0000-0000-0000-000000000000");
    all.valid("a1");
    recorded(&mut all, fixtures::ID);
    all.refused("a1", "spec.parent", &["Tenant acme has the id", fixtures::ID]);
}

#[test]
fn nobody_joins_a_tenant_that_is_being_deleted() {
    let mut all = All::new(json!({}));
    all.add("acme", json!({}))
        .add("a1", below("acme"))
        .add("a11", below("a1"));
    all.edit("acme", |acme| {
        acme.metadata.deletion_timestamp = acme.metadata.creation_timestamp.clone()
    });
    all.refused("a1", "spec.parent", &["Tenant acme is being deleted"]);
    all.refused("a11", "spec.parent", &["Tenant acme is being deleted"]);
}

#[test]
fn configuration_lies_over_that_of_the_tenants_above() {
    let mut all = All::new(json!({"configuration": {"plan": 1, "color": "tier", "old": 1}}));
    all.add(
        "acme",
        json!({"configuration": {"color": "root", "deep": {"a": 1, "b": 1}, "old": null}}),
    )
    .add(
        "a1",
        with(below("acme"), json!({"configuration": {"deep": {"b": 2}, "level": 1}})),
    )
    .add("a11", with(below("a1"), json!({"configuration": {"level": 2}})))
    .add("empty", below("acme"));
    let text = |name: &str| all.valid(name).core.configuration.expect("a configuration");
    assert_eq!(
        text("a11"),
        r#"{"color":"root","deep":{"a":1,"b":2},"level":2,"plan":1}"#
    );
    assert_eq!(text("empty"), r#"{"color":"root","deep":{"a":1,"b":1},"plan":1}"#);
}

#[test]
fn locked_configuration_stays_as_it_is() {
    let lock = |pointers: &[&str]| json!({"subtenants": {"lockedConfiguration": pointers}});
    let mut all = All::new(json!({}));
    let root = json!({"configuration": {"brand": {"logo": "acme", "font": "serif"}, "region": "eu"}});
    all.add("acme", with(root, lock(&["/brand/logo", "/region", "/absent"])))
        .add(
            "same",
            with(
                below("acme"),
                json!({"configuration": {"brand": {"logo": "acme", "font": "sans"}}}),
            ),
        )
        .add(
            "logo",
            with(below("acme"), json!({"configuration": {"brand": {"logo": "own"}}})),
        )
        .add(
            "removed",
            with(below("acme"), json!({"configuration": {"brand": null}})),
        );
    let valid = all.valid("same").core.configuration;
    assert_eq!(
        valid.as_deref(),
        Some(r#"{"brand":{"font":"sans","logo":"acme"},"region":"eu"}"#)
    );
    all.refused(
        "logo",
        "spec.configuration",
        &["changes /brand/logo", "Tenant acme locks"],
    );
    all.refused(
        "removed",
        "spec.configuration",
        &["changes /brand/logo", "Tenant acme locks"],
    );

    let mut all = All::new(json!({}));
    all.add("acme", lock(&["/absent"]))
        .add("added", with(below("acme"), json!({"configuration": {"absent": 1}})))
        .add("of-added", with(below("added"), json!({"configuration": {"fine": 1}})));
    all.refused(
        "added",
        "spec.configuration",
        &["changes /absent", "Tenant acme locks", "remove it here"],
    );
    all.refused(
        "of-added",
        "spec.configuration",
        &["Tenant added changes /absent", "remove it there"],
    );
}

#[test]
fn a_suspended_ancestor_suspends() {
    let mut all = All::new(json!({}));
    all.add("acme", json!({"suspend": true}))
        .add("a1", below("acme"))
        .add("a11", with(below("a1"), json!({"suspend": false})));
    let core = all.valid("a11").core;
    assert!(core.suspend);
    assert_eq!(core.family.suspended_by.as_deref(), Some("acme"));
    all.edit("acme", |acme| acme.spec.suspend = None);
    assert!(!all.valid("a11").core.suspend);
}

#[test]
fn a_quota_is_within_that_of_the_parent() {
    let quota = |quota: Value| json!({"quota": quota});
    let mut all = All::new(quota(json!({"requests.cpu": "20", "pods": 100})));
    all.add_tier("small", quota(json!({"requests.cpu": "30", "requests.memory": "8Gi"})));
    let small = |more: Value| with(with(below("acme"), json!({"tier": "small"})), more);
    all.add("acme", quota(json!({"requests.cpu": "10"})))
        .add("default", small(json!({})))
        .add("named", small(quota(json!({"requests.cpu": "4"}))))
        .add("much", small(quota(json!({"requests.cpu": "12"}))));
    let of = |name: &str, key: &str| {
        let quota = all.valid(name).core.quota;
        quota.get(key).map(|quantity| quantity.0.clone()).unwrap_or_default()
    };
    // A tier's default is capped, a key that only the parent has is its whole, and a key that only the tier has stays.
    assert_eq!(of("default", "requests.cpu"), "10");
    assert_eq!(of("default", "pods"), "100");
    assert_eq!(of("default", "requests.memory"), "8Gi");
    assert_eq!(of("named", "requests.cpu"), "4");
    all.refused(
        "much",
        "spec.quota.requests.cpu",
        &["12 is more than the 10 of its parent, Tenant acme"],
    );

    let children = all.valid("acme").core.family.children;
    let asked = |name: &str| {
        let child = children.iter().find(|child| child.owner.tenant == name).expect(name);
        child.asked["requests.cpu"].0.clone()
    };
    assert_eq!(
        (asked("default"), asked("named"), asked("much")),
        ("10".into(), "4".into(), "10".into())
    );
    assert!(
        !children[0].asked.contains_key("count/pods"),
        "each namespace has it by itself"
    );
    assert!(!all.valid("default").core.undivided.contains("pods"));
}

#[test]
fn a_subtenant_has_no_network_access_that_its_parent_lacks() {
    let internet = |access: &str| json!({"network": {"egress": {"internet": access}}});
    let to = |cidr: &str, ports: Value| json!({"network": {"egress": {"to": [{"cidr": cidr, "ports": ports}]}}});
    let mut all = All::new(json!({}));
    all.add_tier("small", internet("Allow"));
    let small = json!({"tier": "small"});
    all.add("acme", to("203.0.113.0/24", json!([{"port": 443}])))
        .add("by-tier", with(below("acme"), small))
        .add("by-spec", with(below("acme"), internet("Allow")))
        .add(
            "within",
            with(below("acme"), to("203.0.113.8/32", json!([{"port": 443}]))),
        );
    assert_eq!(
        all.valid("by-tier").core.network.internet,
        Access::Deny,
        "a tier's default is capped"
    );
    all.refused(
        "by-spec",
        "spec.network.egress.internet",
        &["Tenant acme above it has no such access"],
    );
    all.valid("within");

    let mut all = All::new(json!({}));
    all.add("acme", to("203.0.113.0/24", json!([{"port": 443}])))
        .add(
            "ports",
            with(below("acme"), to("203.0.113.8/32", json!([{"port": 80}]))),
        )
        .add("all-ports", with(below("acme"), to("203.0.113.8/32", json!([]))))
        .add("wider", with(below("acme"), to("203.0.0.0/16", json!([{"port": 443}]))));
    for name in ["ports", "all-ports", "wider"] {
        all.refused(
            name,
            "spec.network.egress.to[0].cidr",
            &["Tenant acme above it does not reach"],
        );
    }
    let mut all = All::new(json!({}));
    all.add("acme", internet("Allow"))
        .add("of-open", with(below("acme"), internet("Allow")))
        .add("public", with(below("acme"), to("203.0.113.8/32", json!([]))))
        .add(
            "api",
            with(below("acme"), json!({"network": {"egress": {"apiServer": "Allow"}}})),
        );
    assert_eq!(all.valid("of-open").core.network.internet, Access::Allow);
    all.valid("public");
    all.refused(
        "api",
        "spec.network.egress.apiServer",
        &["Tenant acme above it has no such access"],
    );
}

#[test]
fn hosts_below_a_wildcard_of_an_ancestor_are_free_unless_it_lists_them() {
    let hosts = |hosts: &[&str]| json!({"gateway": {"hosts": hosts}});
    let mut all = All::new(json!({}));
    all.add("acme", hosts(&["*.acme.example.org", "www.acme.example.org"]))
        .add(
            "of-free",
            with(below("acme"), hosts(&["a1.acme.example.org", "other.example.org"])),
        )
        .add("listed", with(below("acme"), hosts(&["www.acme.example.org"])))
        .add("around", with(below("acme"), hosts(&["*.example.org"])));
    all.valid("of-free");
    all.refused(
        "listed",
        "spec.gateway.hosts[0]",
        &["www.acme.example.org", "Tenant acme"],
    );
    all.refused("around", "spec.gateway.hosts[0]", &["*.example.org", "Tenant acme"]);
}

#[test]
fn the_stricter_pod_security_holds() {
    let mut all = All::new(json!({}));
    all.add_tier("small", json!({"podSecurity": "baseline"}));
    all.add("acme", json!({}))
        .add("a1", with(below("acme"), json!({"tier": "small"})))
        .add("alone", json!({"tier": "small"}));
    let standard = |name: &str| {
        all.valid(name)
            .part::<ValidNamespaces>()
            .expect("the part")
            .pod_security
    };
    assert_eq!(standard("a1"), PodSecurity::Restricted);
    assert_eq!(standard("alone"), PodSecurity::Baseline);
}
