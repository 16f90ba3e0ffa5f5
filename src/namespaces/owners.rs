//! The owners of a tenant, as subjects of RoleBindings.

use crate::api::{Owner, OwnerKind, OwnerRole};
use crate::capability::{Invalid, World};
use crate::names;
use crate::syntax::dns_subdomain;
use k8s_openapi::api::rbac::v1::Subject;
use std::collections::BTreeMap;

const RBAC: &str = "rbac.authorization.k8s.io";

/// The subjects of each role, in a fixed order and without repetition; those that are refused are left out.
pub fn subjects(
    owners: &[Owner],
    namespaces: &[String],
    world: &World,
    errors: &mut Vec<Invalid>,
) -> BTreeMap<OwnerRole, Vec<Subject>> {
    let mut sorted: Vec<(usize, &Owner)> = owners.iter().enumerate().collect();
    // An apiGroup may be left out or written, and says nothing either way.
    let identity = |owner: &Owner| (owner.kind, owner.name.clone(), owner.namespace.clone(), owner.role);
    sorted.sort_by_key(|(_, owner)| identity(owner));
    sorted.dedup_by_key(|(_, owner)| identity(owner));
    let mut by_role: BTreeMap<OwnerRole, Vec<Subject>> = BTreeMap::new();
    for (i, owner) in sorted {
        let at = |field: &str| format!("spec.owners[{i}].{field}");
        let before = errors.len();
        if owner.name.starts_with("system:") {
            errors.push(Invalid::new(
                at("name"),
                "a user or group of the system cannot own a tenant",
            ));
        }
        if owner.name == names::EXAMINER {
            errors.push(Invalid::new(
                at("name"),
                "belongs to the operator and cannot own a tenant",
            ));
        }
        let service_account = owner.kind == OwnerKind::ServiceAccount;
        if let Err(rule) = dns_subdomain(&owner.name)
            && service_account
        {
            errors.push(Invalid::new(at("name"), format!("{:.80?}: {rule}", owner.name)));
        }
        if let Some(namespace) = owner.namespace.as_ref().filter(|_| service_account) {
            if namespace.starts_with("kube-") {
                errors.push(Invalid::new(
                    at("namespace"),
                    "a ServiceAccount of the system cannot own a tenant",
                ));
            }
            if let Some(holder) = world
                .tenant_namespaces
                .get(namespace)
                .filter(|_| !namespaces.contains(namespace))
            {
                errors.push(Invalid::new(
                    at("namespace"),
                    format!("belongs to another tenant, {holder}"),
                ));
            }
        } else if service_account {
            errors.push(Invalid::new(at("namespace"), "a ServiceAccount has a namespace"));
        }
        if errors.len() > before {
            continue;
        }
        by_role.entry(owner.role).or_default().push(Subject {
            api_group: (!service_account).then(|| RBAC.to_string()),
            kind: format!("{:?}", owner.kind),
            name: owner.name.clone(),
            namespace: owner.namespace.clone().filter(|_| service_account),
        });
    }
    by_role
}
