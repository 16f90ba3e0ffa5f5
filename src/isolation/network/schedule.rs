//! Turns of the network probe: the tenants that dial, the one that listens, and their targets. Pure; the clock and the dice are arguments.

use super::PORT;
use super::target::{Target, TargetKind, Transport};
use crate::capability::{
    Destination, TenantCore, ValidNamespace,
    applications::ServiceName,
    placement::{Placement, placement},
};
use crate::cluster::Identity;
use crate::isolation::check_schedule::{self, ScheduledCheck, about};
use crate::proof::Outcome;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::{Duration, Instant};

/// The most tenants that dial one listener.
const ROUND: usize = 8;
/// The most Services of shared applications that a pod dials.
const APPLICATIONS: usize = 16;
/// Time after which an open target is tried again.
const SOON: Duration = Duration::from_secs(30);
/// Time after which a failed try is repeated: a full quota may stay full.
const LATER: Duration = Duration::from_secs(120);

/// Attributes of a tenant that decide where its pods in one namespace run, and which targets they may reach.
#[derive(Clone, Debug, PartialEq)]
pub struct NetworkSubject {
    pub owner: Identity,
    /// The namespace of its pods.
    pub namespace: String,
    pub placement: Placement,
    /// Tenants that agreed with it to be connected.
    peers: BTreeSet<String>,
    reaches_api_server: bool,
    egress: Vec<Destination>,
    /// Shared applications that its tier opens.
    applications: BTreeSet<ServiceName>,
}

impl check_schedule::CheckSubject for NetworkSubject {
    fn tenant(&self) -> &str {
        &self.owner.tenant
    }

    fn namespace(&self) -> &str {
        &self.namespace
    }
}

impl NetworkSubject {
    /// One for each namespace in which there may be pods.
    pub fn all(tenant: &TenantCore) -> Vec<Self> {
        let network = &tenant.network;
        let agreed = network.peers.iter().filter(|peer| !peer.namespaces.is_empty());
        let peers: BTreeSet<String> = agreed.map(|peer| peer.name.clone()).collect();
        let has_room = |namespace: &&ValidNamespace| namespace.quota.get("pods").is_none_or(|pods| pods.0 != "0");
        let namespaces = tenant.namespaces.iter().filter(has_room);
        namespaces
            .map(|namespace| Self {
                owner: tenant.owner.clone(),
                namespace: namespace.name.clone(),
                placement: placement(tenant),
                peers: peers.clone(),
                reaches_api_server: network.api_server == crate::api::Access::Allow,
                egress: network.to.clone(),
                applications: network.applications.values().cloned().collect(),
            })
            .collect()
    }

    fn is_apart_from(&self, other: &Self) -> bool {
        self.owner != other.owner
            && !self.peers.contains(&other.owner.tenant)
            && !other.peers.contains(&self.owner.tenant)
    }
}

/// The tenants that dial now, and the one that listens.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Round {
    pub diallers: Vec<NetworkSubject>,
    /// None where there is nobody else.
    pub listener: Option<NetworkSubject>,
}

/// The next round, if anybody's turn has come. `dice` draws a number below its argument.
pub fn round(
    entries: &BTreeMap<String, ScheduledCheck<NetworkSubject, Outcome>>,
    now: Instant,
    mut dice: impl FnMut(usize) -> usize,
) -> Option<Round> {
    let mut due: Vec<&ScheduledCheck<NetworkSubject, Outcome>> =
        entries.values().filter(|entry| entry.due <= now).collect();
    due.sort_by_key(|entry| entry.due);
    let first = due.first()?;
    // The first dialler that is due gets a neighbour, if there is any; the others share it.
    let others: Vec<&NetworkSubject> = entries
        .values()
        .map(|entry| &entry.subject)
        .filter(|other| other.is_apart_from(&first.subject))
        .collect();
    let listener = (!others.is_empty()).then(|| others[dice(others.len())].clone());
    let apart = |entry: &&&ScheduledCheck<NetworkSubject, Outcome>| {
        listener
            .as_ref()
            .is_none_or(|listener| entry.subject.is_apart_from(listener))
    };
    let diallers: Vec<NetworkSubject> = due
        .iter()
        .filter(apart)
        .take(ROUND)
        .map(|entry| entry.subject.clone())
        .collect();
    Some(Round {
        // Without a neighbour it is one tenant's own round: the others have each other.
        diallers: match listener {
            Some(_) => diallers,
            None => vec![first.subject.clone()],
        },
        listener,
    })
}

