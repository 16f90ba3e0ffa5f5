//! A tenant's configuration: layers, merged, against the tier's schema.

use crate::api::{Tenant, TenantTier};
use crate::capability::{Invalid, canonical};
use serde_json::{Map, Value};

/// A ConfigMap holds 1 MiB; the rest is kept for what else an object carries.
const MOST_BYTES: usize = 256 * 1024;
/// The most complaints of a schema that are passed on.
const MOST_COMPLAINTS: usize = 5;

/// Configuration that others lie over.
struct Layer<'a> {
    /// Its holder, where that is another resource than the Tenant.
    holder: Option<String>,
    configuration: &'a Value,
}

/// Returns the merged configuration as canonical JSON; None where it is empty.
pub fn resolve(tenant: &Tenant, tier: &TenantTier, errors: &mut Vec<Invalid>) -> Option<String> {
    let layers = layers(tenant, tier);
    let empty = Value::Object(Map::new());
    let merged = layers.iter().fold(empty, |mut merged, layer| {
        json_patch::merge(&mut merged, layer.configuration);
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

/// The layers of a tenant's configuration, the lowest first.
fn layers<'a>(tenant: &'a Tenant, tier: &'a TenantTier) -> Vec<Layer<'a>> {
    let layer = |holder, configuration| Layer { holder, configuration };
    let of_tier = tier.spec.configuration.as_ref();
    let of_tier = of_tier.map(|value| layer(Some(format!("TenantTier {:.80}", tenant.spec.tier)), value));
    let own = tenant.spec.configuration.as_ref().map(|value| layer(None, value));
    of_tier.into_iter().chain(own).collect()
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
