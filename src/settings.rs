//! The operator's flags, each also an environment variable, read once at the start.

use crate::applications::settings::ApplicationSettings;
use crate::database::settings::DatabaseSettings;
use crate::dns::{DnsServers, DnsSettings};
use crate::flags::{cidrs, duration, optional, pause};
use crate::gateway::GatewaySettings;
use crate::isolation::settings::IsolationSettings;
use crate::metering::settings::MeteringSettings;
use crate::names;
use crate::telemetry::logs::LogFormat;
use clap::{ArgAction, Args};
use ipnet::IpNet;
use std::net::SocketAddr;
use std::time::Duration;

/// The settings of the running operator.
#[derive(Args, Clone, Debug)]
pub struct Settings {
    /// Namespace of the operator, with its lease and Secrets.
    #[arg(long, env = "OPERATOR_NAMESPACE", default_value = "tenant-operator-system")]
    pub namespace: String,

    /// Name of the operator's pod: its identity in the leader election. By default the host's name and a random suffix.
    #[arg(long, env = "OPERATOR_POD_NAME", default_value_t = own_name(), hide_default_value = true)]
    pub pod_name: String,

    /// ServiceAccount of the operator.
    #[arg(long, env = "OPERATOR_SERVICE_ACCOUNT", default_value = names::MANAGER)]
    pub service_account: String,

    /// The cluster's own address ranges (nodes, pods, services), comma separated: no tenant's egress reaches them.
    // A plain `Vec` would make clap split by itself, and refuse the empty string that an unset chart value gives.
    #[arg(long, env = "CLUSTER_CIDRS", default_value = "", value_parser = cidrs, hide_default_value = true)]
    pub cluster_cidrs: std::vec::Vec<IpNet>,

    /// Namespace of the gateway's pods, from which tenants may admit traffic; empty means that there is none.
    #[arg(long, env = "GATEWAY_NAMESPACE", default_value = "", value_parser = optional, hide_default_value = true)]
    pub gateway_namespace: std::option::Option<String>,

    /// Servers of the cluster's DNS.
    #[command(flatten)]
    pub dns_servers: DnsServers,

    /// Suffixes of hosts in the cluster.
    #[command(flatten)]
    pub dns: DnsSettings,

    /// Format of the log.
    #[arg(long, env = "LOG_FORMAT", value_enum, default_value_t = LogFormat::Text)]
    pub log_format: LogFormat,

    /// Lowest level in the log: a level, or directives such as `info,tenant_operator=debug`.
    #[arg(long, env = "LOG_LEVEL", default_value = "info")]
    pub log_level: String,

    /// Number of tenants that the operator reconciles at the same time.
    #[arg(long, env = "CONCURRENCY", default_value_t = 32, value_parser = clap::value_parser!(u16).range(1..))]
    pub concurrency: u16,

    /// Let only the holder of the lease reconcile; needed with more than one replica.
    #[arg(long, env = "LEADER_ELECT", default_value_t = true, action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub leader_elect: bool,

    /// Address of `/metrics`.
    #[arg(long, env = "METRICS_ADDRESS", default_value = "0.0.0.0:8080")]
    pub metrics_address: SocketAddr,

    /// Address of `/healthz` and `/readyz`.
    #[arg(long, env = "HEALTH_ADDRESS", default_value = "0.0.0.0:8081")]
    pub health_address: SocketAddr,

    /// Duration of a lease without renewal, in whole seconds.
    #[arg(long, env = "LEASE_DURATION", default_value = "15s", value_parser = duration)]
    pub lease_duration: Duration,

    /// Time without a successful renewal after which the leader gives up; less than the lease's duration.
    #[arg(long, env = "RENEW_DEADLINE", default_value = "10s", value_parser = duration)]
    pub renew_deadline: Duration,

    /// Time between two attempts to renew or acquire the lease.
    #[arg(long, env = "RETRY_PERIOD", default_value = "2s", value_parser = duration)]
    pub retry_period: Duration,

    /// Start without proof that the admission policies confine the operator: for development outside of a cluster only.
    #[arg(long, env = "SKIP_ADMISSION_PROOF", default_value_t = false, action = ArgAction::Set, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub skip_admission_proof: bool,

    /// Time between two checks for kinds that the cluster lacks: those of the gateway, of cert-manager, and of reports.
    #[arg(long, env = "DISCOVERY_PERIOD", default_value = "15s", value_parser = pause)]
    pub discovery_period: Duration,

    /// Settings of the isolation checks.
    #[command(flatten)]
    pub isolation: IsolationSettings,

    /// Settings of the gateway.
    #[command(flatten)]
    pub gateway: GatewaySettings,

    /// Settings of the applications that tenants' pods reach.
    #[command(flatten)]
    pub applications: ApplicationSettings,

    /// Settings of the gateway's metrics.
    #[command(flatten)]
    pub metering: MeteringSettings,

    /// Settings of database servers.
    #[command(flatten)]
    pub database: DatabaseSettings,
}

