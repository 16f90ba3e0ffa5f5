//! `Tenant + TenantTier + World → ValidTenant`, or every reason why not. Pure; what is planned is planned from a
//! [`ValidTenant`] alone.

mod allowed;
mod applications;
mod certificates;
mod configuration;
mod credentials;
mod database;
mod gateway;
mod hosts;
mod network;
mod own_keys;
mod owners;
mod quota;
mod roles;
mod scheduling;
mod workloads;

pub use own_keys::has_signing_key;
pub use owners::subjects;

use crate::api::{
    ContainerResources, CredentialsStatus, DatabaseModel, IsolationModel, OwnerRole, PodSecurity, ResourceList, Tenant,
    TenantTier, Workload,
};
use crate::capability::{Reach, TenantCore, ValidNamespace, jwks::PublicKeys};
use crate::cluster::Identity;
use crate::database::ValidDatabase;
use crate::dns::DnsSettings;
use crate::gateway::config::{GatewayConfig, Unsupported, ValidGateway};
use crate::names;
use ipnet::IpNet;
use k8s_openapi::api::rbac::v1::Subject;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The longest field or message of a reason, in bytes.
const MAX_REASON: usize = 400;

/// One reason why a Tenant cannot be made real.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {message}")]
pub struct Invalid {
    /// The path of the field, such as `spec.quota.pods`.
    pub field: String,
    /// What is wrong, and what would be right.
    pub message: String,
}

impl Invalid {
    /// Texts are cut, so that one reason cannot crowd out the others.
    pub(crate) fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        let cut = |mut text: String| {
            text.truncate(text.floor_char_boundary(MAX_REASON));
            text
        };
        Self {
            field: cut(field.into()),
            message: cut(message.into()),
        }
    }

    /// The same of something that does no harm and is only not given.
    pub(crate) fn into_unsupported(self, reason: &'static str) -> Unsupported {
        let Self { field, message } = self;
        Unsupported { reason, field, message }
    }
}

/// What of the rest of the cluster a Tenant's validity depends on.
#[derive(Clone, Debug, Default)]
pub struct World {
    /// The addresses of the cluster itself (pods, services, nodes), which no egress rule may open.
    pub cluster_cidrs: Vec<IpNet>,
    /// The tenants named as peers, by name, as far as they exist.
    pub peers: BTreeMap<String, PeerTenant>,
    /// What names in the cluster end in.
    pub dns: DnsSettings,
    /// What the names of database servers end in, and which server's.
    pub server_suffixes: BTreeMap<String, String>,
    /// Which of this tenant's namespaces are called like what hosts end in, and are there already.
    pub capturing_namespaces: BTreeSet<String>,
    /// Namespaces that are the platform's own, and whose: no tenant may have one of these names.
    pub reserved: BTreeMap<String, &'static str>,
    /// Whether no gateway is known that tenants could let in.
    pub lacks_gateway: bool,
    /// Namespaces of other tenants, as far as this Tenant names them.
    pub held_namespaces: BTreeMap<String, String>,
    /// The hosts that all tenants share; none where there is no gateway to write routes for.
    pub shared_hosts: Option<Vec<String>>,
    /// Namespaces of shared applications; and whose each is if it is a tenant's, which must not be.
    pub application_namespaces: BTreeMap<String, Option<String>>,
    /// How this Tenant's data is kept already, if there is any.
    pub placed: Option<DatabaseModel>,
}

/// What is known of another tenant.
#[derive(Clone, Debug, Default)]
pub struct PeerTenant {
    /// The tenants it names itself.
    pub names: BTreeSet<String>,
    /// The namespaces it was seen to own.
    pub namespaces: Vec<String>,
}

/// A tenant of which everything is known to make sense.
#[derive(Clone, Debug)]
pub struct ValidTenant {
    /// The part that several capabilities need.
    pub core: TenantCore,
    pub pod_security: PodSecurity,
    /// Which of its namespaces answer for hosts that are none of its Services, and why they are kept all the same.
    pub captures: Vec<String>,
    /// Over all namespaces.
    pub quota: ResourceList,
    pub container_defaults: ContainerResources,
    pub owners: BTreeMap<OwnerRole, Vec<Subject>>,
    pub workloads: Vec<Workload>,
    /// As written by serde_json: keys in order, so that the same configuration has the same digest.
    pub configuration: Option<String>,
    /// What its people may be, likewise.
    pub roles: Option<String>,
    pub database: Option<ValidDatabase>,
    /// The public keys of its own, where it signs tokens; none before its Secret was read.
    pub signing_key: Option<PublicKeys>,
    /// Whether it has keys to encrypt with.
    pub encryption_key: bool,
    /// Encryption keys that nobody needs any more.
    pub abandoned_keys: BTreeSet<String>,
    /// What its status tells of its own keys.
    pub told: CredentialsStatus,
    /// What leads to it.
    pub gateway: Option<ValidGateway>,
    /// Whether it was told of API keys.
    pub had_keys: bool,
    /// How its pods come to the database, once it has a place.
    pub attachment: Option<Attachment>,
}

