//! Parents and the rules for subtenants.

use crate::harness::{self, Dry};
use crate::support::{Scene, refused};
use anyhow::Result;
use serde_json::json;

#[tokio::test]
async fn a_parent_cannot_be_changed_taken_away_or_added() -> Result<()> {
    harness::cluster().await?;
    let scene = Scene::without_operator("parent").await?;
    let child = scene.tenant("a", "no-such-tier", json!({"parent": "acme"})).await?;
    let flat = scene.tenant("b", "no-such-tier", json!({})).await?;
    let patch = async |path: String, spec| scene.cluster.patch(&path, &json!({"spec": spec})).await;
    let words = &["parent is immutable"];
    refused(
        "another parent",
        patch(child.path(), json!({"parent": "globex"})).await,
        words,
    )?;
    refused("no parent", patch(child.path(), json!({"parent": null})).await, words)?;
    refused("a parent", patch(flat.path(), json!({"parent": "acme"})).await, words)?;
    for tenant in [&child, &flat] {
        tenant.patch(json!({"displayName": "The same"})).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_parent_is_the_name_of_a_tenant() -> Result<()> {
    let dry = Dry::tenant().await?;
    for good in ["a", "0-a", &"x".repeat(53)] {
        dry.accepts(good, json!({"parent": good})).await?;
    }
    for bad in ["", "-a", "A", "a.b", &"x".repeat(54)] {
        dry.refuses(bad, json!({"parent": bad}), &["spec.parent"]).await?;
    }
    Ok(())
}

#[tokio::test]
async fn locks_are_json_pointers() -> Result<()> {
    let dry = Dry::tenant().await?;
    let locked = |pointer: &str| json!({"subtenants": {"lockedConfiguration": [pointer]}});
    for good in ["/a", "/a/b", "/a~1b/~0", "/a b/0", "/"] {
        dry.accepts(good, locked(good)).await?;
    }
    for bad in ["", "a", "/a~", "/a~2"] {
        dry.refuses(bad, locked(bad), &["lockedConfiguration"]).await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_tier_bounds_its_subtenants() -> Result<()> {
    let dry = Dry::tier().await?;
    let of = |subtenants| json!({"subtenants": subtenants});
    dry.accepts("the least", of(json!({"max": 1}))).await?;
    dry.accepts("the most", of(json!({"max": 500, "maxDepth": 8, "tiers": ["a", "b"]})))
        .await?;
    for (bad, field) in [
        (json!({}), "max"),
        (json!({"max": 0}), "max"),
        (json!({"max": 501}), "max"),
        (json!({"max": 1, "maxDepth": 0}), "maxDepth"),
        (json!({"max": 1, "maxDepth": 9}), "maxDepth"),
        (json!({"max": 1, "tiers": [""]}), "tiers"),
    ] {
        dry.refuses(&bad.to_string(), of(bad.clone()), &["spec.subtenants", field])
            .await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_column_of_subtenants_is_another_one_and_has_ids() -> Result<()> {
    let dry = Dry::server().await?;
    let with = |more: serde_json::Value| {
        let mut tables = json!({"database": "app", "schema": "public", "tables": ["*"]});
        crate::support::scene::lay_over(&mut tables, more);
        json!({"sharedTables": [tables]})
    };
    for good in [
        json!({"subtenantColumn": "subtenant_id"}),
        json!({"subtenantColumn": "tenant_id", "column": "root_id", "type": "Text"}),
    ] {
        dry.accepts(&good.to_string(), with(good.clone())).await?;
    }
    for (bad, words) in [
        (
            json!({"subtenantColumn": "subtenant_id", "type": "Integer"}),
            "Uuid or Text",
        ),
        (json!({"subtenantColumn": "tenant_id"}), "another column"),
        (json!({"subtenantColumn": "a", "column": "a"}), "another column"),
        (json!({"subtenantColumn": ""}), "subtenantColumn"),
    ] {
        dry.refuses(&bad.to_string(), with(bad.clone()), &[words]).await?;
    }
    Ok(())
}
