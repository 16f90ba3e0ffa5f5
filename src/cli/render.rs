//! `tenant-operator render`: what a Tenant becomes, without a cluster.

use super::{documents, input, statements};
use crate::api::{Access, Tenant};
use crate::applications::ValidApplications;
use crate::capability::applications::{ServiceName, SharedService};
use crate::capability::peers::named_peers;
use crate::capability::{PeerTenant, Stage, World, id, namespaces};
use crate::controller::run::{attachment, platform};
use crate::database::address::{is_verified, oldest_tls, port, reach};
use crate::database::{Attachment, ValidDatabase};
use crate::gateway::ValidGateway;
use crate::settings::Settings;
use crate::tenant::observe::server_suffixes;
use crate::tenant::{capabilities, family, plan, validate};
use crate::workloads::fit;
use anyhow::bail;
use clap::Args;
use k8s_openapi::api::core::v1::Service;
use kube::ResourceExt;
use std::collections::BTreeMap;

/// Stands in for the id of a Tenant that names none: the real one is drawn by the API server.
const NO_ID: &str = "00000000-0000-0000-0000-000000000000";

/// Most bytes of an object's annotations, in one of which a client-side apply records the object.
const RECORD: usize = 256 * 1024;

/// Options of `render`.
#[derive(Args, Debug)]
pub struct Render {
    /// A file with Tenants, TenantTiers, DatabaseServers and the Services of shared applications as YAML; `-` is standard input. May be given several times.
    #[arg(short, long = "filename", required = true)]
    filenames: Vec<String>,
    #[command(flatten)]
    settings: Settings,
}

impl Render {
    /// The objects of every Tenant that was given, as YAML.
    ///
    /// # Errors
    /// Errors of the input, with the fields.
    pub fn run(&self) -> anyhow::Result<String> {
        let mut resources = input::read(&self.filenames)?;
        if resources.tenants.is_empty() {
            resources.refused.check()?;
            bail!("there is no Tenant in the input");
        }
        for tenant in &mut resources.tenants {
            if id(tenant).is_none() {
                tenant.metadata.uid = Some(NO_ID.into());
                let name = tenant.metadata.name.as_deref().unwrap_or_default();
                eprintln!("Tenant {name} has no spec.id: the output has {NO_ID}, in a cluster it is the Tenant's UID");
            }
        }
        let to = attachment(&self.settings);
        let has_gateway = to.is_some();
        let capabilities = capabilities::offline(to);
        let mut documents = Vec::new();
        let mut comments = String::new();
        let mut refused = std::mem::take(&mut resources.refused);
        for tenant in &resources.tenants {
            let name = tenant.metadata.name.as_deref().unwrap_or_default();
            if let Some(note) = size_note(tenant) {
                eprintln!("Tenant {name}: {note}");
            }
            let wanted = &tenant.spec.tier;
            let tier = resources
                .tiers
                .iter()
                .find(|tier| tier.metadata.name.as_ref() == Some(wanted));
            let who = input::resource("Tenant", Some(name));
            let Some(tier) = tier else {
                if !refused.contains(&input::resource("TenantTier", Some(wanted))) {
                    let reason = format!("spec.tier: there is no TenantTier {wanted} in the input");
                    refused.add(who, "spec.tier", reason);
                }
                continue;
            };
            let world = World {
                family: family::observe(tenant, &resources),
                ..self.world(&resources)
            };
            let mut valid = match validate(&capabilities, tenant, tier, &world) {
                Ok(valid) => valid,
                Err(reasons) => {
                    for reason in reasons {
                        refused.add(who.clone(), &reason.field, reason.to_string());
                    }
                    continue;
                }
            };
            if valid.core.network.api_server == Access::Allow {
                eprintln!(
                    "Tenant {name}: the output has no NetworkPolicy for the API server, whose addresses only a cluster knows"
                );
            }
            let gateway = valid.part::<ValidGateway>();
            if gateway.is_some() && !has_gateway {
                eprintln!("Tenant {name}: the output has no routes; set --gateway-controller and --gateway-name");
            }
            for unsupported in gateway.iter().flat_map(|gateway| &gateway.unsupported) {
                eprintln!("Tenant {name}: {unsupported}");
            }
            for closed in valid.part::<ValidApplications>().iter().flat_map(|part| &part.closed) {
                let message = &closed.message;
                eprintln!("Tenant {name}: the output has no network policies for {message}, or add it to the input");
            }
            if let Some(database) = valid.part::<ValidDatabase>().cloned() {
                match statements::server(&database, &resources.servers) {
                    Ok(server) => {
                        valid.set(Attachment {
                            reach: reach(&server.spec),
                            port: port(&server.spec),
                            verified: is_verified(&server.spec),
                            bounds_tls: oldest_tls(&server.spec).is_some(),
                            revision: Some("first".into()),
                        });
                        comments.push_str(&statements::comments(&valid, &database, server)?);
                    }
                    Err(why) => eprintln!(
                        "Tenant {name}: the output has no SQL and no network policy for the database: {why:#}"
                    ),
                }
            }
            let environment = plan(&capabilities, &mut valid, &platform(&self.settings));
            let workloads = environment.stage(Stage::Workloads);
            let share = valid.core.namespaces.first();
            if let Some(unfit) = share.and_then(|first| fit::unfit(&workloads, &first.name, &first.quota)) {
                eprintln!("Tenant {name}: {}", unfit.message);
            }
            documents.extend(environment.objects().map(|object| object.value.clone()));
        }
        refused.check()?;
        Ok(format!("{}{comments}", documents::yaml(&documents)))
    }

