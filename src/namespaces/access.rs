//! RoleBindings: the operator's own, and one for each role that has owners. The roles are the chart's.

use crate::api::OwnerRole;
use crate::capability::Platform;
use crate::cluster::{Desired, Identity, Kind, metadata};
use crate::names;
use k8s_openapi::api::rbac::v1::{RoleBinding, RoleRef, Subject};
use std::collections::BTreeMap;

/// The operator's right to work in a namespace that it made.
pub fn operator(owner: &Identity, namespace: &str, platform: &Platform) -> Desired {
    let subject = Subject {
        kind: "ServiceAccount".into(),
        name: platform.service_account.clone(),
        namespace: Some(platform.namespace.clone()),
        api_group: None,
    };
    binding(
        owner,
        namespace,
        names::NAMESPACE_BINDING,
        names::NAMESPACE_ROLE,
        vec![subject],
    )
}

/// The right to try there what the tenant's people must not make; None where the platform does not want that to be tried.
pub fn examiner(owner: &Identity, namespace: &str, platform: &Platform) -> Option<Desired> {
    let subject = Subject {
        kind: "User".into(),
        name: names::EXAMINER.into(),
        namespace: None,
        api_group: Some("rbac.authorization.k8s.io".into()),
    };
    let (name, role) = (names::EXAMINER_ROLE, names::EXAMINER_ROLE);
    platform
        .examiner
        .then(|| binding(owner, namespace, name, role, vec![subject]))
}

/// The owners' rights; none while there are no owners of a role.
pub fn owners<'a>(
    owner: &'a Identity,
    owners: &'a BTreeMap<OwnerRole, Vec<Subject>>,
    namespace: &'a str,
) -> impl Iterator<Item = Desired> + 'a {
    owners.iter().map(move |(role, subjects)| {
        let role = role.cluster_role();
        binding(owner, namespace, role, role, subjects.clone())
    })
}

fn binding(owner: &Identity, namespace: &str, name: &str, role: &str, subjects: Vec<Subject>) -> Desired {
    let meta = metadata::meta(owner, namespace, name);
    let object = RoleBinding {
        metadata: meta.clone(),
        role_ref: RoleRef {
            api_group: "rbac.authorization.k8s.io".into(),
            kind: "ClusterRole".into(),
            name: role.into(),
        },
        subjects: Some(subjects),
    };
    metadata::desired(Kind::RoleBinding, &meta, &object)
}
