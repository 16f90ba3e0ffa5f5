//! Access across tenants, in a cluster of two.

use super::*;
use crate::api::OwnerRole;
use crate::isolation::access::rbac::Part;
use k8s_openapi::api::rbac::v1::{ClusterRole, ClusterRoleBinding, Role, RoleBinding};
use serde_json::{Value, json};
use std::collections::HashSet;

fn resources() -> Discovered {
    let table = [
        ("/secrets", true),
        ("/pods", true),
        ("/configmaps", true),
        ("apps/deployments", true),
        ("/namespaces", false),
        ("/nodes", false),
        ("storage.k8s.io/storageclasses", false),
        ("tenant-operator.io/tenants", false),
        ("authorization.k8s.io/selfsubjectaccessreviews", false),
        ("rbac.authorization.k8s.io/clusterroles", false),
    ];
    Discovered {
        resources: table.map(|(name, namespaced)| (name.to_string(), namespaced)).into(),
        ..Discovered::default()
    }
}

fn owner(kind: OwnerKind, name: &str) -> Owner {
    Owner {
        kind,
        api_group: None,
        name: name.into(),
        namespace: None,
        role: OwnerRole::Admin,
    }
}

/// Two tenants; alice owns acme, bob globex, and carol both.
fn holders() -> BTreeMap<String, TenantSubjects> {
    let holder = |name: &str, namespaces: &[&str], owners: &[&str]| TenantSubjects {
        name: name.into(),
        namespaces: namespaces.iter().map(ToString::to_string).collect(),
        owners: owners
            .iter()
            .map(|name| owner(OwnerKind::User, name))
            .chain([owner(OwnerKind::Group, &format!("{name}-people"))])
            // A machine that lives in no tenant's namespace.
            .chain([Owner {
                namespace: Some("tools".into()),
                ..owner(OwnerKind::ServiceAccount, &format!("{name}-deployer"))
            }])
            .collect(),
    };
    [
        holder("acme", &["acme", "acme-test"], &["alice", "carol"]),
        holder("globex", &["globex"], &["bob", "carol"]),
    ]
    .map(|holder| (holder.name.clone(), holder))
    .into()
}

fn role(rbac: &mut Rbac, name: &str, rules: Value) {
    let role = json!({"metadata": {"name": name}, "rules": rules});
    serde_json::from_value::<ClusterRole>(role)
        .expect("a ClusterRole")
        .put(rbac);
}

