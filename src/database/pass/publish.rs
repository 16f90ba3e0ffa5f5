//! Publishes a tenant's credentials in its Secret, and the database's status and usage.

use super::DatabasePass;
use super::failure::Failure;
use super::tenant_secret::{Facts, TenantSecret};
use crate::api::{DatabaseStatus, DatabaseUsage, SecretReference};
use crate::cluster::secret as stored;
use crate::database::secret::{self, Credentials, Endpoint};
use crate::database::server_state::{Connection, ServerState};
use crate::names;
use crate::postgres::Names;
use crate::postgres::password::Password;
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
            oldest_tls: connection.address.oldest_tls,
            ca: connection.ca.clone(),
        }
    }

    /// Writes the Secret if it differs, and returns its revision.
    pub(super) async fn publish(
        &self,
        connection: &Connection,
        tenant_names: &Names,
        secret: &TenantSecret,
        credentials: &Credentials,
    ) -> Result<String, Failure> {
        let published = &credentials.published;
        let wanted = self.desired(connection, tenant_names, credentials);
        let revision = secret::revision(&wanted);
        let version = stored::put(self.writer, &self.tenant.owner, secret.found(), wanted).await?;
        let facts = Facts {
            version: Some(version),
            published: Some(published.clone()),
            revision: Some(revision.clone()),
            desired: Some(self.digest(connection, tenant_names, published)),
        };
        self.keep(facts);
        Ok(revision)
    }

    /// The same for credentials that are published already. Where an earlier pass has done so, this one does not read the Secret.
    pub(super) async fn keep_published(
        &self,
        connection: &Connection,
        tenant_names: &Names,
        secret: &mut TenantSecret,
        current: &Published,
    ) -> Result<String, Failure> {
        let desired = self.digest(connection, tenant_names, current);
        if let Facts {
            revision: Some(revision),
            desired: Some(before),
            ..
        } = &secret.facts
            && *before == desired
        {
            return Ok(revision.clone());
        }
        let credentials = self.credentials(tenant_names, secret).await?.clone();
        self.publish(connection, tenant_names, secret, &credentials).await
    }

    fn desired(&self, connection: &Connection, tenant_names: &Names, credentials: &Credentials) -> Secret {
        let endpoint = self.endpoint(connection, tenant_names);
        secret::build(&self.tenant.owner, tenant_names, &endpoint, credentials)
    }

    /// Digest of the desired Secret without the password.
    fn digest(&self, connection: &Connection, tenant_names: &Names, published: &Published) -> String {
        let without = Credentials {
            published: published.clone(),
            password: Password::from_secret(""),
        };
        let desired = self.desired(connection, tenant_names, &without);
        names::digest(&serde_json::to_vec(&desired).unwrap_or_default())
    }

    pub(super) fn status(&self, tenant_names: &Names, published: Option<&Published>) -> DatabaseStatus {
        let resource = self.databases.resource(&self.placement.server);
        let spec = resource.as_ref().map(|resource| &resource.spec);
        let records = spec.map_or("", |spec| &spec.database);
        // What cannot be a name is told where it is needed.
        let place = self.place(spec).ok();
        let databases = place.as_ref().map(|place| place.databases(tenant_names, records));
        let first = databases.and_then(|databases| databases.first().map(ToString::to_string));
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
            number: self.tenant.number,
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
