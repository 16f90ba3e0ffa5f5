//! A tenant's configuration: layers, merged, against the tier's schema.

use crate::api::{Tenant, TenantTier};
use crate::capability::{Invalid, ObservedFamily, canonical};
use kube::ResourceExt;
use serde_json::{Map, Value};
use std::sync::LazyLock;

/// A ConfigMap holds 1 MiB; the rest is kept for what else an object carries.
const MOST_BYTES: usize = 256 * 1024;
/// The most complaints of a schema that are passed on.
const MOST_COMPLAINTS: usize = 5;

/// The configuration of a Tenant that has none.
static EMPTY: LazyLock<Value> = LazyLock::new(|| Value::Object(Map::new()));

/// Configuration that others lie over.
struct Layer<'a> {
    /// Its holder, where that is another resource than the Tenant.
    holder: Option<String>,
    configuration: &'a Value,
    /// JSON pointers to values that all layers above keep.
    locked: &'a [String],
}

/// The Tenant that locked a value, the pointer to it, and the value, if there is one.
type Lock = (String, String, Option<Value>);

/// Values that an ancestor locked.
#[derive(Default)]
struct Locks(Vec<Lock>);

impl Locks {
    /// Reports the locked values that a layer changes, and drops these locks: the layers above it are not at fault.
    fn check(&mut self, merged: &Value, layer: &Layer<'_>, errors: &mut Vec<Invalid>) {
        let is_kept = |(_, at, value): &Lock| merged.pointer(at) == value.as_ref();
        let (kept, changed): (Vec<Lock>, Vec<Lock>) = std::mem::take(&mut self.0).into_iter().partition(is_kept);
        self.0 = kept;
        for (by, at, _) in changed {
            let message = match &layer.holder {
                None => format!("changes {at}, which {by} locks: remove it here"),
                Some(holder) => format!("{holder} changes {at}, which {by} locks: remove it there"),
            };
            errors.push(Invalid::new("spec.configuration", message));
        }
    }

    fn add(&mut self, merged: &Value, layer: &Layer<'_>) {
        let Some(holder) = &layer.holder else { return };
        for at in layer.locked {
            // The message names the topmost Tenant that locks it.
            if !self.0.iter().any(|(_, known, _)| known == at) {
                self.0.push((holder.clone(), at.clone(), merged.pointer(at).cloned()));
            }
        }
    }
}

/// Returns the merged configuration as canonical JSON; None where it is empty.
pub fn resolve(
    tenant: &Tenant,
    tier: &TenantTier,
    family: &ObservedFamily,
    errors: &mut Vec<Invalid>,
) -> Option<String> {
    let layers = layers(tenant, tier, family);
    let empty = Value::Object(Map::new());
    let mut locks = Locks::default();
    let merged = layers.iter().fold(empty, |mut merged, layer| {
        json_patch::merge(&mut merged, layer.configuration);
        locks.check(&merged, layer, errors);
        locks.add(&merged, layer);
        merged
    });
    if let Some(schema) = &tier.spec.configuration_schema {
        check(&merged, schema, &layers, errors);
    }
    if merged.as_object().is_some_and(Map::is_empty) {
        return None;
    }
    let text = canonical(&merged);
    if text.len() > MOST_BYTES {
        errors.push(too_large(text.len(), &layers));
    }
    Some(text)
}

/// The layers of a tenant's configuration, the lowest first: its tier's, those of the tenants above it from the topmost, and its own.
fn layers<'a>(tenant: &'a Tenant, tier: &'a TenantTier, family: &'a ObservedFamily) -> Vec<Layer<'a>> {
    let of_tier = tier.spec.configuration.as_ref().map(|configuration| Layer {
        holder: Some(format!("TenantTier {:.80}", tenant.spec.tier)),
        configuration,
        locked: &[],
    });
    let above = family.ancestors.iter().rev().map(|ancestor| {
        let tenant = &*ancestor.tenant;
        layer(Some(format!("Tenant {}", tenant.name_any())), tenant)
    });
    of_tier.into_iter().chain(above).chain([layer(None, tenant)]).collect()
}

/// The layer of a Tenant, which is empty where it has no configuration.
fn layer(holder: Option<String>, tenant: &Tenant) -> Layer<'_> {
    let rules = tenant.spec.subtenants.as_ref();
    Layer {
        holder,
        configuration: tenant.spec.configuration.as_ref().unwrap_or(&EMPTY),
        locked: rules
            .map(|rules| rules.locked_configuration.as_slice())
            .unwrap_or_default(),
    }
}

fn check(merged: &Value, schema: &Value, layers: &[Layer<'_>], errors: &mut Vec<Invalid>) {
    let Ok(validator) = jsonschema::validator_for(schema) else {
        let message = "the tier's configurationSchema is no JSON Schema";
        errors.push(Invalid::new("spec.tier", message));
        return;
    };
    for error in validator.iter_errors(merged).take(MOST_COMPLAINTS) {
        // The value itself stays out of the message: configuration may be confidential.
        let (path, rule) = (error.instance_path().to_string(), error.schema_path());
        let field = format!("spec.configuration{}", path.replace('/', "."));
        let message = match origin(layers, &path) {
            Some(holder) => format!(
                "comes from {holder} and is refused by the tier's schema ({rule}): correct it in spec.configuration of {holder}, or set another value here"
            ),
            None => format!("is refused by the tier's schema ({rule})"),
        };
        errors.push(Invalid::new(field, message));
    }
}

/// The holder of the value at this path of the merged configuration, where that is not the Tenant. The whole is the Tenant's: it can add what is missing.
fn origin<'a>(layers: &'a [Layer<'_>], path: &str) -> Option<&'a str> {
    let has_it = |layer: &&Layer<'_>| layer.configuration.pointer(path).is_some();
    let layer = layers.iter().rev().find(has_it).filter(|_| !path.is_empty())?;
    layer.holder.as_deref()
}

fn too_large(bytes: usize, layers: &[Layer<'_>]) -> Invalid {
    let of_others = layers
        .iter()
        .filter(|layer| layer.configuration != &*EMPTY)
        .filter_map(|layer| Some((layer.holder.as_ref()?, canonical(layer.configuration).len())));
    let (holders, sizes): (Vec<&String>, Vec<usize>) = of_others.unzip();
    let too_large = holders.iter().zip(&sizes).find(|(_, size)| **size > MOST_BYTES);
    let message = match (too_large, holders.last()) {
        (Some((holder, size)), _) => {
            format!("spec.configuration of {holder} is {size} bytes, more than {MOST_BYTES}: shorten it there")
        }
        (None, Some(holder)) => {
            format!("is {bytes} bytes together with that of {holder}, more than {MOST_BYTES}: shorten one of them")
        }
        (None, None) => format!("is {bytes} bytes, more than {MOST_BYTES}"),
    };
    Invalid::new("spec.configuration", message)
}
