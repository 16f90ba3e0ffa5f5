//! A tenant's desired routes, for any gateway. Pure.

use super::certificates::{self, Certificate};
use super::error_responses::ValidErrorResponse;
pub use super::headers::{
    API_KEY, TENANT_CLIENT, TENANT_FEATURES, TENANT_ID, TENANT_NAME, TENANT_NUMBER, TENANT_PARENT_ID, TENANT_ROOT_ID,
    TENANT_TIER,
};
use super::path_template::PathTemplate;
pub use super::traffic::{LEAST_BANDWIDTH, ValidBandwidth, ValidSession, ValidTraffic};
use crate::api::{ClaimHeader, HttpMethod, Identification, JwtAuthentication, PathType, RateLimit, RoutePath};
use crate::capability::{
    Invalid, TenantCore,
    jwks::{JwkSet, PublicKeys},
};
use crate::cluster::Identity;
use crate::conditions::reason;
use k8s_openapi::jiff::Timestamp;
use serde_json::Value;
use std::fmt;

/// Headers that only some tenants have.
const OPTIONAL: [&str; 4] = [TENANT_FEATURES, TENANT_NUMBER, TENANT_PARENT_ID, TENANT_ROOT_ID];

/// A tenant's way in, as far as spec and tier say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ValidGateway {
    pub identification: Vec<Identification>,
    /// The most specific first.
    pub routes: Vec<Route>,
    pub keys: Vec<ValidApiKey>,
    /// Certificates for hosts of its own.
    pub certificates: Vec<Certificate>,
    pub jwt: Option<JwtAuthentication>,
    /// Limits, ordered by unit.
    pub rate_limits: Vec<RateLimit>,
    pub concurrent_requests: Option<i64>,
    pub bandwidth: ValidBandwidth,
    pub traffic: ValidTraffic,
    /// Answers in the place of the gateway's plain errors, ordered by status.
    pub error_responses: Vec<ValidErrorResponse>,
    /// Features that the spec names and the tier lacks.
    pub unsupported: Vec<Unsupported>,
}

/// The backend at one path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    pub path: RoutePath,
    /// In order; empty means all.
    pub methods: Vec<HttpMethod>,
    /// Empty for an application that the tier lacks: the gateway answers such requests with 503.
    pub targets: Vec<Target>,
    pub admits: Admits,
    /// Limits of its own, ordered by unit.
    pub rate_limits: Vec<RateLimit>,
    /// The JSON Schema of the bodies of its requests.
    pub request_schema: Option<Value>,
}

/// A Service that answers a share of the requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub backend: Backend,
    /// Above 0; relative to the sum of all.
    pub weight: i32,
    /// True where it answers only while no other target can be reached. There is another one then.
    pub is_fallback: bool,
}

/// A Service that answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Backend {
    pub service: String,
    /// The namespace of a shared application; None for the tenant's first namespace.
    pub namespace: Option<String>,
    pub port: u16,
}

impl Backend {
    /// Returns true where both are the same Service.
    pub fn has_service_of(&self, other: &Self) -> bool {
        (&self.service, &self.namespace) == (&other.service, &other.namespace)
    }
}

/// The clients that a route admits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Admits {
    Everybody,
    /// Those with credentials of the tenant, as far as these are among them.
    Authenticated(Whom),
}

/// The subset of authenticated clients that a route admits.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Whom {
    All,
    /// Clients with one of these roles, in order. No list is empty: see [`Whom::any_of`].
    AnyOf(Vec<String>),
    /// Clients with one of these roles, if there are any, and tokens with all of these permissions of their own. Both in order.
    Holding {
        roles: Vec<String>,
        permissions: Vec<String>,
    },
    /// No client has a required role.
    Nobody,
}

impl Whom {
    /// Returns clients with one of these roles; nobody for an empty list.
    pub fn any_of(mut roles: Vec<String>) -> Self {
        roles.sort();
        roles.dedup();
        match roles.is_empty() {
            true => Self::Nobody,
            false => Self::AnyOf(roles),
        }
    }

    /// Returns true where a client with these roles is among them.
    pub fn includes(&self, roles: &[String]) -> bool {
        match self {
            Self::All => true,
            Self::AnyOf(asked) | Self::Holding { roles: asked, .. } => roles.iter().any(|role| asked.contains(role)),
            Self::Nobody => false,
        }
    }