    /// Every other tenant of the input is taken to have its namespaces.
    fn world(&self, resources: &input::Resources) -> World {
        let tenants = &resources.tenants;
        let peers = tenants.iter().map(|tenant| {
            let name = tenant.metadata.name.clone().unwrap_or_default();
            (
                name,
                PeerTenant {
                    names: named_peers(tenant),
                    namespaces: namespaces(tenant),
                },
            )
        });
        let tenant_namespaces = tenants.iter().flat_map(|tenant| {
            let name = tenant.metadata.name.clone().unwrap_or_default();
            namespaces(tenant)
                .into_iter()
                .map(move |namespace| (namespace, name.clone()))
        });
        let tenant_namespaces: BTreeMap<String, String> = tenant_namespaces.collect();
        let shared = self.settings.gateway.application_namespaces.iter();
        World {
            cluster_cidrs: self.settings.cluster_cidrs.clone(),
            dns: self.settings.dns.clone(),
            dns_addresses: self.settings.dns_servers.dns_addresses.clone(),
            server_suffixes: server_suffixes(&self.settings.dns, resources.servers.iter()),
            peers: peers.collect(),
            application_namespaces: shared
                .map(|name| (name.clone(), tenant_namespaces.get(name).cloned()))
                .collect(),
            tenant_namespaces,
            shared_hosts: Some(self.settings.gateway.shared_hosts.clone()),
            shared_services: self
                .settings
                .applications
                .policies
                .then(|| services(&resources.services)),
            ..World::default()
        }
    }
}

/// The Services of the input. The cluster alone knows whether policies restrict their pods.
fn services(all: &[Service]) -> BTreeMap<ServiceName, SharedService> {
    let named = all.iter().map(|service| {
        let name = (
            service.namespace().unwrap_or_else(|| "default".into()),
            service.name_any(),
        );
        let shared = SharedService {
            is_restricted: true,
            ..SharedService::of(service)
        };
        (name, shared)
    });
    named.collect()
}

/// Returns a note where `kubectl apply` cannot record the whole object in its annotation.
fn size_note(tenant: &Tenant) -> Option<String> {
    let bytes = serde_json::to_string(tenant).unwrap_or_default().len();
    (bytes > RECORD).then(|| {
        format!(
            "it has {bytes} bytes: apply it with kubectl apply --server-side, because a client-side apply records it in an annotation, and all annotations \
             together have at most {RECORD}"
        )
    })
}