/// One binding to a role that reads Secrets.
fn bound(namespace: Option<&str>, subject: Value) -> Rbac {
    with(
        json!([{"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}]),
        namespace,
        subject,
    )
}

fn with(rules: Value, namespace: Option<&str>, subject: Value) -> Rbac {
    let mut rbac = Rbac::default();
    role(&mut rbac, "some", rules);
    let reference = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "some"});
    let binding =
        json!({"metadata": {"name": "b", "namespace": namespace}, "roleRef": reference, "subjects": [subject]});
    match namespace {
        Some(_) => serde_json::from_value::<RoleBinding>(binding)
            .expect("one")
            .put(&mut rbac),
        None => serde_json::from_value::<ClusterRoleBinding>(binding)
            .expect("one")
            .put(&mut rbac),
    }
    rbac
}

fn user(name: &str) -> Value {
    json!({"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": name})
}

fn group(name: &str) -> Value {
    json!({"kind": "Group", "apiGroup": "rbac.authorization.k8s.io", "name": name})
}

fn account(namespace: &str, name: &str) -> Value {
    json!({"kind": "ServiceAccount", "namespace": namespace, "name": name})
}

/// `tenant → counterpart`, of each opening.
fn pairs(rbac: &Rbac) -> Vec<String> {
    let (discovered, holders) = (resources(), holders());
    let context = RbacContext {
        rbac,
        discovered: &discovered,
        holders: &holders,
        operator_namespaces: &["operator".to_string()],
    };
    let mut pairs = Vec::new();
    for (tenant, openings) in context.openings() {
        pairs.extend(
            openings
                .iter()
                .map(|opening| format!("{tenant} {}", opening.counterpart)),
        );
    }
    pairs
}

#[test]
fn who_is_let_into_another_tenants_namespace() {
    let none: &[&str] = &[];
    let table = [
        (user("alice"), none),
        (user("carol"), none),
        (group("acme-people"), none),
        (account("acme", "app"), none),
        (account("acme-test", "app"), none),
        // A person of no tenant's is the platform's matter.
        (user("dave"), none),
        (group("system:masters"), none),
        (account("kube-system", "daemon"), none),
        (user("bob"), &["acme globex", "globex acme"]),
        (account("tools", "acme-deployer"), none),
        (account("tools", "other"), none),
        (account("tools", "globex-deployer"), &["acme globex", "globex acme"]),
        (group("system:serviceaccounts:tools"), &["acme globex", "globex acme"]),
        (group("globex-people"), &["acme globex", "globex acme"]),
        (account("globex", "app"), &["acme globex", "globex acme"]),
        (group("system:serviceaccounts:globex"), &["acme globex", "globex acme"]),
        (
            user("system:serviceaccount:globex:app"),
            &["acme globex", "globex acme"],
        ),
        (group("system:authenticated"), &["acme "]),
        (group("system:serviceaccounts"), &["acme "]),
        (user("system:anonymous"), &["acme "]),
    ];
    for (subject, expected) in table {
        assert_eq!(pairs(&bound(Some("acme"), subject.clone())), expected, "{subject}");
    }
}

#[test]
fn who_is_let_into_everything() {
    let table: [(Value, &[&str]); 7] = [
        (user("alice"), &["acme "]),
        (user("carol"), &["acme ", "globex "]),
        (user("dave"), &[]),
        (account("globex", "app"), &["globex "]),
        (group("system:nodes"), &[]),
        (group("system:authenticated"), &["acme ", "globex "]),
        (group("system:unauthenticated"), &["acme ", "globex "]),
    ];
    for (subject, expected) in table {
        assert_eq!(pairs(&bound(None, subject.clone())), expected, "{subject}");
        let namespace = pairs(&bound(Some("operator"), subject.clone()));
        assert_eq!(namespace, expected, "the operator's namespace, {subject}");
        assert_eq!(pairs(&bound(Some("monitoring"), subject)), Vec::<String>::new());
    }
}

#[test]
fn what_reaches_nobody_is_let_be() {
    let harmless = [
        json!([{"nonResourceURLs": ["/healthz"], "verbs": ["get"]}]),
        json!([{"apiGroups": ["authorization.k8s.io"], "resources": ["selfsubjectaccessreviews"], "verbs": ["create"]}]),
        json!([{"apiGroups": [""], "resources": ["nodes"], "verbs": ["get", "list", "watch"]}]),
        json!([{"apiGroups": ["storage.k8s.io"], "resources": ["storageclasses"], "verbs": ["list"]}]),
        json!([{"apiGroups": ["example.com"], "resources": ["unheardofs"], "verbs": ["*"]}]),
    ];
    for rules in harmless {
        let found = pairs(&with(rules.clone(), None, group("system:authenticated")));
        assert_eq!(found, Vec::<String>::new(), "{rules}");
    }
    let harmful = [
        json!([{"apiGroups": ["*"], "resources": ["*"], "verbs": ["*"]}]),
        json!([{"apiGroups": [""], "resources": ["*"], "verbs": ["get"]}]),
        json!([{"apiGroups": [""], "resources": ["namespaces"], "verbs": ["list"]}]),
        json!([{"apiGroups": [""], "resources": ["nodes/proxy"], "verbs": ["get"]}]),
        json!([{"apiGroups": [""], "resources": ["nodes"], "verbs": ["update"]}]),
        json!([{"apiGroups": [""], "resources": ["pods/exec"], "verbs": ["create"]}]),
        json!([{"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["one"], "verbs": ["get"]}]),
        json!([{"apiGroups": [""], "resources": ["users"], "verbs": ["impersonate"]}]),
        json!([{"apiGroups": ["rbac.authorization.k8s.io"], "resources": ["clusterroles"], "verbs": ["bind"]}]),
        json!([{"apiGroups": ["tenant-operator.io"], "resources": ["tenants"], "verbs": ["get"]}]),
    ];
    for rules in harmful {
        let found = pairs(&with(rules.clone(), None, user("alice")));
        assert_eq!(found, ["acme "], "{rules}");
    }
}

#[test]
fn a_role_of_the_namespace_is_another_than_the_clusters() {
    let mut rbac = Rbac::default();
    role(&mut rbac, "reader", json!([]));
    let rules = json!([{"apiGroups": [""], "resources": ["pods"], "verbs": ["list"]}]);
    let own = json!({"metadata": {"name": "reader", "namespace": "acme"}, "rules": rules});
    serde_json::from_value::<Role>(own).expect("a Role").put(&mut rbac);
    let binding = |namespace: &str, kind: &str| {
        let reference = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": "reader"});
        let metadata = json!({"name": kind.to_lowercase(), "namespace": namespace});
        let binding = json!({"metadata": metadata, "roleRef": reference, "subjects": [user("bob"), user("alice")]});
        serde_json::from_value::<RoleBinding>(binding).expect("a RoleBinding")
    };
    binding("acme", "ClusterRole").put(&mut rbac);
    binding("acme-test", "Role").put(&mut rbac);
    assert_eq!(pairs(&rbac), Vec::<String>::new(), "neither role says anything there");
    binding("acme", "Role").put(&mut rbac);
    assert_eq!(pairs(&rbac), ["acme globex", "globex acme"]);
}

#[test]
fn what_is_told_names_who_may_do_what_where() {
    let rules =
        json!([{"apiGroups": ["", "apps"], "resources": ["pods", "deployments", "secrets"], "verbs": ["get", "list"]}]);
    let (rbac, discovered, holders) = (
        with(rules, Some("acme"), account("globex", "app")),
        resources(),
        holders(),
    );
    let context = RbacContext {
        rbac: &rbac,
        discovered: &discovered,
        holders: &holders,
        operator_namespaces: &[],
    };
    let openings = context.openings();
    assert_eq!(
        openings["acme"][0].message(),
        "RoleBinding acme/b lets ServiceAccount globex/app get secrets, list secrets, get pods and 3 more in namespace acme"
    );
    let who = &openings["acme"][0].who;
    assert_eq!(who.user, "system:serviceaccount:globex:app");
    assert!(who.groups.contains(&"system:serviceaccounts:globex".to_string()));
}

#[test]
fn an_account_is_the_same_however_it_is_named() {
    let table = [
        (account("globex", "app"), "app", "ServiceAccount globex/app"),
        (
            user("system:serviceaccount:globex:app"),
            "app",
            "ServiceAccount globex/app",
        ),
        (
            group("system:serviceaccounts:globex"),
            "default",
            "every ServiceAccount of globex",
        ),
    ];
    for (subject, account, title) in table {
        let subject = serde_json::from_value(subject).expect("a subject");
        let who = who(&Party::of(&subject, None), &subject.name);
        assert_eq!(who.user, format!("system:serviceaccount:globex:{account}"));
        assert_eq!(who.title, title);
    }
}

#[test]
fn what_is_gone_when_a_list_begins_anew_is_forgotten() {
    let mut rbac = bound(Some("acme"), user("bob"));
    serde_json::from_value::<ClusterRoleBinding>(json!({
        "metadata": {"name": "all"}, "subjects": [user("alice")],
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "some"},
    }))
    .expect("one")
    .put(&mut rbac);
    assert_eq!(pairs(&rbac), ["acme ", "acme globex", "globex acme"]);
    RoleBinding::retain(&mut rbac, &HashSet::new());
    assert_eq!(pairs(&rbac), ["acme "], "the other kind stays");
    Role::retain(&mut rbac, &HashSet::new());
    assert_eq!(pairs(&rbac), ["acme "], "a ClusterRole is no Role");
    ClusterRole::retain(&mut rbac, &HashSet::new());
    assert_eq!(pairs(&rbac), Vec::<String>::new());
}

#[test]
fn more_than_a_namespace_may_take_is_left_out_and_said() {
    let unread = |rbac: &Rbac| rbac.unread().into_iter().collect::<Vec<_>>();
    let mut rbac = bound(Some("acme"), user("bob"));
    let binding = |subjects: usize| {
        let subjects: Vec<Value> = (0..subjects)
            .map(|number| user(&format!("somebody-{number}")))
            .collect();
        serde_json::from_value::<RoleBinding>(json!({
            "metadata": {"name": "many", "namespace": "acme"}, "subjects": subjects,
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "some"},
        }))
        .expect("one")
    };
    for _ in 0..2 {
        binding(10).put(&mut rbac);
        assert_eq!((rbac.bindings().count(), unread(&rbac)), (2, vec![]));
        binding(10_000).put(&mut rbac);
        assert_eq!((rbac.bindings().count(), unread(&rbac)), (1, vec!["acme".to_string()]));
    }
    assert_eq!(
        pairs(&rbac),
        ["acme globex", "globex acme"],
        "what was there before stays"
    );
    binding(0).remove(&mut rbac);
    assert_eq!(unread(&rbac), [""; 0]);
}

#[test]
fn what_is_deleted_is_forgotten_and_nothing_else() {
    let mut rbac = bound(Some("acme"), user("bob"));
    let binding = |name: &str| {
        serde_json::from_value::<RoleBinding>(json!({
            "metadata": {"name": name, "namespace": "acme"}, "subjects": [user("bob")],
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "some"},
        }))
        .expect("one")
    };
    binding("another").put(&mut rbac);
    assert_eq!(rbac.bindings().count(), 2);
    binding("b").remove(&mut rbac);
    let left: Vec<String> = rbac.bindings().map(Binding::title).collect();
    assert_eq!(left, ["RoleBinding acme/another"]);
}