    /// Returns the keys among these, which have roles and no permissions of their own.
    pub fn of_keys(&self) -> Self {
        match self {
            Self::Holding { roles, .. } => Self::any_of(roles.clone()),
            other => other.clone(),
        }
    }
}

/// An API key, without its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidApiKey {
    pub name: String,
    pub roles: Vec<String>,
    pub expires_at: Option<Timestamp>,
    /// The number of its own Secret, where the gateway wants one Secret for each key.
    pub slot: usize,
}

/// The host, path or header by which the gateway assigns requests to the tenant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Entry {
    /// Hosts of its own.
    Hosts(Vec<String>),
    /// Hosts of its own that have certificates of their own: by TLS alone.
    SecureHosts(Vec<String>),
    /// A path below which its routes are, on hosts that all share.
    Path { hosts: Vec<String>, prefix: String },
    /// A header that has one of these values, on hosts that all share.
    Header { hosts: Vec<String>, values: Vec<String> },
}

impl Entry {
    /// A word for it, for names.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Hosts(_) => "host",
            Self::SecureHosts(_) => "tls",
            Self::Path { .. } => "path",
            Self::Header { .. } => "header",
        }
    }

    pub fn hosts(&self) -> &[String] {
        match self {
            Self::Hosts(hosts) | Self::SecureHosts(hosts) | Self::Path { hosts, .. } | Self::Header { hosts, .. } => {
                hosts
            }
        }
    }
}

/// Gateway access of the tenant's clients.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClientAccess {
    Open,
    /// Every request is answered 503 with these words.
    Blocked(&'static str),
}

/// The messages to clients of a blocked tenant.
pub const SUSPENDED: &str = "this tenant is suspended";
pub const CUT_OFF: &str = "this tenant is temporarily blocked";

/// A tenant's way in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GatewayConfig {
    pub owner: Identity,
    pub tier: String,
    /// Sorted.
    pub features: Vec<String>,
    pub number: Option<i64>,
    /// The id of its parent, and of the topmost tenant of its family.
    pub parent: Option<(String, String)>,
    pub entries: Vec<Entry>,
    pub access: ClientAccess,
    pub gateway: ValidGateway,
    /// The tenant's public keys, where it signs tokens.
    pub key_set: Option<JwkSet>,
    /// Key sets, as JSON, that the gateway is to know of although it asks for none of them.
    pub preloaded: Vec<String>,
}

/// A valid setting that is not in force: the gateway does not support it, or the tier lacks it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsupported {
    /// The condition's reason.
    pub reason: &'static str,
    /// The path of the field.
    pub field: String,
    /// The missing effect, and an alternative.
    pub message: String,
}

impl Unsupported {
    /// Converts a fault into a setting that is not in force, where the fault harms nothing else.
    pub fn of(reason: &'static str, invalid: Invalid) -> Self {
        let Invalid { field, message } = invalid;
        Self { reason, field, message }
    }

    /// Returns a feature that the gateway does not support.
    pub fn feature(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            reason: reason::UNSUPPORTED,
            field: field.into(),
            message: message.into(),
        }
    }
}

impl fmt::Display for Unsupported {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.message)
    }
}

impl GatewayConfig {
    /// The way in of a tenant, on hosts that are its own by now; None where nothing leads to it.
    pub fn of(
        tenant: &TenantCore,
        gateway: &ValidGateway,
        keys: Option<&PublicKeys>,
        shared_hosts: &[String],
        path: &PathTemplate,
    ) -> Option<Self> {
        let mut gateway = gateway.clone();
        let mut preloaded = Vec::new();
        if let (Some(keys), Some(jwt)) = (keys, &mut gateway.jwt)
            && jwt.jwks.is_own()
        {
            jwt.jwks.inline = Some(keys.trusted.text());
            preloaded.extend(keys.preloaded.iter().map(JwkSet::text));
        }
        gateway.certificates = certificates::for_hosts(&gateway.certificates, &tenant.hosts);
        let named = gateway.certificates.iter().flat_map(|certificate| &certificate.hosts);
        let (secure, plain): (Vec<String>, Vec<String>) = tenant
            .hosts
            .iter()
            .cloned()
            .partition(|host| named.clone().any(|name| name == host));
        let owner = &tenant.owner;
        let shared = || shared_hosts.to_vec();
        let entries = |by: &Identification| match by {
            Identification::Host => vec![Entry::Hosts(plain.clone()), Entry::SecureHosts(secure.clone())],
            Identification::Path => vec![Entry::Path {
                hosts: shared(),
                prefix: path.of(owner),
            }],
            Identification::Header => vec![Entry::Header {
                hosts: shared(),
                values: vec![owner.tenant.clone(), owner.id.clone()],
            }],
        };
        let entries: Vec<Entry> = gateway
            .identification
            .iter()
            .flat_map(entries)
            .filter(|entry| !entry.hosts().is_empty())
            .collect();
        let access = match (tenant.suspend, &tenant.quarantine) {
            (true, _) => ClientAccess::Blocked(SUSPENDED),
            (_, Some(_)) => ClientAccess::Blocked(CUT_OFF),
            _ => ClientAccess::Open,
        };
        (!entries.is_empty() && !gateway.routes.is_empty()).then(|| Self {
            owner: owner.clone(),
            tier: tenant.tier.clone(),
            features: tenant.features.clone(),
            number: tenant.number,
            parent: tenant.family.ids_above(),
            entries,
            access,
            gateway,
            key_set: keys.map(|keys| keys.published.clone()),
            preloaded,
        })
    }