/// Returns the time until a tenant's next turn. `dice` is from 0 to 1.
pub fn again(outcome: &Outcome, period: Duration, dice: f64) -> Duration {
    match outcome {
        Outcome::Passed => about(period, dice),
        Outcome::Violated(_) => SOON.min(period),
        Outcome::Untried(_) | Outcome::Pending => LATER.min(period),
    }
}

/// Targets besides a neighbour.
#[derive(Clone, Debug, Default)]
pub struct Landmarks {
    /// The address at which the operator answers every client that policies admit.
    pub operator: Option<(IpAddr, u16)>,
    pub api_server: Vec<(IpAddr, u16)>,
    pub external: Vec<(IpAddr, u16)>,
    /// Services of shared applications.
    pub applications: Vec<(ServiceName, IpAddr, u16)>,
    /// Kinds of targets that the platform tolerates.
    pub tolerated: Vec<TargetKind>,
}

/// Returns the targets that this tenant must not reach.
pub fn targets(subject: &NetworkSubject, neighbour: Option<&str>, landmarks: &Landmarks) -> Vec<Target> {
    let at = |kind, (host, port): (String, u16)| Target {
        kind,
        transport: Transport::Tcp,
        host,
        port,
    };
    let place = |(ip, port): &(IpAddr, u16)| (ip.to_string(), *port);
    let mut targets = Vec::new();
    if let Some(host) = neighbour {
        let tcp = at(TargetKind::Neighbour, (host.to_string(), PORT));
        let udp = Target {
            transport: Transport::Udp,
            ..tcp.clone()
        };
        targets.extend([tcp, udp]);
    }
    targets.extend(
        landmarks
            .operator
            .iter()
            .map(|there| at(TargetKind::Operator, place(there))),
    );
    if !subject.reaches_api_server {
        targets.extend(
            landmarks
                .api_server
                .iter()
                .map(|there| at(TargetKind::ApiServer, place(there))),
        );
    }
    targets.push(at(TargetKind::Kubelet, ("$(NODE)".into(), 10250)));
    targets.push(at(TargetKind::Metadata, ("169.254.169.254".into(), 80)));
    let external = landmarks.external.iter().filter(|(ip, _)| {
        let mut opened = subject.egress.iter().filter(|to| to.cidr.contains(ip));
        !opened.any(|to| !to.except.iter().any(|except| except.contains(ip)))
    });
    targets.extend(external.map(|there| at(TargetKind::External, place(there))));
    let closed = landmarks
        .applications
        .iter()
        .filter(|(service, ..)| !subject.applications.contains(service));
    let closed = closed.take(APPLICATIONS);
    targets.extend(closed.map(|(_, ip, port)| at(TargetKind::Application, place(&(*ip, *port)))));
    targets.retain(|target| !landmarks.tolerated.contains(&target.kind));
    targets
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subject(name: &str, peers: &[&str]) -> NetworkSubject {
        NetworkSubject {
            owner: Identity {
                tenant: name.into(),
                id: format!("id-{name}"),
            },
            namespace: name.into(),
            placement: Placement::default(),
            peers: peers.iter().map(ToString::to_string).collect(),
            reaches_api_server: false,
            egress: Vec::new(),
            applications: BTreeSet::new(),
        }
    }

    fn entries(
        now: Instant,
        list: &[(&str, &[&str], u64)],
    ) -> BTreeMap<String, ScheduledCheck<NetworkSubject, Outcome>> {
        let entry = |(name, peers, late): &(&str, &[&str], u64)| {
            let due = now + Duration::from_secs(100) - Duration::from_secs(*late);
            (name.to_string(), ScheduledCheck::new(subject(name, peers), due))
        };
        list.iter().map(entry).collect()
    }

    fn names(list: &[NetworkSubject]) -> Vec<&str> {
        list.iter().map(|subject| subject.owner.tenant.as_str()).collect()
    }

    #[test]
    fn every_namespace_is_tried_that_may_have_pods() {
        let spec = |quota: &str| {
            let staging = serde_json::json!({"name": "staging", "quota": {"pods": quota}});
            serde_json::json!({"namespaces": [staging], "quota": {"pods": "5"}})
        };
        let tier = || serde_json::json!({"quota": {"pods": "10"}});
        let namespaces = |quota: &str| {
            let all = NetworkSubject::all(&crate::tenant::fixtures::acme(spec(quota), tier()).core);
            let names = all.into_iter().map(|subject| subject.namespace);
            names.collect::<Vec<_>>()
        };
        assert_eq!(namespaces("2"), ["acme", "acme-staging"]);
        assert_eq!(namespaces("0"), ["acme"]);
    }

    #[test]
    fn nobody_dials_before_its_turn_nor_himself_nor_a_peer() {
        let now = Instant::now();
        assert_eq!(round(&entries(now, &[("a", &[], 0), ("b", &[], 99)]), now, |_| 0), None);
        // c is latest; a is its peer, by c's word alone; b could listen, or d.
        let all = entries(
            now,
            &[("a", &[], 100), ("b", &[], 101), ("c", &["a"], 103), ("d", &[], 0)],
        );
        let with_b = round(&all, now, |count| {
            assert_eq!(count, 2);
            0
        });
        let with_b = with_b.expect("a round");
        assert_eq!(with_b.listener.map(|l| l.owner.tenant).as_deref(), Some("b"));
        assert_eq!(names(&with_b.diallers), ["c", "a"]);
        let with_d = round(&all, now, |_| 1).expect("a round");
        assert_eq!(names(&with_d.diallers), ["c", "b", "a"]);
    }

    #[test]
    fn whoever_has_no_neighbour_is_tried_without() {
        let now = Instant::now();
        let peers = round(&entries(now, &[("a", &["b"], 101), ("b", &["a"], 100)]), now, |_| 0).expect("a round");
        assert_eq!(peers.listener, None);
        assert_eq!(names(&peers.diallers), ["a"]);
    }

    #[test]
    fn a_round_is_bounded() {
        let now = Instant::now();
        let named: Vec<String> = (0..40).map(|number| format!("t{number:02}")).collect();
        let list: Vec<(&str, &[&str], u64)> = named.iter().map(|name| (name.as_str(), &[][..], 100)).collect();
        let round = round(&entries(now, &list), now, |_| 3).expect("a round");
        assert_eq!(round.diallers.len(), ROUND);
    }

    #[test]
    fn what_is_allowed_is_not_dialled() {
        let application = |name: &str| ("applications".to_string(), name.to_string());
        let place = |ip: &str, port| (ip.parse::<IpAddr>().expect(ip), port);
        let landmarks = Landmarks {
            operator: Some(place("10.0.0.9", 8080)),
            api_server: vec![place("10.96.0.1", 443)],
            external: vec![place("192.0.2.1", 443), place("198.51.100.7", 443)],
            applications: ["models", "orders"]
                .map(|name| (application(name), "10.96.0.7".parse().expect("an address"), 80))
                .into(),
            tolerated: vec![TargetKind::Kubelet],
        };
        let text = |subject: &NetworkSubject, neighbour| {
            let targets = targets(subject, neighbour, &landmarks);
            targets.iter().map(ToString::to_string).collect::<Vec<_>>()
        };
        let closed = subject("a", &[]);
        assert_eq!(
            text(&closed, Some("10.0.0.1")),
            [
                "neighbour,tcp,10.0.0.1:7007",
                "neighbour,udp,10.0.0.1:7007",
                "operator,tcp,10.0.0.9:8080",
                "api-server,tcp,10.96.0.1:443",
                "metadata,tcp,169.254.169.254:80",
                "external,tcp,192.0.2.1:443",
                "external,tcp,198.51.100.7:443",
                "application,tcp,10.96.0.7:80",
                "application,tcp,10.96.0.7:80",
            ]
        );
        let open = NetworkSubject {
            reaches_api_server: true,
            applications: [application("models")].into(),
            egress: vec![
                Destination {
                    cidr: "192.0.2.0/24".parse().expect("cidr"),
                    except: Vec::new(),
                    ports: Vec::new(),
                },
                Destination {
                    cidr: "0.0.0.0/0".parse().expect("cidr"),
                    except: vec!["198.51.100.0/24".parse().expect("cidr")],
                    ports: Vec::new(),
                },
            ],
            ..closed
        };
        assert_eq!(
            text(&open, None),
            [
                "operator,tcp,10.0.0.9:8080",
                "metadata,tcp,169.254.169.254:80",
                "external,tcp,198.51.100.7:443",
                "application,tcp,10.96.0.7:80",
            ]
        );
    }

    #[test]
    fn what_is_in_doubt_is_tried_again_soon() {
        let hour = Duration::from_secs(3600);
        assert_eq!(again(&Outcome::Passed, hour, 0.5), hour);
        assert!(again(&Outcome::Passed, hour, 0.0) < hour && again(&Outcome::Passed, hour, 1.0) > hour);
        assert_eq!(again(&Outcome::Untried(String::new()), hour, 0.5), LATER);
        assert_eq!(again(&Outcome::Violated(Vec::new()), hour, 0.5), SOON);
        assert_eq!(again(&Outcome::Untried(String::new()), SOON, 0.5), SOON);
    }
}
