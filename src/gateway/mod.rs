//! A tenant's way in: one description, and a writer for each kind of gateway.

mod api_keys;
pub mod apisix;
mod capability;
#[cfg(test)]
mod cases;
pub mod certificates;
mod certificates_state;
pub mod class;
pub mod config;
pub mod envoy;
mod follow;
mod grants;
mod hosts;
pub mod key_set;
pub mod keys;
mod routes;
pub mod settings;
pub mod single_keys;
pub mod state;
mod validate;

pub use api_keys::ReportedKeys;
pub use capability::{Gateway, UNSEEN};
pub use config::{GatewayConfig, Unsupported, ValidGateway};
pub use settings::{Attachment, Controller, GatewaySettings, Redis, Scheme};

use crate::cluster::{Desired, Identity, Key, Kind, Live};
use config::State;
use serde_json::Value;

/// What a gateway is to be told of a tenant.
#[derive(Clone, Debug, Default)]
pub struct Written {
    pub objects: Vec<Desired>,
    /// What of the tenant's spec is not in force, that of the tier first.
    pub unsupported: Vec<Unsupported>,
}

impl Controller {
    /// The kinds that this gateway is told by. Not every cluster has them.
    pub fn kinds(self) -> &'static [Kind] {
        match self {
            Self::Apisix => &apisix::KINDS,
            Self::EnvoyGateway => &envoy::KINDS,
        }
    }

    /// The kinds by which it is told of certificates, which only those tenants need that ask for some: a cluster may lack them.
    pub fn certificate_kinds(self) -> &'static [Kind] {
        match self {
            Self::Apisix => &[Kind::Certificate, Kind::ApisixTls],
            Self::EnvoyGateway => &[Kind::Certificate, Kind::ListenerSet],
        }
    }

    /// Whether routes attach to a Gateway, which says of itself whether it serves.
    pub fn has_parent(self) -> bool {
        self == Self::EnvoyGateway
    }

    /// Whether each API key has to be in a Secret of its own.
    pub fn wants_single_keys(self) -> bool {
        self == Self::Apisix
    }

    /// What the gateway must have taken up before a route, as JSON, lets anybody through, if anything.
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

    /// A route with a guard, as JSON, as it is to be written before the others that are planned, so that none of them is taken instead.
    pub fn transitional(self, before: &Value, after: &Value, planned: &[&Value]) -> Value {
        match self {
            // Whatever leads in by one entry is one object.
            Self::Apisix => after.clone(),
            Self::EnvoyGateway => envoy::transitional(before, after, planned),
        }
    }

    /// Whether a route, as JSON, lets nobody through.
    pub fn is_blocked(self, route: &Value) -> bool {
        match self {
            Self::Apisix => false,
            Self::EnvoyGateway => envoy::is_blocked(route),
        }
    }

    /// What is to be written, in this order, so that a route answers everybody with 503, and says why; nothing where it lets nobody through.
    pub fn closed(self, owner: &Identity, route: &Live, why: &str) -> Vec<Desired> {
        match self {
            Self::Apisix => apisix::shut(route, why).into_iter().collect(),
            Self::EnvoyGateway => envoy::closed(owner, route, why).into_iter().flatten().collect(),
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

    /// Whether an object, as JSON, leads nowhere and only makes the gateway know of a key set.
    pub fn is_jwks_preload(self, object: &Value) -> bool {
        match self {
            Self::Apisix => false,
            Self::EnvoyGateway => envoy::is_jwks_preload(object),
        }
    }

    /// What makes this gateway know of key sets beside those that it asks for; it is part of the way in.
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
        if way.state == State::Open {
            written.unsupported.splice(..0, way.gateway.unsupported.iter().cloned());
        }
        written
    }
}

#[cfg(test)]
#[path = "writers_test.rs"]
mod tests;
