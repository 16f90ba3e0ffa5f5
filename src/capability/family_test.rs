use super::*;
use serde_json::json;

fn tenant(name: &str, parent: Option<&str>, created: &str) -> Tenant {
    let tenant = json!({
        "apiVersion": "tenant-operator.io/v1alpha1",
        "kind": "Tenant",
        "metadata": {"name": name, "uid": format!("uid of {name}"), "creationTimestamp": created, "generation": 1},
        "spec": {"tier": "plan", "parent": parent},
    });
    serde_json::from_value(tenant).expect("a Tenant")
}

const EARLY: &str = "2026-01-01T00:00:00Z";
const LATE: &str = "2026-01-02T00:00:00Z";

/// Tenants by name, with their index.
#[derive(Default)]
struct All {
    tenants: BTreeMap<String, Arc<Tenant>>,
    links: Links,
}

impl All {
    fn of(tenants: &[Tenant]) -> Self {
        let mut all = Self::default();
        for tenant in tenants {
            all.links.put(tenant);
            all.tenants.insert(tenant.name_any(), Arc::new(tenant.clone()));
        }
        all
    }
}

impl Relatives for All {
    fn tenant(&self, name: &str) -> Option<Arc<Tenant>> {
        self.tenants.get(name).cloned()
    }

    fn tier(&self, _: &Tenant) -> Option<Arc<TenantTier>> {
        None
    }

    fn children(&self, parent: &str) -> Vec<String> {
        self.links.children(parent)
    }
}

#[test]
fn ancestors_are_followed_to_the_topmost_a_missing_or_a_repeated_one() {
    let root = || tenant("root", None, EARLY);
    let above = |tenants: &[Tenant]| {
        let all = All::of(tenants);
        let last = tenants.last().expect("a tenant");
        let family = observe(last, &all);
        let names = family.family().ancestors.into_iter().map(|one| one.tenant);
        (names.collect::<Vec<_>>(), family.missing, family.circle)
    };
    let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
    let (child, grandchild) = (
        tenant("child", Some("root"), EARLY),
        tenant("grandchild", Some("child"), EARLY),
    );
    assert_eq!(above(&[root()]), (vec![], None, None));
    assert_eq!(
        above(&[root(), child.clone(), grandchild.clone()]),
        (names(&["child", "root"]), None, None)
    );
    assert_eq!(
        above(&[child, grandchild]),
        (names(&["child"]), Some("root".into()), None)
    );
    let own = tenant("own", Some("own"), EARLY);
    assert_eq!(above(&[own]), (vec![], None, Some("own".into())));
    let (a, b) = (tenant("a", Some("b"), EARLY), tenant("b", Some("a"), EARLY));
    let below = tenant("below", Some("a"), EARLY);
    assert_eq!(above(&[a.clone(), b.clone()]), (names(&["a"]), None, Some("b".into())));
    assert_eq!(above(&[a, b, below]), (names(&["a", "b"]), None, Some("a".into())));
}

#[test]
fn children_have_places_by_creation_then_by_name() {
    let all = All::of(&[
        tenant("a", Some("root"), LATE),
        tenant("c", Some("root"), EARLY),
        tenant("b", Some("root"), EARLY),
    ]);
    assert_eq!(all.links.children("root"), ["b", "c", "a"]);
    let place = |name: &str| observe(&all.tenants[name], &all).place;
    assert_eq!((place("b"), place("c"), place("a")), (0, 1, 2));
    let unknown = tenant("d", Some("root"), EARLY);
    assert_eq!(observe(&unknown, &all).place, 3);
}

#[test]
fn the_index_follows_changes_and_ends_in_circles() {
    let mut links = Links::default();
    links.put(&tenant("child", Some("root"), EARLY));
    links.put(&tenant("grandchild", Some("child"), EARLY));
    links.put(&tenant("root", None, EARLY));
    assert_eq!(links.below("root"), ["child", "grandchild"].map(String::from).into());
    links.remove("child");
    assert_eq!(links.children("child"), ["grandchild"]);
    assert!(links.children("root").is_empty());
    links.retain(|name| name == "root");
    assert!(links.below("child").is_empty());
    links.put(&tenant("a", Some("b"), EARLY));
    links.put(&tenant("b", Some("a"), EARLY));
    assert_eq!(links.below("a"), ["b".to_string()].into());
}

#[test]
fn relatives_depend_on_the_spec_and_the_id_but_not_on_the_status() {
    let before = tenant("acme", None, EARLY);
    let with_status = |status| {
        let mut after = before.clone();
        after.status = serde_json::from_value(status).expect("a status");
        Link::of(&after)
    };
    let counted = json!({"namespaceCount": 3});
    assert_eq!(with_status(counted), Link::of(&before));
    assert_ne!(with_status(json!({"id": "another"})), Link::of(&before));
    let mut edited = before.clone();
    edited.metadata.generation = Some(2);
    assert_ne!(Link::of(&edited), Link::of(&before));
}
