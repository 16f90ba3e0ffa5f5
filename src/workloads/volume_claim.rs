//! PersistentVolumeClaims of a workload. They are data: removing one from the spec leaves it where it is.

use super::labels;
use crate::api::Workload;
use crate::capability::{Invalid, TenantCore};
use crate::cluster::{Desired, Kind, metadata};
use crate::quantity::Amount;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, PersistentVolumeClaimSpec, VolumeResourceRequirements};
use std::collections::BTreeMap;

/// Refuses claims that request more than the largest volume.
pub fn check_sizes(largest: Amount, workloads: &[Workload], errors: &mut Vec<Invalid>) {
    for workload in workloads {
        let claims = workload.volume_claims.iter().flatten();
        let own = claims.map(|claim| (&claim.name, &claim.storage));
        let ephemeral = workload.volumes.iter().flatten().filter_map(|volume| {
            let template = volume.ephemeral.as_ref()?.volume_claim_template.as_ref()?;
            let requests = template.spec.resources.as_ref()?.requests.as_ref()?;
            Some((&volume.name, requests.get("storage")?))
        });
        for (name, storage) in own.chain(ephemeral) {
            if Amount::parse(&storage.0).is_ok_and(|amount| amount > largest) {
                errors.push(Invalid::new(
                    format!("spec.workloads: {}", workload.name),
                    format!(
                        "volume {name} requests {:.40}, but the tier's volumes.max is {largest}",
                        storage.0
                    ),
                ));
            }
        }
    }
}

pub fn claims<'a>(tenant: &'a TenantCore, workload: &'a Workload) -> impl Iterator<Item = Desired> + 'a {
    workload.volume_claims.iter().flatten().map(|claim| {
        let meta = labels::meta(tenant, workload, &format!("{}-{}", workload.name, claim.name));
        let modes = claim.access_modes.as_ref().map_or_else(
            || vec!["ReadWriteOnce".to_string()],
            |modes| modes.iter().map(|mode| format!("{mode:?}")).collect(),
        );
        let object = PersistentVolumeClaim {
            metadata: meta.clone(),
            spec: Some(PersistentVolumeClaimSpec {
                access_modes: Some(modes),
                storage_class_name: claim.storage_class_name.clone(),
                resources: Some(VolumeResourceRequirements {
                    requests: Some(BTreeMap::from([("storage".to_string(), claim.storage.clone())])),
                    limits: None,
                }),
                ..PersistentVolumeClaimSpec::default()
            }),
            ..PersistentVolumeClaim::default()
        };
        let desired = metadata::desired(Kind::PersistentVolumeClaim, &meta, &object);
        // Left out, the class is the cluster's choice.
        let chosen = claim.storage_class_name.is_none();
        Desired {
            others: if chosen {
                vec!["/spec/storageClassName"]
            } else {
                Vec::new()
            },
            ..desired
        }
    })
}
