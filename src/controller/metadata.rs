//! The metadata that the operator writes on a Tenant: its finalizer, and the labels of a family. A spec is never written.

use super::Context;
use crate::api::Tenant;
use crate::capability::Family;
use crate::cluster::Error;
use crate::names;
use kube::api::{Api, Patch, PatchParams};
use serde_json::{Map, Value, json};

/// Holds the Tenant until its deletion has done its work, and labels the members of a family.
///
/// # Errors
/// The API server's.
pub async fn ensure(tenant: &Tenant, family: &Family, ctx: &Context) -> Result<(), Error> {
    match changes(tenant, family) {
        changes if changes.is_empty() => Ok(()),
        changes => patch(tenant, ctx, Value::Object(changes)).await,
    }
}

/// Returns true where the operator holds the Tenant.
pub fn has_finalizer(tenant: &Tenant) -> bool {
    let mut finalizers = tenant.metadata.finalizers.iter().flatten();
    finalizers.any(|finalizer| finalizer == names::FINALIZER)
}

/// The fields of the metadata to merge; none where they are in the desired state.
fn changes(tenant: &Tenant, family: &Family) -> Map<String, Value> {
    let mut changes = Map::new();
    if !has_finalizer(tenant) {
        let mut finalizers = tenant.metadata.finalizers.clone().unwrap_or_default();
        finalizers.push(names::FINALIZER.into());
        changes.insert("finalizers".into(), json!(finalizers));
    }
    let own = tenant.metadata.name.as_deref().unwrap_or_default();
    let root = family.root().map(|root| root.tenant.as_str());
    let root = root.or((!family.children.is_empty()).then_some(own));
    let parent = family.parent().map(|parent| parent.tenant.as_str());
    let found = |key: &str| tenant.metadata.labels.as_ref()?.get(key).map(String::as_str);
    let labels = [(names::ROOT, root), (names::PARENT, parent)];
    let differing = labels.into_iter().filter(|(key, value)| found(key) != *value);
    let labels: Map<String, Value> = differing.map(|(key, value)| (key.into(), json!(value))).collect();
    if !labels.is_empty() {
        changes.insert("labels".into(), Value::Object(labels));
    }
    changes
}

/// Merges fields into the metadata. The version is the one that was read, so that nobody's finalizer is lost.
///
/// # Errors
/// The API server's.
pub async fn patch(tenant: &Tenant, ctx: &Context, mut fields: Value) -> Result<(), Error> {
    let api: Api<Tenant> = Api::all(ctx.writer.client().clone());
    fields["resourceVersion"] = json!(tenant.metadata.resource_version);
    fields["uid"] = json!(tenant.metadata.uid);
    let name = tenant.metadata.name.as_deref().unwrap_or_default();
    let patch = Patch::Merge(json!({"metadata": fields}));
    api.patch_metadata(name, &PatchParams::default(), &patch).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capability::Child;
    use crate::cluster::Identity;

    fn tenant(metadata: Value) -> Tenant {
        let mut tenant = json!({
            "apiVersion": "tenant-operator.io/v1alpha1",
            "kind": "Tenant",
            "metadata": {"name": "acme"},
            "spec": {"tier": "plan"},
        });
        crate::testing::lay_over(&mut tenant["metadata"], metadata);
        serde_json::from_value(tenant).expect("a Tenant")
    }

    fn family(ancestors: &[&str], children: &[&str]) -> Family {
        let id = || "3f0c6a52-6a0e-4f6e-9a55-0f6a4f1c2d11".to_string();
        let relative = |name: &&str| Identity {
            tenant: name.to_string(),
            id: id(),
        };
        let child = |name: &&str| Child {
            owner: relative(name),
            asked: Default::default(),
            may_grow: true,
        };
        Family {
            ancestors: ancestors.iter().map(relative).collect(),
            children: children.iter().map(child).collect(),
            ..Family::default()
        }
    }

    #[test]
    fn only_families_are_labelled_and_nothing_is_written_twice() {
        let held = || json!({"finalizers": ["example.com/other", names::FINALIZER]});
        let flat = family(&[], &[]);
        assert!(changes(&tenant(held()), &flat).is_empty());
        let first = changes(&tenant(json!({"finalizers": ["example.com/other"]})), &flat);
        assert_eq!(Value::Object(first), held());

        let labelled = |labels: Value| {
            let mut metadata = held();
            metadata["labels"] = labels;
            tenant(metadata)
        };
        for (family, labels) in [
            (family(&[], &["a1"]), json!({names::ROOT: "acme"})),
            (
                family(&["group"], &[]),
                json!({names::ROOT: "group", names::PARENT: "group"}),
            ),
            (
                family(&["division", "group"], &["a1"]),
                json!({names::ROOT: "group", names::PARENT: "division"}),
            ),
        ] {
            let written = changes(&tenant(held()), &family);
            assert_eq!(Value::Object(written), json!({"labels": labels}));
            assert!(changes(&labelled(labels), &family).is_empty());
        }
        // Labels that others forge, or of a family that is no more, go; all else stays.
        let forged = labelled(json!({names::ROOT: "group", names::PARENT: "group", "team": "x"}));
        let gone = json!({"labels": {names::ROOT: null, names::PARENT: null}});
        assert_eq!(Value::Object(changes(&forged, &flat)), gone);
    }
}
