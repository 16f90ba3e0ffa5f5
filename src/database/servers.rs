//! All DatabaseServers, the state of each, and the tenants that wait for them.

use super::address;
use super::metrics::DatabaseMetrics;
use super::server_state::ServerState;
use super::settings::DatabaseSettings;
use crate::api::DatabaseServer;
use crate::capability::Tenants;
use crate::cluster::{Error, Queue, Store};
use crate::dns::DnsSettings;
use crate::postgres::client;
use crate::telemetry::metrics::Metrics;
use crate::term::Term;
use k8s_openapi::api::core::v1::Secret;
use kube::runtime::reflector::{self, ObjectRef};
use kube::{Api, Client};
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

/// Keys of an administrator's Secret.
const CREDENTIALS: [&str; 2] = ["username", "password"];

/// All servers.
pub struct Databases {
    pub client: Client,
    /// The term in which the operator may write on the servers.
    pub term: Term,
    /// Namespace of the operator, with the Secrets of servers.
    pub namespace: String,
    pub store: Arc<Store>,
    pub tenants: Tenants,
    pub servers: reflector::Store<DatabaseServer>,
    pub queue: Queue,
    pub metrics: DatabaseMetrics,
    pub settings: DatabaseSettings,
    pub dns: DnsSettings,
    server_states: RwLock<HashMap<String, Arc<ServerState>>>,
    pub(super) placing: tokio::sync::Mutex<()>,
}

impl Databases {
    pub fn new(
        (client, term): (Client, Term),
        namespace: String,
        store: Arc<Store>,
        tenants: Tenants,
        servers: reflector::Store<DatabaseServer>,
        (queue, metrics): (Queue, &Metrics),
        (settings, dns): (DatabaseSettings, DnsSettings),
    ) -> Self {
        Self {
            client,
            term,
            namespace,
            store,
            tenants,
            servers,
            queue,
            metrics: DatabaseMetrics::register(metrics),
            settings,
            dns,
            server_states: RwLock::default(),
            placing: tokio::sync::Mutex::default(),
        }
    }

    /// Returns a server's state; creates it at the first mention.
    pub fn server_state(&self, name: &str) -> Arc<ServerState> {
        if let Some(server_state) = self
            .server_states
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(name)
        {
            return server_state.clone();
        }
        let mut server_states = self.server_states.write().unwrap_or_else(PoisonError::into_inner);
        server_states
            .entry(name.to_string())
            .or_insert_with(|| Arc::new(ServerState::new(name)))
            .clone()
    }

    /// Forgets a server after its deletion.
    pub fn forget(&self, name: &str) {
        self.server_states
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(name);
    }

    /// Returns the resource of this name.
    pub fn resource(&self, name: &str) -> Option<Arc<DatabaseServer>> {
        self.servers.get(&ObjectRef::new(name))
    }

    /// Returns the unreadable part of a server's resource. The operator does not work with such a server: it might be another one, or lose its protection.
    pub fn unread(&self, name: &str) -> Option<String> {
        address::unread(&self.resource(name)?.spec)
    }

    /// Wakes each tenant that is on a server, or that waits for one.
    pub fn wake(&self, server: &str) {
        let concerned = self.tenants.matching(|tenant| {
            let status = tenant.status.as_ref().and_then(|status| status.database.as_ref());
            status.is_none_or(|database| database.server == server)
        });
        concerned.iter().for_each(|tenant| self.queue.wake(tenant));
    }

    /// Reads a key of a Secret in the operator's namespace.
    ///
    /// # Errors
    /// Names the Secret and the reason, never its content.
    pub async fn secret(&self, name: &str, key: &str) -> Result<String, client::Error> {
        let api: Api<Secret> = Api::namespaced(self.client.clone(), &self.namespace);
        let unusable = |why: &str| client::Error::Settings(format!("Secret {}/{name}: {why}", self.namespace));
        let secret = match api.get_opt(name).await {
            Ok(Some(secret)) => secret,
            Ok(None) => return Err(unusable("does not exist")),
            Err(error) => return Err(unusable(&Error::from(error).chain())),
        };
        let value = secret.data.as_ref().and_then(|data| data.get(key));
        entry(key, value.map(|value| value.0.as_slice())).map_err(|why| unusable(&why))
    }
}

/// Returns a key's text, or the reason why it cannot be used.
fn entry(key: &str, value: Option<&[u8]>) -> Result<String, String> {
    let value = value
        .filter(|value| !value.is_empty())
        .ok_or_else(|| format!("has no key {key}"))?;
    let text = String::from_utf8(value.to_vec()).map_err(|_| format!("key {key} is no text in UTF-8"))?;
    let is_break = |text: char| matches!(text, '\n' | '\r');
    let is_credential = CREDENTIALS.contains(&key);
    match is_credential && (text.starts_with(is_break) || text.ends_with(is_break)) {
        // An editor or `echo` adds it; the server would only say that the password is wrong.
        true => Err(format!(
            "key {key} begins or ends with a line break: remove it (kubectl create secret generic --from-literal adds none)"
        )),
        false => Ok(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_credential_has_no_line_break_at_an_end() {
        for value in ["secret\n", "secret\r\n", "\nsecret", "\n"] {
            for key in CREDENTIALS {
                let why = entry(key, Some(value.as_bytes())).expect_err(value);
                assert!(
                    why.starts_with(&format!("key {key} begins or ends with a line break")),
                    "{why}"
                );
                assert!(!why.contains("secret\n"), "{why}");
            }
        }
        for value in ["secret", " se\ncret "] {
            assert_eq!(entry("password", Some(value.as_bytes())).as_deref(), Ok(value));
        }
        assert_eq!(entry("ca.crt", Some(b"PEM\n")).as_deref(), Ok("PEM\n"));
        for (value, why) in [
            (None, "has no key"),
            (Some(&b""[..]), "has no key"),
            (Some(&[0xff]), "UTF-8"),
        ] {
            assert!(entry("password", value).expect_err("unusable").contains(why));
        }
    }
}
