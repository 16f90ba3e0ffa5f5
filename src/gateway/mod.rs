//! A tenant's way in: one description, and a writer for each kind of gateway.

pub mod apisix;
#[cfg(test)]
mod cases;
pub mod certificates;
mod certificates_standing;
pub mod class;
pub mod envoy;
pub mod key_set;
pub mod keys;
pub mod settings;
pub mod single_keys;
pub mod standing;
pub mod way;

pub use settings::{Attachment, Controller, GatewaySettings, Redis, Scheme};
pub use way::{Unmet, Way};

use crate::cluster::{Desired, Key, Kind};
use serde_json::Value;
use way::State;

/// What a gateway is to be told of a tenant.
#[derive(Clone, Debug, Default)]
pub struct Written {
    pub objects: Vec<Desired>,
    /// What of the tenant's spec is not in force, that of the tier first.
    pub unmet: Vec<Unmet>,
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
    pub fn barred(self, route: Value) -> Value {
        match self {
            // Nothing guards it.
            Self::Apisix => route,
            Self::EnvoyGateway => envoy::barred(route),
        }
    }

    /// Whether a route, as JSON, lets nobody through.
    pub fn is_barred(self, route: &Value) -> bool {
        match self {
            Self::Apisix => false,
            Self::EnvoyGateway => envoy::is_barred(route),
        }
    }

    /// A tenant's way in, for this gateway.
    pub fn write(self, way: &Way, to: &Attachment) -> Written {
        let mut written = match self {
            Self::Apisix => apisix::write(way, to),
            Self::EnvoyGateway => envoy::write(way, to),
        };
        // While nobody is let in at all it says nothing.
        if way.state == State::Open {
            written.unmet.splice(..0, way.gateway.unmet.iter().cloned());
        }
        written
    }
}

#[cfg(test)]
#[path = "writers_test.rs"]
mod tests;
