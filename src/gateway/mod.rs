//! A tenant's way in: one description, and a writer for each kind of gateway.

pub mod api_key_rotation;
pub mod api_key_slots;
mod api_keys;
pub mod apisix;
mod backends;
mod capability;
#[cfg(test)]
mod cases;
pub mod certificates;
mod certificates_state;
pub mod config;
pub mod credential_class;
pub mod envoy;
pub mod error_responses;
#[cfg(test)]
mod fixtures;
mod gateway_watch;
mod grants;
mod headers;
mod host_claims;
pub mod jwks_route;
pub mod path_template;
mod proxies;
mod proxy_routes;
mod routes;
pub mod settings;
pub mod state;
pub mod traffic;
mod validate;

pub use api_keys::ReportedKeys;
pub use capability::Gateway;
pub use config::{GatewayConfig, Unsupported, ValidGateway};
pub use proxies::Proxies;
pub use settings::{Attachment, Controller, GatewaySettings, Redis, Scheme};

use crate::cluster::{Desired, Identity, Key, Kind, Live};
use config::ClientAccess;
use serde_json::Value;

/// The objects to write to a gateway for a tenant.
#[derive(Clone, Debug, Default)]
pub struct Written {
    pub objects: Vec<Desired>,
    /// Settings of the tenant's spec that are not in force, the tier's first.
    pub unsupported: Vec<Unsupported>,
    /// What the gateway counts in another way than the spec says, within the spec's bounds: field and words.
    pub remarks: Vec<String>,
}

impl Controller {
    /// Returns the kinds of this gateway's objects. Not every cluster serves them.
    pub fn kinds(self) -> &'static [Kind] {
        match self {
            Self::Apisix => &apisix::KINDS,
            Self::EnvoyGateway => &envoy::KINDS,
        }
    }

    /// Returns the kinds for certificates. Only tenants with certificates need them: a cluster may lack them.
    pub fn certificate_kinds(self) -> &'static [Kind] {
        match self {
            Self::Apisix => &[Kind::Certificate, Kind::ApisixTls],
            Self::EnvoyGateway => &[Kind::Certificate, Kind::ListenerSet],
        }
    }

    /// Returns true where routes attach to a Gateway, which reports its own readiness.
    pub fn has_parent(self) -> bool {
        self == Self::EnvoyGateway
    }

    /// Returns true where each API key needs its own Secret.
    pub fn wants_single_keys(self) -> bool {
        self == Self::Apisix
    }

    /// Returns the object that the gateway must accept before a route, as JSON, may admit anybody.
    pub fn guard(self, key: &Key, route: &Value) -> Option<Key> {
        match self {
            Self::Apisix => None,
            Self::EnvoyGateway => envoy::guard(key, route),
        }
    }

    /// The route, as JSON, as long as its guard was not taken up.
    pub fn blocked(self, route: Value) -> Value {
        match self {
            // Nothing guards it.
            Self::Apisix => route,
            Self::EnvoyGateway => envoy::blocked(route),
        }
    }

    /// Returns a route with a guard, as JSON, to write before the other planned routes, so that requests never take one of these instead.
    pub fn transitional(self, before: &Value, after: &Value, planned: &[&Value]) -> Value {
        match self {
            // One object holds all routes of an entry.
            Self::Apisix => after.clone(),
            Self::EnvoyGateway => envoy::transitional(before, after, planned),
        }
    }

    /// Returns true where a route, as JSON, admits nobody.
    pub fn is_blocked(self, route: &Value) -> bool {
        match self {
            Self::Apisix => false,
            Self::EnvoyGateway => envoy::is_blocked(route),
        }
    }

    /// Returns the objects, in order, that make a route answer all requests with 503 and the reason; nothing where it admits nobody.
    pub fn blocked_with_reason(self, owner: &Identity, route: &Live, why: &str) -> Vec<Desired> {
        match self {
            Self::Apisix => apisix::blocked_with_reason(route, why).into_iter().collect(),
            Self::EnvoyGateway => envoy::blocked_with_reason(owner, route, why)
                .into_iter()
                .flatten()
                .collect(),
        }
    }

    /// The key set, as JSON, by which an object makes the gateway know tokens, if it does.
    pub fn asked(self, key: &Key, object: &Value) -> Option<String> {
        match self {
            // It knows none that is renewed.
            Self::Apisix => None,
            Self::EnvoyGateway => envoy::asked(key, object),
        }
    }

    /// Returns true where an object, as JSON, leads nowhere and only preloads a key set.
    pub fn is_jwks_preload(self, object: &Value) -> bool {
        match self {
            Self::Apisix => false,
            Self::EnvoyGateway => envoy::is_jwks_preload(object),
        }
    }

    /// Returns the objects that preload key sets which no route asks for; they are part of the way in.
    pub fn jwks_preloads(self, way: &GatewayConfig, to: &Attachment) -> Vec<Desired> {
        match self {
            Self::Apisix => Vec::new(),
            Self::EnvoyGateway => envoy::jwks_preloads(way, to),
        }
    }

    /// A tenant's way in, for this gateway.
    pub fn write(self, way: &GatewayConfig, to: &Attachment) -> Written {
        let mut written = match self {
            Self::Apisix => apisix::write(way, to),
            Self::EnvoyGateway => envoy::write(way, to),
        };
        // While nobody is let in at all it says nothing.
        if way.access == ClientAccess::Open {
            written.unsupported.splice(..0, way.gateway.unsupported.iter().cloned());
        }
        written
    }
}

#[cfg(test)]
#[path = "writers_test.rs"]
mod tests;
