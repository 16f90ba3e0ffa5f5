//! Settings for the platform's gateway.

use super::config::{Entry, GatewayConfig};
use super::path_template::PathTemplate;
use crate::cluster::Kind;
use crate::flags::{items, optional};
use clap::{ArgAction, Args, ValueEnum};

/// A gateway that routes can be written for.
#[derive(ValueEnum, Clone, Copy, Debug, PartialEq, Eq)]
pub enum Controller {
    /// Apache APISIX 3.18: the `apisix.apache.org/v2` kinds of its ingress controller.
    #[value(name = "APISIX")]
    Apisix,
    /// Envoy Gateway 1.9: Gateway API v1 and the policies of `gateway.envoyproxy.io/v1alpha1`.
    #[value(name = "EnvoyGateway")]
    EnvoyGateway,
}

/// The platform's gateway.
#[derive(Args, Clone, Debug, Default)]
pub struct GatewaySettings {
    /// The gateway that routes are written for: None, or one of those known.
    // Written by a parser of its own, since an unset chart value gives the empty string.
    #[arg(id = "gateway-controller", long = "gateway-controller", env = "GATEWAY_CONTROLLER", default_value = "", value_parser = controller, hide_default_value = true)]
    pub controller: std::option::Option<Controller>,

    /// Name of the Gateway that routes attach to; for APISIX, of the IngressClass.
    #[arg(id = "gateway-name", long = "gateway-name", env = "GATEWAY_NAME", default_value = "")]
    pub name: String,

    /// Namespace of that Gateway. Empty means that of `--gateway-namespace`.
    #[arg(id = "gateway-parent-namespace", long = "gateway-parent-namespace", env = "GATEWAY_PARENT_NAMESPACE", default_value = "", value_parser = optional, hide_default_value = true)]
    pub parent_namespace: std::option::Option<String>,

    /// Hosts that all tenants share, comma separated: there a tenant is known by the request's path or header.
    #[arg(id = "gateway-shared-hosts", long = "gateway-shared-hosts", env = "GATEWAY_SHARED_HOSTS", default_value = "", value_parser = hosts, hide_default_value = true)]
    pub shared_hosts: std::vec::Vec<String>,

    /// Path of each tenant on these hosts, with one part `{tenant}` for its name or `{id}` for its id.
    #[arg(
        id = "gateway-path-template",
        long = "gateway-path-template",
        env = "GATEWAY_PATH_TEMPLATE",
        default_value = "/tenants/{tenant}",
        value_parser = PathTemplate::parse
    )]
    pub path_template: PathTemplate,

    /// Scheme by which clients reach that Gateway.
    #[arg(
        id = "gateway-scheme",
        long = "gateway-scheme",
        env = "GATEWAY_SCHEME",
        value_enum,
        default_value = "https"
    )]
    pub scheme: Scheme,

    /// Namespaces of applications that tenants share, comma separated: routes lead to no others.
    #[arg(id = "gateway-application-namespaces", long = "gateway-application-namespaces", env = "GATEWAY_APPLICATION_NAMESPACES", default_value = "", value_parser = namespaces, hide_default_value = true)]
    pub application_namespaces: std::vec::Vec<String>,

    /// Write Backends of Envoy Gateway for routes with a fallback. Its configuration must enable them.
    #[arg(
        id = "gateway-fallbacks",
        long = "gateway-fallbacks",
        env = "GATEWAY_FALLBACKS",
        default_value_t = false,
        action = ArgAction::Set,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true"
    )]
    pub fallbacks: bool,

    /// Write ClientTrafficPolicies of Envoy Gateway for tenants' own listeners, in place of the platform's there.
    #[arg(
        id = "gateway-client-traffic-policies",
        long = "gateway-client-traffic-policies",
        env = "GATEWAY_CLIENT_TRAFFIC_POLICIES",
        default_value_t = false,
        action = ArgAction::Set,
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "true"
    )]
    pub client_traffic_policies: bool,

    /// Redis in which APISIX counts requests, as `host` or `host:port`. If empty, each of its instances counts separately.
    #[arg(id = "gateway-redis", long = "gateway-redis", env = "GATEWAY_REDIS", default_value = "", value_parser = redis, hide_default_value = true)]
    pub redis: std::option::Option<Redis>,

    /// Most proxies of Envoy Gateway at once. Each counts concurrent requests separately, so each gets its share of a tenant's number.
    #[arg(id = "gateway-proxies", long = "gateway-proxies", env = "GATEWAY_PROXIES", default_value = "1", value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub proxies: u16,
}

/// The Redis in which a gateway counts requests.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redis {
    pub host: String,
    pub port: u16,
}

/// The most URLs in a status.
const MOST_ENDPOINTS: usize = 80;

/// Scheme by which clients reach a gateway.
#[derive(ValueEnum, Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scheme {
    #[default]
    Https,
    Http,
}