/// How a tenant's pods come to their database.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    /// What their network policies let them reach.
    pub reach: Vec<Reach>,
    pub port: u16,
    /// Whether clients verify who answers there.
    pub verified: bool,
    /// Says which credentials are in the Secret; pods that were started with others are replaced. None: there are none yet.
    pub revision: Option<String>,
}

impl ValidTenant {
    /// The tenant's name, which is its first namespace's too.
    pub fn name(&self) -> &str {
        self.core.name()
    }

    /// The way in, on hosts that are its own by now; None where nothing leads to it.
    pub fn gateway_config(&self, shared_hosts: &[String]) -> Option<GatewayConfig> {
        GatewayConfig::of(
            &self.core,
            self.gateway.as_ref()?,
            self.signing_key.as_ref(),
            shared_hosts,
        )
    }
}

/// Judges a Tenant.
///
/// # Errors
/// Every reason at once.
pub fn validate(tenant: &Tenant, tier: &TenantTier, world: &World) -> Result<ValidTenant, Vec<Invalid>> {
    let mut errors = Vec::new();
    let name = tenant.metadata.name.clone().unwrap_or_default();
    let (spec, plan) = (&tenant.spec, &tier.spec);

    name_is_valid(&name, &mut errors);
    let id = super::id(tenant).unwrap_or_default().to_string();
    if !is_uuid(&id) {
        errors.push(Invalid::new("spec.id", "is not a UUID in lower case"));
    }
    let isolation = isolation(tenant, tier, &mut errors);
    let namespaces = namespace_names(tenant, tier, world, &mut errors);
    let captures = captured_names(&namespaces, world, &mut errors);
    let (quota, shares) = quota::divide(spec, plan, &mut errors);
    let container_defaults = quota::container_defaults(plan, &mut errors);
    let network = network::resolve(&name, spec, plan, world, &mut errors);
    let owners = owners::subjects(&spec.owners, &namespaces, world, &mut errors);
    let workloads = workloads::merge(spec, plan, isolation, &mut errors);
    let configuration = configuration::check(
        spec.configuration.as_ref(),
        plan.configuration_schema.as_ref(),
        &mut errors,
    );

    let database = database::resolve(tenant, tier, isolation, world.placed, &mut errors);
    let rotation = credentials::rotation(tenant, plan, &mut errors);
    let gateway = gateway::resolve(spec, plan, network.gateway, &workloads, world, &mut errors);
    own_keys::check(spec, plan, gateway.as_ref(), &mut errors);
    let scheduling = scheduling::check(plan, &mut errors);
    let allowed = allowed::resolve(spec, plan, &workloads, &scheduling, &mut errors);
    if !errors.is_empty() {
        return Err(errors);
    }
    let namespaces = namespaces.into_iter().zip(shares);
    let core = TenantCore {
        owner: Identity { tenant: name, id },
        tier: spec.tier.clone(),
        isolation,
        namespaces: namespaces.map(|(name, quota)| ValidNamespace { name, quota }).collect(),
        network,
        allowed,
        scheduling,
        rotation,
        hosts: hosts::resolve(spec),
        suspend: spec.suspend.unwrap_or_default(),
        quarantine: None,
    };
    Ok(ValidTenant {
        core,
        pod_security: plan.pod_security.unwrap_or_default(),
        captures,
        quota,
        container_defaults,
        owners,
        workloads,
        configuration,
        roles: roles::Table::new(&spec.tier, &plan.roles).text(),
        database,
        signing_key: has_signing_key(spec, plan).then(PublicKeys::default),
        encryption_key: own_keys::has_encryption_key(spec, plan),
        abandoned_keys: own_keys::abandoned(tenant),
        told: own_keys::told(tenant),
        gateway,
        had_keys: had_keys(tenant),
        attachment: None,
    })
}

/// Whether the status tells of API keys.
fn had_keys(tenant: &Tenant) -> bool {
    let status = tenant.status.as_ref().and_then(|status| status.gateway.as_ref());
    status.is_some_and(|gateway| !gateway.api_keys.is_empty())
}

fn name_is_valid(name: &str, errors: &mut Vec<Invalid>) {
    if !names::is_dns_label(name) || name.len() > names::MAX_TENANT_NAME {
        errors.push(Invalid::new(
            "metadata.name",
            "is not a DNS label of at most 53 characters",
        ));
    }
    if is_uuid(name) {
        let message = "is a UUID, and could be taken for another tenant's id";
        errors.push(Invalid::new("metadata.name", message));
    }
    if name.starts_with("kube-") {
        errors.push(Invalid::new(
            "metadata.name",
            "starts with kube-: such namespaces are Kubernetes' own",
        ));
    }
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(i, byte)| match i {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => matches!(byte, b'0'..=b'9' | b'a'..=b'f'),
        })
}

