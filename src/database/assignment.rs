//! Assigns each tenant to a DatabaseServer, one at a time.

use super::ValidDatabase;
use super::placement_record::{self, Placement};
use super::server_selection::{self, Candidate};
use super::server_state::Health;
use super::servers::Databases;
use crate::api::{DatabaseModel, DatabaseServer};
use crate::cluster::{Error, Identity, Kind, Writer};
use crate::quantity::Amount;
use kube::ResourceExt;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

impl Databases {
    /// Returns the placement of a tenant's data.
    pub fn placement(&self, owner: &Identity) -> Option<Placement> {
        let live = self
            .store
            .get(&owner.tenant, &placement_record::key(owner, &self.namespace))?;
        placement_record::read(&live).filter(|_| live.belongs_to(owner))
    }

    /// Returns all placements, with tenant and id.
    pub fn placements(&self) -> Vec<(Identity, Placement)> {
        let prefix = crate::names::claim_prefix(crate::names::DATABASE_CLAIM);
        let records = self.store.matching(Kind::ConfigMap, |namespace, name| {
            namespace == self.namespace && name.starts_with(&prefix)
        });
        let read = |live: &crate::cluster::Live| {
            let owner = Identity {
                tenant: live.label(crate::names::TENANT)?.to_string(),
                id: live.label(crate::names::TENANT_ID)?.to_string(),
            };
            Some((owner, placement_record::read(live)?))
        };
        records.iter().filter_map(read).collect()
    }

    /// Places a tenant, or returns its present placement.
    ///
    /// # Errors
    /// Errors of the API server. The inner error names each server's reason.
    pub async fn place(
        &self,
        writer: &Writer,
        owner: &Identity,
        database: &ValidDatabase,
    ) -> Result<Result<Placement, String>, Error> {
        if let Some(found) = self.placement(owner) {
            let placement = Placement {
                retained: false,
                abandoned: false,
                ..found
            };
            writer
                .ensure(owner, &placement_record::record(owner, &self.namespace, &placement))
                .await?;
            return Ok(Ok(placement));
        }
        // What the watch does not show, because somebody took its labels off, is where the data is all the same.
        if let Some(live) = writer.fetch(&placement_record::key(owner, &self.namespace)).await? {
            let found = placement_record::read(&live).filter(|_| live.belongs_to(owner));
            return match found {
                Some(found) => Ok(Ok(found)),
                None => Err(writer.foreign(owner, &live)),
            };
        }
        for server in self.servers.state() {
            self.server_state(&server.name_any()).first_inspection().await;
        }
        // One at a time, or two would take the last place.
        let _placing = self.placing.lock().await;
        let server = match server_selection::choose(&self.candidates(), database.model, &database.selector) {
            Ok(server) => server,
            Err(reason) => return Ok(Err(reason)),
        };
        let placement = Placement {
            server,
            model: database.model,
            retained: false,
            abandoned: false,
        };
        writer
            .ensure(owner, &placement_record::record(owner, &self.namespace, &placement))
            .await?;
        Ok(Ok(placement))
    }

    fn candidates(&self) -> Vec<Candidate> {
        let mut tenants: HashMap<String, usize> = HashMap::new();
        let mut taken: HashSet<String> = HashSet::new();
        for (_, placement) in self.placements() {
            if placement.model == DatabaseModel::Server {
                taken.insert(placement.server.clone());
            }
            *tenants.entry(placement.server).or_default() += 1;
        }
        let candidate = |server: &Arc<DatabaseServer>| {
            let name = server.name_any();
            let capacity = server.spec.capacity.clone().unwrap_or_default();
            let server_state = self.server_state(&name);
            let snapshot = server_state.snapshot();
            let refuses = match &snapshot.health {
                _ if server.metadata.deletion_timestamp.is_some() => Some("it is being deleted".to_string()),
                Health::Unknown => Some("the operator has not checked it yet".into()),
                Health::Away { message, .. } => Some(message.clone()),
                Health::Ready => None,
            };
            Candidate {
                labels: server.labels().clone(),
                refuses,
                tenants: tenants.get(&name).copied().unwrap_or(0),
                max_tenants: capacity.max_tenants.and_then(|most| usize::try_from(most).ok()),
                bytes: snapshot.usage.bytes,
                max_bytes: capacity
                    .max_storage
                    .and_then(|quantity| Amount::parse(&quantity.0).ok())
                    .map(Amount::ceil),
                is_taken: taken.contains(&name),
                has_shared_tables: !server.spec.shared_tables.is_empty(),
                name,
            }
        };
        self.servers.state().iter().map(candidate).collect()
    }
}
