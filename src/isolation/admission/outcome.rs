//! Evaluation of the API server's answers. Pure.

use super::attempts::{Enforcer, NAME};
use crate::api::{Direction, Opener};
use crate::proof::{Outcome, Violation};

/// Answer of the API server to an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    Allowed,
    /// With its words.
    Refused(String),
    /// Reason for a missing answer.
    Unanswered(String),
}

/// The outcome of attempts in this namespace, of which each must be refused by its enforcer.
pub fn outcome(namespace: &str, control: &Answer, tried: &[(&'static str, Enforcer, Answer)]) -> Outcome {
    match control {
        Answer::Allowed => {}
        Answer::Refused(why) => {
            return Outcome::Untried(format!(
                "the API server refused even a ConfigMap, so its other refusals prove nothing: {}",
                steady(why)
            ));
        }
        Answer::Unanswered(why) => return Outcome::Untried(why.clone()),
    }
    let allowed: Vec<Violation> = tried
        .iter()
        .filter(|(.., answer)| *answer == Answer::Allowed)
        .map(|(what, enforcer, _)| Violation {
            direction: Direction::Inward,
            opened_by: Opener::Platform,
            counterpart: String::new(),
            message: format!(
                "{} may {what}: {} does not prevent it",
                enforcer.whom(),
                enforcer.title(namespace)
            ),
        })
        .collect();
    if !allowed.is_empty() {
        return Outcome::Violated(allowed);
    }
    for (what, enforcer, answer) in tried {
        match answer {
            Answer::Refused(why) if enforcer.has_refused(why) => {}
            Answer::Refused(why) => {
                return Outcome::Untried(format!(
                    "the API server refused the attempt to {what}, but not by {}: {}",
                    enforcer.title(namespace),
                    steady(why)
                ));
            }
            Answer::Unanswered(why) => return Outcome::Untried(why.clone()),
            Answer::Allowed => {}
        }
    }
    Outcome::Passed
}

/// Removes the letters that the API server adds to generated names: the same refusal must give the same message.
fn steady(why: &str) -> String {
    let mut parts = why.split(NAME);
    let mut redacted = parts.next().unwrap_or_default().to_string();
    for part in parts {
        let added = part.bytes().take(5).take_while(u8::is_ascii_alphanumeric).count();
        redacted += NAME;
        redacted += if added == 5 { &part[5..] } else { part };
    }
    redacted
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHAT: &str = "name the node of a pod";
    const WALL: Enforcer = Enforcer::Policy("tenant-operator-pods");

    fn refused(why: &str) -> Answer {
        Answer::Refused(why.into())
    }

    fn denied() -> Answer {
        refused("ValidatingAdmissionPolicy 'tenant-operator-pods' with binding 'x' denied request: no")
    }

    #[test]
    fn it_holds_when_all_is_refused_by_what_should_refuse_it() {
        let tried = [
            (WHAT, WALL, denied()),
            (
                "ask for more",
                Enforcer::Quota("requests.cpu"),
                refused("exceeded quota: tenant, requested: requests.cpu=3, limited: requests.cpu=2"),
            ),
        ];
        assert_eq!(outcome("acme", &Answer::Allowed, &tried), Outcome::Passed);
    }

    #[test]
    fn a_full_namespace_says_nothing_of_another_amount() {
        let enforcer = Enforcer::Quota("requests.cpu");
        let tried = [(
            "ask for more",
            enforcer,
            refused("exceeded quota: tenant, requested: pods=1, limited: pods=0"),
        )];
        assert!(matches!(outcome("acme", &Answer::Allowed, &tried), Outcome::Untried(_)));
    }

    #[test]
    fn the_same_refusal_is_told_in_the_same_words() {
        let why = |added: &str| {
            let name = format!("{NAME}{added}");
            let refused = refused(&format!("pods \"{name}\" is forbidden: not {name}, nor {NAME}:1"));
            outcome("acme", &Answer::Allowed, &[(WHAT, WALL, refused)])
        };
        assert_eq!(why("x7k2p"), why("abcde"));
        assert!(matches!(why("abcde"), Outcome::Untried(why) if why.contains(&format!("not {NAME}, nor {NAME}:1"))));
    }

    #[test]
    fn the_servers_own_plugin_refuses_external_ips_as_well() {
        let answer = refused("services \"x\" is forbidden: Use of external IPs is denied by admission control.");
        let tried = [("make a Service", Enforcer::Policy("tenant-operator-services"), answer)];
        assert_eq!(outcome("acme", &Answer::Allowed, &tried), Outcome::Passed);
    }

    #[test]
    fn what_is_let_through_is_named_whatever_becomes_of_the_rest() {
        let tried = [
            ("a", WALL, Answer::Unanswered("away".into())),
            (WHAT, WALL, Answer::Allowed),
            ("run a privileged container", Enforcer::PodSecurity, Answer::Allowed),
        ];
        let outcome = outcome("acme", &Answer::Allowed, &tried);
        let messages: Vec<&str> = outcome.violations().iter().map(|v| v.message.as_str()).collect();
        assert_eq!(
            messages,
            [
                "the tenant's people may name the node of a pod: ValidatingAdmissionPolicy tenant-operator-pods does not prevent it",
                "the tenant's people may run a privileged container: Pod Security in namespace acme does not prevent it",
            ]
        );
    }

    #[test]
    fn a_refusal_for_another_reason_proves_nothing() {
        for (control, answer, word) in [
            (
                Answer::Allowed,
                refused("is forbidden: User cannot create"),
                "not by ValidatingAdmissionPolicy",
            ),
            (
                Answer::Allowed,
                Answer::Unanswered("the API server is away".into()),
                "is away",
            ),
            (
                refused("exceeded quota"),
                denied(),
                "the API server refused even a ConfigMap",
            ),
            (Answer::Unanswered("it is away".into()), denied(), "it is away"),
            (
                Answer::Allowed,
                refused("Use of external IPs is denied by admission control."),
                "not by",
            ),
            // Were the walls down, this would not show it.
            (
                refused("exceeded quota"),
                Answer::Allowed,
                "the API server refused even a ConfigMap",
            ),
        ] {
            let Outcome::Untried(why) = outcome("acme", &control, &[(WHAT, WALL, answer.clone())]) else {
                panic!("{control:?} {answer:?}");
            };
            assert!(why.contains(word), "{why}");
        }
    }
}