    /// Returns the backends of the routes.
    pub fn backends(&self) -> impl Iterator<Item = &Backend> {
        let targets = self.gateway.routes.iter().flat_map(|route| &route.targets);
        targets.map(|target| &target.backend)
    }

    /// Returns true where a route has a fallback.
    pub fn has_fallback(&self) -> bool {
        let mut targets = self.gateway.routes.iter().flat_map(|route| &route.targets);
        targets.any(|target| target.is_fallback)
    }

    /// Returns the same without fallbacks, for a gateway that has none.
    pub fn without_fallbacks(&self) -> Self {
        let mut plain = self.clone();
        for route in &mut plain.gateway.routes {
            route.targets.retain(|target| !target.is_fallback);
        }
        plain
    }

    /// Returns the limits of the tenant and of its routes.
    pub fn all_rate_limits(&self) -> impl Iterator<Item = &RateLimit> {
        let of_routes = self.gateway.routes.iter().flat_map(|route| &route.rate_limits);
        self.gateway.rate_limits.iter().chain(of_routes)
    }

    /// Returns true where a route has no backend.
    pub fn has_loose_end(&self) -> bool {
        self.gateway.routes.iter().any(|route| route.targets.is_empty())
    }

    /// Returns the headers that the workload gets from claims. The gateway drops a client's own.
    pub fn claim_headers(&self) -> &[ClaimHeader] {
        self.gateway.jwt.as_ref().map_or(&[], |jwt| &jwt.claim_headers)
    }

    /// Returns the headers that the gateway sets on each request to the workload, over the client's own.
    pub fn context(&self) -> Vec<(&'static str, String)> {
        let known = [
            (TENANT_ID, Some(self.owner.id.clone())),
            (TENANT_NAME, Some(self.owner.tenant.clone())),
            (TENANT_TIER, Some(self.tier.clone())),
            (
                TENANT_FEATURES,
                (!self.features.is_empty()).then(|| self.features.join(",")),
            ),
            (TENANT_NUMBER, self.number.map(|number| number.to_string())),
            (TENANT_PARENT_ID, self.parent.as_ref().map(|(parent, _)| parent.clone())),
            (TENANT_ROOT_ID, self.parent.as_ref().map(|(_, root)| root.clone())),
        ];
        known
            .into_iter()
            .filter_map(|(name, value)| Some((name, value?)))
            .collect()
    }

    /// Returns the headers of the context without a value for this tenant, which the gateway drops from clients' requests.
    pub fn absent(&self) -> Vec<&'static str> {
        let context = self.context();
        let is_absent = |header: &&'static str| context.iter().all(|(name, _)| name != header);
        OPTIONAL.into_iter().filter(is_absent).collect()
    }
}

/// A bound divided among so many that count apart: together these do not exceed it, as long as each may have one.
pub fn divided(most: i64, among: usize) -> i64 {
    (most / i64::try_from(among.max(1)).unwrap_or(i64::MAX)).max(1)
}

/// The most specific first: exact paths, then the longest prefixes, then those of certain methods.
pub fn by_precedence(routes: &mut [Route]) {
    routes.sort_by_key(|route| {
        let is_prefix = route.path.type_ == PathType::PathPrefix;
        let length = std::cmp::Reverse(route.path.value.len());
        (
            is_prefix,
            length,
            route.methods.is_empty(),
            route.path.value.clone(),
            route.methods.clone(),
        )
    });
}
