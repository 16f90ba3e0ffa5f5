//! `spec.owners`.

use crate::harness::Dry;
use anyhow::Result;
use serde_json::{Value, json};

fn owners(owner: Value) -> Value {
    json!({"owners": [owner]})
}

#[tokio::test]
async fn users_groups_and_service_accounts_can_be_owners() -> Result<()> {
    let dry = Dry::tenant().await?;
    for role in ["Admin", "Editor", "Viewer"] {
        dry.accepts(
            role,
            owners(json!({"kind": "User", "name": "alice@example.com", "role": role})),
        )
        .await?;
    }
    let group = "rbac.authorization.k8s.io";
    dry.accepts(
        "a group",
        owners(json!({"kind": "Group", "apiGroup": group, "name": "admins", "role": "Admin"})),
    )
    .await?;
    let account = json!({"kind": "ServiceAccount", "name": "ci", "namespace": "build", "role": "Editor"});
    dry.accepts("a ServiceAccount", owners(account)).await?;
    Ok(())
}

#[tokio::test]
async fn a_system_identity_cannot() -> Result<()> {
    let dry = Dry::tenant().await?;
    let words = ["user or group of the system"];
    for name in [
        "system:masters",
        "system:authenticated",
        "system:unauthenticated",
        "system:serviceaccounts",
    ] {
        dry.refuses(
            name,
            owners(json!({"kind": "Group", "name": name, "role": "Viewer"})),
            &words,
        )
        .await?;
    }
    for name in [
        "system:admin",
        "system:anonymous",
        "system:serviceaccount:kube-system:default",
        "system:node:n",
    ] {
        dry.refuses(
            name,
            owners(json!({"kind": "User", "name": name, "role": "Admin"})),
            &words,
        )
        .await?;
    }
    Ok(())
}

#[tokio::test]
async fn what_is_missing_or_does_not_fit_is_refused() -> Result<()> {
    let dry = Dry::tenant().await?;
    let cases = [
        ("no role", json!({"kind": "User", "name": "a"}), "role"),
        (
            "another role",
            json!({"kind": "User", "name": "a", "role": "Owner"}),
            "role",
        ),
        ("no kind", json!({"name": "a", "role": "Admin"}), "kind"),
        (
            "another kind",
            json!({"kind": "Robot", "name": "a", "role": "Admin"}),
            "kind",
        ),
        ("no name", json!({"kind": "User", "role": "Admin"}), "name"),
        (
            "an empty name",
            json!({"kind": "User", "name": "", "role": "Admin"}),
            "name",
        ),
        (
            "a ServiceAccount without namespace",
            json!({"kind": "ServiceAccount", "name": "a", "role": "Admin"}),
            "has a namespace",
        ),
        (
            "a User with namespace",
            json!({"kind": "User", "name": "a", "namespace": "n", "role": "Admin"}),
            "has a namespace",
        ),
        (
            "a wrong group",
            json!({"kind": "User", "apiGroup": "example.com", "name": "a", "role": "Admin"}),
            "apiGroup must be",
        ),
        (
            "a ServiceAccount with group",
            json!({"kind": "ServiceAccount", "apiGroup": "rbac.authorization.k8s.io", "name": "a", "namespace": "n",
                "role": "Admin"}),
            "apiGroup must be",
        ),
    ];
    for (what, owner, word) in cases {
        dry.refuses(what, owners(owner), &[word]).await?;
    }
    Ok(())
}

#[tokio::test]
async fn there_are_at_most_64() -> Result<()> {
    let dry = Dry::tenant().await?;
    let some = |count: u32| {
        (0..count)
            .map(|i| json!({"kind": "User", "name": format!("u{i}"), "role": "Viewer"}))
            .collect()
    };
    let some = |count| Value::Array(some(count));
    dry.accepts("64 owners", json!({"owners": some(64)})).await?;
    dry.refuses("65 owners", json!({"owners": some(65)}), &["spec.owners", "64"])
        .await
}
