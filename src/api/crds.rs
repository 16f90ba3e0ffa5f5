//! The CustomResourceDefinitions, as the chart installs them.

use super::{DatabaseServer, Tenant, TenantTier, TenantView, schema};
use kube::CustomResourceExt;
use serde_json::Value;

/// Every CRD, in the order of installation.
pub fn crds() -> Vec<Value> {
    [
        Tenant::crd(),
        TenantTier::crd(),
        DatabaseServer::crd(),
        TenantView::crd(),
    ]
    .iter()
    .map(|crd| {
        let mut value = serde_json::to_value(crd).unwrap_or_default();
        schema::clean(&mut value);
        schema::shorten_workloads(&mut value);
        schema::bound(&mut value, "");
        if value["spec"]["names"]["kind"] == "TenantView" {
            schema::status_alone(&mut value);
        }
        value
    })
    .collect()
}

/// A multi-document YAML stream.
///
/// # Errors
/// Never for values that came from JSON; the error is YAML's own.
pub fn yaml(documents: &[Value]) -> Result<String, serde_yaml::Error> {
    let mut out = String::new();
    for document in documents {
        out.push_str("---\n");
        out.push_str(&serde_yaml::to_string(document)?);
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As JSON, because a client-side apply records JSON in an annotation of at most 262,144 bytes.
    #[test]
    fn each_definition_stays_small() {
        for crd in crds() {
            let bytes = crd.to_string().len();
            assert!(bytes < 92_000, "{}: {bytes} bytes", crd["metadata"]["name"]);
        }
    }
}

#[cfg(test)]
#[path = "references_test.rs"]
mod references;