/// Two processes on one machine must not have the same identity: both would lead.
fn own_name() -> String {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let host = match host.trim() {
        "" => names::MANAGER,
        host => host,
    };
    format!("{host}-{:08x}", fastrand::u32(..))
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use std::collections::BTreeMap;

    #[derive(Parser)]
    struct Command {
        #[command(flatten)]
        settings: Settings,
    }

    fn parse(arguments: &[&str]) -> Result<Settings, clap::Error> {
        Command::try_parse_from([&["test"], arguments].concat()).map(|command| command.settings)
    }

    #[test]
    fn defaults() {
        let settings = parse(&[]).expect("defaults are valid");
        assert_eq!(settings.namespace, "tenant-operator-system");
        assert_eq!(settings.cluster_cidrs, []);
        assert_eq!(settings.gateway_namespace, None);
        assert_eq!(
            settings.dns_servers.dns_pod_labels,
            BTreeMap::from([("k8s-app".into(), "kube-dns".into())])
        );
        assert_eq!(
            (settings.log_format, settings.log_level.as_str()),
            (LogFormat::Text, "info")
        );
        assert_eq!(
            (
                settings.concurrency,
                settings.leader_elect,
                settings.skip_admission_proof
            ),
            (32, true, false)
        );
        assert_eq!(settings.metrics_address.to_string(), "0.0.0.0:8080");
        assert_eq!(
            [settings.lease_duration, settings.renew_deadline, settings.retry_period].map(|d| d.as_secs()),
            [15, 10, 2]
        );
    }

    #[test]
    fn what_a_chart_may_pass() {
        let settings = parse(&[
            "--cluster-cidrs=10.244.0.0/16, fd00::/48,",
            "--gateway-namespace=apisix",
            "--gateway-controller=EnvoyGateway",
            "--gateway-name=platform",
            "--gateway-shared-hosts=api.example.com, api.example.org",
            "--gateway-application-namespaces=crm, portal",
            "--gateway-client-traffic-policies",
            "--gateway-fallbacks=true",
            "--dns-pod-labels=a=b,c=d=e",
            "--dns-addresses=169.254.20.10, fd00::a",
            "--dns-ports=53,5353",
            "--leader-elect=false",
            "--log-format=json",
            "--skip-admission-proof",
            "--lease-duration=1m30s",
        ])
        .expect("valid");
        let cidrs: Vec<String> = settings.cluster_cidrs.iter().map(ToString::to_string).collect();
        assert_eq!(cidrs, ["10.244.0.0/16", "fd00::/48"]);
        assert_eq!(settings.gateway_namespace.as_deref(), Some("apisix"));
        let attached = |settings: &Settings| {
            settings
                .gateway
                .attachment(settings.gateway_namespace.as_deref(), &settings.dns.cluster_domain)
        };
        let to = attached(&settings).expect("a gateway");
        assert_eq!(
            (to.namespace.as_str(), to.name.as_str(), to.shared_hosts.len()),
            ("apisix", "platform", 2)
        );
        assert_eq!(to.application_namespaces, ["crm", "portal"]);
        assert!(to.client_traffic_policies && to.fallbacks);
        assert_eq!(to.cluster_domain, "cluster.local");
        let unset = [
            "--gateway-controller=",
            "--gateway-name=",
            "--gateway-parent-namespace=",
            "--gateway-shared-hosts=",
            "--gateway-application-namespaces=",
        ];
        assert_eq!(attached(&parse(&unset).expect("valid")), None);
        assert_eq!(settings.dns_servers.dns_pod_labels["c"], "d=e");
        let addresses: Vec<String> = settings
            .dns_servers
            .dns_addresses
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(addresses, ["169.254.20.10", "fd00::a"]);
        assert_eq!(settings.dns_servers.dns_ports, [53, 5353].into());
        assert!(!settings.applications.policies);
        let may_open = ["--application-policies", "--application-policies=true"].map(|flag| parse(&[flag]));
        assert!(
            may_open
                .into_iter()
                .all(|parsed| parsed.expect("valid").applications.policies)
        );
        let unset = parse(&["--dns-addresses="]).expect("valid").dns_servers;
        assert!(unset.dns_addresses.is_empty() && unset.dns_ports == [53].into());
        assert_eq!((settings.leader_elect, settings.skip_admission_proof), (false, true));
        assert_eq!(settings.lease_duration.as_secs(), 90);
        assert_eq!(parse(&["--gateway-namespace="]).expect("valid").gateway_namespace, None);
    }

    #[test]
    fn refused_with_a_reason() {
        let table = [
            ("--cluster-cidrs=10.0.0.0", "not a CIDR"),
            ("--cluster-domain=", "not a domain"),
            ("--dns-suffixes=Corp", "lower case"),
            ("--dns-pod-labels=kube-dns", "key=value"),
            ("--dns-pod-labels=", "at least one label"),
            ("--dns-addresses=169.254.20.10/32", "not an address"),
            ("--dns-addresses=::ffff:10.0.0.1", "write it as IPv4"),
            ("--dns-addresses=0.0.0.0", "not the address of a server"),
            ("--dns-ports=0", "not a port"),
            ("--dns-ports=", "at least one port"),
            ("--concurrency=0", "1.."),
            ("--lease-duration=15", "not a duration"),
            ("--retry-period=-1s", "negative"),
            ("--discovery-period=900ms", "shorter than 1s"),
            ("--metrics-address=8080", "invalid socket address"),
            ("--gateway-controller=nginx", "EnvoyGateway"),
            ("--gateway-shared-hosts=*.example.com", "not a host name"),
            ("--gateway-path-template=/api/v1", "with one part {tenant} or {id}"),
            ("--gateway-application-namespaces=Crm", "not the name of a namespace"),
            ("--gateway-application-namespaces=crm,kube-system", "Kubernetes' own"),
        ];
        for (argument, reason) in table {
            let error = parse(&[argument]).map(|_| ()).expect_err(argument).to_string();
            assert!(error.contains(reason), "{argument}: {error}");
        }
    }
}
