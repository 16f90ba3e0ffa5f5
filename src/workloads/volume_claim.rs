//! PersistentVolumeClaims of a workload. They are data: removing one from the spec leaves it where it is.

use super::labels;
use crate::api::Workload;
use crate::capability::TenantCore;
use crate::cluster::{Desired, Kind, metadata};
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, PersistentVolumeClaimSpec, VolumeResourceRequirements};
use std::collections::BTreeMap;

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
