//! Publishes a tenant's credentials in its Secret, and the database's status and usage.

use super::DatabasePass;
use super::failure::Failure;
use crate::api::{DatabaseStatus, DatabaseUsage, SecretReference};
use crate::cluster::secret as stored;
use crate::database::secret::{self, Credentials, Endpoint};
use crate::database::server_state::{Connection, ServerState};
use crate::names;
use crate::postgres::Names;
use crate::rotation::Published;
use crate::time::after;
use k8s_openapi::api::core::v1::Secret;

impl DatabasePass<'_> {
    fn endpoint(&self, connection: &Connection, tenant_names: &Names) -> Endpoint {
        let status = self.status(tenant_names, None);
        Endpoint {
            host: connection.address.host.clone(),
            port: connection.address.port,
            database: status.database,
            schema: status.schema,
            tls: connection.tls,
            ca: connection.ca.clone(),
        }
    }

    /// Writes the Secret if it differs, and returns its revision.
    pub(super) async fn publish(
        &self,
        connection: &Connection,
        tenant_names: &Names,
        found: Option<Secret>,
        credentials: &Credentials,
    ) -> Result<String, Failure> {
        let owner = &self.tenant.owner;
        let wanted = secret::build(
            owner,
            tenant_names,
            &self.endpoint(connection, tenant_names),
            credentials,
        );
        let revision = secret::revision(&wanted);
        stored::put(self.writer, owner, found.as_ref(), wanted).await?;
        Ok(revision)
    }

    pub(super) fn status(&self, tenant_names: &Names, credentials: Option<&Credentials>) -> DatabaseStatus {
        let resource = self.databases.resource(&self.placement.server);
        let spec = resource.as_ref().map(|resource| &resource.spec);
        let records = spec.map_or("", |spec| &spec.database);
        // What cannot be a name is told where it is needed.
        let place = self.place(spec).ok();
        let databases = place.as_ref().map(|place| place.databases(tenant_names, records));
        let first = databases.and_then(|databases| databases.first().map(ToString::to_string));
        let published = credentials.map(|credentials| &credentials.published);
        let next = |published: &Published| after(published.issued_at, self.tenant.rotation.interval);
        DatabaseStatus {
            server: self.placement.server.clone(),
            model: self.placement.model.to_string(),
            database: first.unwrap_or_default(),
            schema: place.and_then(|place| place.schema(tenant_names).map(String::from)),
            credentials_secret_ref: published.map(|_| SecretReference {
                name: names::DATABASE_SECRET.into(),
            }),
            credentials_issued_at: published.map(|published| published.issued_at.to_string()),
            next_rotation_at: published.map(|published| next(published).to_string()),
        }
    }

    pub(super) fn usage(&self, server_state: &ServerState, tenant_names: &Names) -> DatabaseUsage {
        let snapshot = server_state.snapshot();
        DatabaseUsage {
            bytes: snapshot.usage.bytes_of(tenant_names),
            connections: Some(snapshot.usage.sessions_of(tenant_names)),
        }
    }
}
