//! Judgement of a probe's report. Pure.

use super::target::{DialReport, Target, TargetKind};
use crate::api::{Direction, Opener};
use crate::proof::{Outcome, Violation};

/// The outcome of a probe that should have reached none of the targets it was given. It was in this namespace; `neighbour` is the tenant
/// in whose namespace one listened.
pub fn outcome(report: &DialReport, namespace: &str, given: &[Target], neighbour: Option<&str>) -> Outcome {
    // Raw sockets are a violation whatever the pod reaches.
    if !report.raw_sockets.is_empty() {
        let mut found = vec![raw_sockets(&report.raw_sockets, namespace)];
        found.extend(report.open.iter().map(|target| reached(target, namespace, neighbour)));
        return Outcome::of(found);
    }
    if !report.unreached.is_empty() {
        return Outcome::Untried(format!(
            "the probe could not reach {}, which every pod must reach, so its other results prove nothing",
            report.unreached.join(", ")
        ));
    }
    // The tenant's people come near the pod that says it.
    let tried: Vec<&Target> = report.open.iter().chain(&report.closed).collect();
    if let Some(missing) = given
        .iter()
        .find(|given| !tried.iter().any(|tried| is_same(tried, given)))
    {
        return Outcome::Untried(format!("the probe did not report whether it reached {missing}"));
    }
    // A target that was not known to listen would be silent without any policy.
    let listens = |target: &&Target| matches!(target.kind, TargetKind::Neighbour | TargetKind::Operator);
    if report.open.is_empty() && !report.closed.iter().any(|target| listens(&target)) {
        return Outcome::Untried("the probe had no listening address to dial".into());
    }
    let violation = |target| reached(target, namespace, neighbour);
    Outcome::of(report.open.iter().map(violation).collect())
}

fn reached(target: &Target, namespace: &str, neighbour: Option<&str>) -> Violation {
    let whom = match (target.kind, neighbour) {
        (TargetKind::Neighbour, Some(name)) => name,
        _ => "",
    };
    let what = match target.kind {
        TargetKind::Neighbour => format!("a pod of tenant {whom}"),
        TargetKind::Operator => "the operator's pod".into(),
        TargetKind::ApiServer => "the API server".into(),
        TargetKind::Kubelet => "the kubelet of its node".into(),
        TargetKind::Metadata => "the cloud's metadata address".into(),
        TargetKind::External => "an address outside of the cluster".into(),
        TargetKind::Application => "a shared application that its tier does not open".into(),
    };
    Violation {
        direction: Direction::Outward,
        opened_by: Opener::Platform,
        counterpart: whom.into(),
        message: format!(
            "a pod in namespace {namespace} reaches {what} ({} {}:{}): its network policies have no effect",
            target.transport.as_str(),
            target.host,
            target.port
        ),
    }
}

fn raw_sockets(opened: &[String], namespace: &str) -> Violation {
    Violation {
        direction: Direction::Outward,
        opened_by: Opener::Platform,
        counterpart: String::new(),
        message: format!(
            "a pod in namespace {namespace} that drops all capabilities opens raw sockets ({}), and so can send packets from a neighbour's address: \
             the container runtime, or a webhook that changes pods, leaves it NET_RAW",
            opened.join(", ")
        ),
    }
}

/// The node's address is known to the probe alone.
fn is_same(tried: &Target, given: &Target) -> bool {
    match given.kind {
        TargetKind::Kubelet => tried.kind == TargetKind::Kubelet && tried.port == given.port,
        _ => tried == given,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn targets(list: &[&str]) -> Vec<Target> {
        list.iter().map(|text| text.parse().expect(text)).collect()
    }

    #[test]
    fn silence_proves_something_only_where_somebody_listens_and_the_probe_can_speak() {
        let neighbour = targets(&["neighbour,tcp,10.0.0.1:7007", "neighbour,udp,10.0.0.1:7007"]);
        let closed = DialReport {
            closed: neighbour.clone(),
            ..DialReport::default()
        };
        assert_eq!(outcome(&closed, "acme", &neighbour, Some("b")), Outcome::Passed);
        let more = targets(&["neighbour,tcp,10.0.0.1:7007", "operator,tcp,10.0.0.9:8080"]);
        assert!(
            matches!(outcome(&closed, "acme", &more, Some("b")), Outcome::Untried(why) if why.contains("operator,tcp,10.0.0.9:8080"))
        );
        let mute = DialReport {
            unreached: vec!["the cluster's DNS (udp 10.96.0.10:53)".into()],
            ..closed.clone()
        };
        assert!(
            matches!(outcome(&mute, "acme", &neighbour, Some("b")), Outcome::Untried(why) if why.contains("udp 10.96.0.10:53"))
        );
        let deserted = DialReport {
            closed: targets(&["metadata,tcp,169.254.169.254:80"]),
            ..DialReport::default()
        };
        assert!(matches!(outcome(&deserted, "acme", &[], None), Outcome::Untried(_)));
    }

    #[test]
    fn raw_sockets_are_found_whatever_else_is() {
        let given = targets(&["neighbour,udp,10.0.0.1:7007"]);
        let mute = DialReport {
            raw_sockets: vec!["IPv4".into(), "packet".into()],
            unreached: vec!["the cluster's DNS (udp 10.96.0.10:53)".into()],
            ..DialReport::default()
        };
        let open = DialReport {
            unreached: Vec::new(),
            open: given.clone(),
            ..mute.clone()
        };
        for (report, count) in [(mute, 1), (open, 2)] {
            let Outcome::Violated(found) = outcome(&report, "acme", &given, Some("b")) else {
                panic!("let through");
            };
            assert_eq!(found.len(), count, "{found:?}");
            let message = &found[0].message;
            let words = ["namespace acme", "(IPv4, packet)", "NET_RAW"];
            assert!(words.iter().all(|word| message.contains(word)), "{message}");
        }
        // A report that is silent about them proves nothing.
        assert!(serde_json::from_str::<DialReport>(r#"{"unreached": [], "closed": [], "open": []}"#).is_err());
    }

    #[test]
    fn each_open_door_is_named() {
        let report = DialReport {
            open: targets(&["neighbour,udp,10.0.0.1:7007", "kubelet,tcp,fd00::1:10250"]),
            ..DialReport::default()
        };
        let given = targets(&["neighbour,udp,10.0.0.1:7007", "kubelet,tcp,$(NODE):10250"]);
        let Outcome::Violated(found) = outcome(&report, "acme", &given, Some("b")) else {
            panic!("let through");
        };
        assert_eq!(found[0].counterpart, "b");
        assert!(
            found[0].message.contains("a pod of tenant b (udp 10.0.0.1:7007)"),
            "{found:?}"
        );
        assert_eq!(found[1].counterpart, "");
        assert!(
            found[1].message.contains("the kubelet of its node (tcp fd00::1:10250)"),
            "{found:?}"
        );
    }
}