/// The place where routes attach.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    pub controller: Controller,
    /// The Gateway's namespace.
    pub namespace: String,
    /// The Gateway's name; for APISIX, the IngressClass's.
    pub name: String,
    /// Hosts that all tenants share.
    pub shared_hosts: Vec<String>,
    /// The path of each tenant there.
    pub path: PathTemplate,
    pub scheme: Scheme,
    /// Namespaces that may hold shared applications.
    pub application_namespaces: Vec<String>,
    /// True where the operator may write Backends of Envoy Gateway.
    pub fallbacks: bool,
    /// Domain of the cluster, for the full names of Services.
    pub cluster_domain: String,
    /// True where the operator may write ClientTrafficPolicies of Envoy Gateway.
    pub client_traffic_policies: bool,
    /// The Redis in which the gateway counts requests; None where each instance counts separately.
    pub redis: Option<Redis>,
    /// The most proxies at once, each of which counts concurrent requests separately.
    pub proxies: usize,
}

impl Attachment {
    /// Returns the kinds that only some tenants need, in groups that the operator watches apart: a cluster may lack each of them.
    pub fn optional_kinds(&self) -> Vec<&'static [Kind]> {
        let mut kinds: Vec<&'static [Kind]> = self.controller.certificate_kinds().chunks(1).collect();
        if self.controller == Controller::EnvoyGateway {
            if self.client_traffic_policies {
                kinds.push(&[Kind::ClientTrafficPolicy]);
            }
            if self.fallbacks {
                kinds.push(&[Kind::Backend]);
            }
        }
        kinds
    }

    /// Returns the URLs at which a tenant answers.
    pub fn endpoints(&self, way: &GatewayConfig) -> Vec<String> {
        let scheme = match self.scheme {
            Scheme::Https => "https",
            Scheme::Http => "http",
        };
        let mut endpoints: Vec<String> = Vec::new();
        for entry in &way.entries {
            let below = match entry {
                Entry::Path { prefix, .. } => prefix,
                _ => "",
            };
            let scheme = match entry {
                Entry::SecureHosts(_) => "https",
                _ => scheme,
            };
            endpoints.extend(entry.hosts().iter().map(|host| format!("{scheme}://{host}{below}")));
        }
        endpoints.truncate(MOST_ENDPOINTS);
        endpoints
    }
}

impl GatewaySettings {
    /// Returns the place where routes attach; None without a gateway.
    pub fn attachment(&self, gateway_namespace: Option<&str>, cluster_domain: &str) -> Option<Attachment> {
        if self.name.is_empty() {
            return None;
        }
        let namespace = self.parent_namespace.as_deref().or(gateway_namespace)?;
        Some(Attachment {
            controller: self.controller?,
            namespace: namespace.into(),
            name: self.name.clone(),
            shared_hosts: self.shared_hosts.clone(),
            path: self.path_template.clone(),
            scheme: self.scheme,
            application_namespaces: self.application_namespaces.clone(),
            fallbacks: self.fallbacks,
            cluster_domain: cluster_domain.into(),
            client_traffic_policies: self.client_traffic_policies,
            redis: self.redis.clone(),
            proxies: usize::from(self.proxies.max(1)),
        })
    }
}

fn controller(text: &str) -> Result<Option<Controller>, String> {
    match text.trim() {
        "" | "None" => Ok(None),
        text => Controller::from_str(text, false).map(Some).map_err(|_| {
            let known: Vec<String> = Controller::value_variants()
                .iter()
                .filter_map(|known| Some(known.to_possible_value()?.get_name().to_string()))
                .collect();
            format!("is none of None, {}", known.join(", "))
        }),
    }
}

fn redis(text: &str) -> Result<Option<Redis>, String> {
    let text = text.trim();
    let (host, port) = text.rsplit_once(':').unwrap_or((text, "6379"));
    let port = port.parse().ok().filter(|port| *port > 0);
    match (host, port) {
        ("", Some(_)) if text.is_empty() => Ok(None),
        (host, Some(port)) if host.split('.').all(crate::syntax::is_dns_label) => Ok(Some(Redis {
            host: host.into(),
            port,
        })),
        _ => Err(format!("{text} is not a host and port such as redis.example.com:6379")),
    }
}

fn namespaces(text: &str) -> Result<Vec<String>, String> {
    items(text)
        .map(|name| match name {
            name if !crate::syntax::is_dns_label(name) => Err(format!("{name} is not the name of a namespace")),
            name if name.starts_with("kube-") => Err(format!("{name} is one of Kubernetes' own namespaces")),
            name => Ok(name.to_owned()),
        })
        .collect()
}

fn hosts(text: &str) -> Result<Vec<String>, String> {
    items(text)
        .map(
            |host| match host.split('.').all(crate::syntax::is_dns_label) && host.contains('.') {
                true => Ok(host.to_owned()),
                false => Err(format!("{host} is not a host name such as api.example.com")),
            },
        )
        .collect()
}
