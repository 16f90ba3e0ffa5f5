//! One tenant's part of an observation.

use super::Names;
use super::catalog::{Catalog, Grant, Place};
use std::sync::Arc;

impl Catalog {
    /// Returns the parts for one tenant, and for the whole server.
    pub fn of(&self, names: &Names) -> Self {
        let mut part = Self {
            version: self.version,
            server_id: self.server_id.clone(),
            version_text: self.version_text.clone(),
            read_only: self.read_only,
            database: self.database.clone(),
            admin: self.admin.clone(),
            extensions: self.extensions.clone(),
            large_objects_open: self.large_objects_open,
            statistics_open: self.statistics_open,
            locks_open: self.locks_open,
            former_group: self.former_group,
            connections: self.connections.clone(),
            ..Self::default()
        };
        for role in names.roles() {
            let name = role.as_str();
            if let Some(role) = self.roles.get(name) {
                part.roles.insert(name.into(), role.clone());
            }
        }
        let place = names.place.as_str();
        for name in [place, super::plan::EXTENSIONS, super::plan::PUBLIC] {
            if let Some(schema) = self.schemas.get(name) {
                part.schemas.insert(name.into(), schema.clone());
            }
        }
        if let Some(intent) = self.intents.get(place) {
            part.intents.insert(place.into(), intent.clone());
            let begun = intent.database();
            if let Some(database) = self.databases.get(begun.as_str()) {
                part.databases.insert(begun.into(), database.clone());
            }
        }
        let is_ours = |grant: &&Grant| {
            let grantee = grant.grantee.as_deref().unwrap_or_default();
            // All of them begin with the first one, and there are thousands of others.
            grantee.starts_with(names.owner.as_str()) && names.roles().iter().any(|role| role.as_str() == grantee)
        };
        for (name, database) in &self.databases {
            if **name == *place {
                part.databases.insert(name.clone(), database.clone());
            } else {
                let grants: Vec<Grant> = database.grants.iter().filter(is_ours).cloned().collect();
                if *name == self.database || !grants.is_empty() {
                    let database = Place {
                        grants,
                        ..database.clone()
                    };
                    part.databases.insert(name.clone(), database);
                }
            }
        }
        for kind in ["role", "schema", "database"] {
            for name in names.roles() {
                let key = (kind.into(), name.as_str().into());
                if let Some(mark) = self.marks.get(&key) {
                    part.marks.insert(key, mark.clone());
                }
            }
        }
        part
    }

    /// Returns true if anything but the number of sessions differs between two looks at one tenant, be it at this one or at all.
    pub fn differs(&self, other: &Self) -> bool {
        let quiet = |catalog: &Self| {
            let mut catalog = catalog.clone();
            for role in catalog.roles.values_mut() {
                Arc::make_mut(role).sessions = 0;
            }
            for schema in catalog.schemas.values_mut() {
                schema.objects = None;
            }
            catalog
        };
        quiet(self) != quiet(other)
    }
}
