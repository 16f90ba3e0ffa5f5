//! At start the operator proves that it is confined: what it must not do is refused, else it is not ready.

use crate::names;
use k8s_openapi::api::core::v1::Namespace;
use k8s_openapi::api::rbac::v1::RoleBinding;
use kube::api::{Api, PostParams};
use kube::{Client, Error};
use serde_json::json;

/// The reason why the operator does not start its work.
#[derive(thiserror::Error, Debug)]
pub enum Unproven {
    /// The API server would have done what it must refuse.
    #[error("the API server allows the operator to {0}: ValidatingAdmissionPolicy {1} is missing or not in force")]
    Allowed(&'static str, &'static str),
    /// It was refused, but not by our policy.
    #[error("the API server refused the attempt to {0}, but not by ValidatingAdmissionPolicy {1}: {2}")]
    Otherwise(&'static str, &'static str, String),
    /// It could not be tried.
    #[error("trying to {0} failed: {1}")]
    Untried(&'static str, Box<Error>),
}

const CONFINEMENT: &str = "tenant-operator-confinement";
const NAMESPACES: &str = "tenant-operator-namespaces";

/// Tries, by dry-run, what both policies must refuse.
///
/// # Errors
/// The attempt that was not refused, or not by the policy.
pub async fn prove(client: &Client) -> Result<(), Unproven> {
    let dry_run = PostParams {
        dry_run: true,
        field_manager: Some(names::MANAGER.into()),
    };

    let binding: Result<RoleBinding, _> = serde_json::from_value(json!({
        "metadata": {"name": "tenant-operator-proof"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "tenant-operator-tenant-viewer"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "nobody"}],
    }));
    let what = "bind a role in kube-system";
    let binding = binding.map_err(|error| Unproven::Untried(what, Box::new(Error::SerdeError(error))))?;
    let api: Api<RoleBinding> = Api::namespaced(client.clone(), "kube-system");
    judge(api.create(&dry_run, &binding).await, what, CONFINEMENT)?;

    let namespace: Result<Namespace, _> = serde_json::from_value(json!({
        "metadata": {"name": "tenant-operator-proof", "labels": {
            names::TENANT: "tenant-operator-proof",
            names::TENANT_ID: "00000000-0000-0000-0000-000000000000",
            names::MANAGED_BY: names::MANAGER,
            "pod-security.kubernetes.io/enforce": "privileged",
        }},
    }));
    let what = "create a privileged namespace of a tenant";
    let namespace = namespace.map_err(|error| Unproven::Untried(what, Box::new(Error::SerdeError(error))))?;
    let api: Api<Namespace> = Api::all(client.clone());
    judge(api.create(&dry_run, &namespace).await, what, NAMESPACES)
}

fn judge<K>(result: Result<K, Error>, what: &'static str, policy: &'static str) -> Result<(), Unproven> {
    match result {
        Ok(_) => Err(Unproven::Allowed(what, policy)),
        Err(Error::Api(status)) if status.message.contains(policy) => Ok(()),
        Err(Error::Api(status)) if (400..500).contains(&status.code) => {
            Err(Unproven::Otherwise(what, policy, status.message.clone()))
        }
        Err(error) => Err(Unproven::Untried(what, Box::new(error))),
    }
}