fn isolation(tenant: &Tenant, tier: &TenantTier, errors: &mut Vec<Invalid>) -> IsolationModel {
    let bounds = tier.spec.isolation.clone().unwrap_or_default();
    let default = bounds
        .default
        .or(bounds.allowed.first().copied())
        .unwrap_or(IsolationModel::DedicatedApplication);
    let model = tenant
        .spec
        .isolation
        .as_ref()
        .map_or(default, |isolation| isolation.model);
    if !bounds.allowed.is_empty() && !bounds.allowed.contains(&model) {
        let allowed: Vec<String> = bounds.allowed.iter().map(ToString::to_string).collect();
        errors.push(Invalid::new(
            "spec.isolation.model",
            format!(
                "{model} is not allowed by tier {}, which allows {}",
                tenant.spec.tier,
                allowed.join(", ")
            ),
        ));
    }
    model
}

fn namespace_names(tenant: &Tenant, tier: &TenantTier, world: &World, errors: &mut Vec<Invalid>) -> Vec<String> {
    let all = super::namespaces(tenant);
    for (i, name) in all.iter().enumerate() {
        let field = match i {
            0 => "metadata.name".to_string(),
            _ => format!("spec.namespaces[{}].name", i - 1),
        };
        if i > 0 && name.starts_with("kube-") {
            errors.push(Invalid::new(
                &field,
                format!("{name} would be one of Kubernetes' own namespaces"),
            ));
        }
        let shared = world.application_namespaces.contains_key(name);
        let whose = world.reserved.get(name).copied();
        if let Some(whose) = whose.or(shared.then_some(applications::WHOSE)) {
            errors.push(Invalid::new(&field, format!("{name} is the namespace of {whose}")));
        }
    }
    for (i, name) in all.iter().enumerate().skip(1) {
        if !names::is_dns_label(name) {
            let message = format!("{name:.80} is not a DNS label of at most 63 characters");
            errors.push(Invalid::new(format!("spec.namespaces[{}].name", i - 1), message));
        }
        if all[..i].contains(name) {
            errors.push(Invalid::new(
                format!("spec.namespaces[{}].name", i - 1),
                "is there twice",
            ));
        }
    }
    let most = tier.spec.max_namespaces.unwrap_or(33);
    if i32::try_from(all.len()).unwrap_or(i32::MAX) > most {
        let message = format!(
            "{} namespaces with the first one, more than the {most} of tier {}",
            all.len(),
            tenant.spec.tier
        );
        errors.push(Invalid::new("spec.namespaces", message));
    }
    all
}

/// Namespaces that are called like what hosts end in: `db.example.com` is tried as a name of the namespace `com` before it is tried as it is. One that
/// the tenant has is kept, and told of; a new one is refused.
fn captured_names(namespaces: &[String], world: &World, errors: &mut Vec<Invalid>) -> Vec<String> {
    let mut kept = Vec::new();
    for (i, name) in namespaces.iter().enumerate() {
        let server = world.server_suffixes.get(name);
        let server = server.map(|server| format!("the host of DatabaseServer {server}"));
        let Some(hosts) = world.dns.suffix(name).map(String::from).or(server) else {
            continue;
        };
        let message =
            format!("{name} is the end of {hosts}: a namespace of this name answers for them when other tenants ask");
        if world.capturing_namespaces.contains(name) {
            kept.push(format!("namespace {message}; it is kept, since it is there already"));
            continue;
        }
        let field = match i {
            0 => "metadata.name".to_string(),
            _ => format!("spec.namespaces[{}].name", i - 1),
        };
        let remedy = "choose another, or let the chart's network.dns.exempt name a top-level domain that nothing in the cluster asks for";
        errors.push(Invalid::new(field, format!("{message}; {remedy}")));
    }
    kept
}

/// The value as compact JSON with its keys in order.
fn canonical(value: &Value) -> String {
    match value {
        Value::Object(map) => {
            let sorted: BTreeMap<&String, &Value> = map.iter().collect();
            let fields: Vec<String> = sorted
                .iter()
                .map(|(k, v)| format!("{}:{}", Value::String((*k).clone()), canonical(v)))
                .collect();
            format!("{{{}}}", fields.join(","))
        }
        Value::Array(items) => format!("[{}]", items.iter().map(canonical).collect::<Vec<_>>().join(",")),
        other => other.to_string(),
    }
}

#[cfg(test)]
#[path = "validate_test.rs"]
mod tests;
