//! Wakes the tenants whose isolation checks a change concerns.

use super::{IsolationVerifier, spawn_blocking};
use crate::api::Opener;
use crate::cluster::Queue;
use crate::isolation::access::reach::Opening;
use crate::isolation::lock;
use std::collections::{BTreeMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// Time for collecting changes: the API server's authorizer learns of them about as fast as this program.
const GATHER: Duration = Duration::from_secs(1);
/// Time after which the tenants concerned are judged once more, in case the authorizer was slower.
const AGAIN: Duration = Duration::from_secs(5);
/// Time between two checks for changes of tenants, their namespaces or owners.
const PERIOD: Duration = Duration::from_secs(15);
/// The rest after a look, as a multiple of the look's duration, and its maximum. The cost depends on the amount of users' objects, never on how often they
/// write.
const REST: u32 = 4;
const LONGEST_REST: Duration = Duration::from_secs(30);
/// Number of tenants to reconcile at once after grants by others: any owner can grant access to all tenants.
const INVITED: usize = 20;

impl IsolationVerifier {
    /// Wakes the tenants that a change concerns. Never ends.
    pub async fn follow(self: Arc<Self>, queue: Queue) {
        // Without all namespaces, agreements between tenants would be judged as openings. This does not wait for the tenants' store: that one wakes only one
        // waiting task, and the controller is one.
        self.objects.synced().await;
        let mut pause = GATHER;
        let mut invited: VecDeque<String> = VecDeque::new();
        loop {
            let changed = async {
                tokio::select! {
                    () = self.access.changed() => {}
                    () = self.policies.changed.notified() => {}
                    () = self.endpoint_slices.changed.notified() => {}
                    () = std::future::ready(()), if !invited.is_empty() => {}
                }
            };
            let _ = tokio::time::timeout(PERIOD, changed).await;
            tokio::time::sleep(pause).await;
            let begun = Instant::now();
            let openings = self.resolve().await;
            let (policies, endpoint_slices) = (self.policies.clone(), self.endpoint_slices.clone());
            let policies = spawn_blocking(move || policies.evaluate()).await;
            let endpoint_slices = spawn_blocking(move || endpoint_slices.evaluate()).await;
            pause = rest(begun.elapsed());
            let (mut concerned, mut by_access) = (Vec::new(), false);
            if let Ok(now) = openings {
                let last = &mut lock(&self.last).openings;
                let before = last.clone();
                let differing = differing(last, now.clone());
                by_access = !differing.is_empty();
                let is_invited = |tenant: &String| only_invited(before.get(tenant), now.get(tenant));
                let (later, at_once): (Vec<_>, Vec<_>) = differing.into_iter().partition(is_invited);
                concerned = at_once;
                let waiting: HashSet<String> = invited.iter().cloned().collect();
                invited.extend(later.into_iter().filter(|tenant| !waiting.contains(tenant)));
            }
            if let Ok(now) = policies {
                concerned.extend(differing(&mut lock(&self.last).policies, now));
            }
            if let Ok(now) = endpoint_slices {
                concerned.extend(differing(&mut lock(&self.last).endpoint_slices, now));
            }
            concerned.extend(invited.drain(..INVITED.min(invited.len())));
            if by_access {
                self.access.forget_answers();
            }
            concerned.iter().for_each(|tenant| queue.wake(tenant));
            if by_access {
                tokio::time::sleep(AGAIN).await;
                concerned.iter().for_each(|tenant| queue.wake(tenant));
            }
        }
    }
}

/// Returns the time for gathering changes after a look of this duration.
fn rest(took: Duration) -> Duration {
    (took * REST).clamp(GATHER, LONGEST_REST)
}

/// Returns true if only invitations changed: by the tenant's users, or of them. Tenants' users can make any number of these at any time; all other changes are
/// the platform's, and come first.
fn only_invited(before: Option<&Vec<Opening>>, now: Option<&Vec<Opening>>) -> bool {
    let of_platform = |openings: Option<&Vec<Opening>>| -> Vec<Opening> {
        let openings = openings.into_iter().flatten();
        let by_platform = openings.filter(|opening| opening.opened_by == Opener::Platform);
        by_platform.cloned().collect()
    };
    of_platform(before) == of_platform(now)
}

/// Replaces `before`, and returns the tenants whose entry differs.
fn differing<T: PartialEq>(before: &mut Arc<BTreeMap<String, T>>, now: Arc<BTreeMap<String, T>>) -> Vec<String> {
    let before = std::mem::replace(before, now.clone());
    let mut tenants: Vec<String> = before.keys().chain(now.keys()).cloned().collect();
    tenants.retain(|tenant| before.get(tenant) != now.get(tenant));
    tenants.sort();
    tenants.dedup();
    tenants
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Direction;
    use crate::isolation::access::reach::Who;

    fn opening(opened_by: Opener, binding: &str) -> Opening {
        Opening {
            opened_by,
            direction: Direction::Outward,
            counterpart: "other".into(),
            binding: binding.into(),
            who: Who {
                user: String::new(),
                groups: Vec::new(),
                title: String::new(),
            },
            namespace: None,
            attempts: Vec::new(),
        }
    }

    #[test]
    fn a_look_takes_a_fifth_of_the_time_at_most() {
        let millis = Duration::from_millis;
        assert_eq!(rest(millis(5)), GATHER);
        assert_eq!(rest(millis(500)), millis(2000));
        assert_eq!(rest(millis(60_000)), LONGEST_REST);
    }

    #[test]
    fn invitations_wait_and_what_the_platform_opens_does_not() {
        let invitation = |binding| opening(Opener::Counterpart, binding);
        let hole = opening(Opener::Platform, "hole");
        let with = |openings: &[&Opening]| Some(openings.iter().map(|one| (*one).clone()).collect::<Vec<_>>());
        let (one, other) = (invitation("one"), invitation("other"));
        let is_invited =
            |before: Option<Vec<Opening>>, now: Option<Vec<Opening>>| only_invited(before.as_ref(), now.as_ref());
        assert!(is_invited(None, with(&[&one])) && is_invited(with(&[&one]), None));
        assert!(is_invited(with(&[&one, &hole]), with(&[&other, &hole])));
        assert!(!is_invited(None, with(&[&hole])) && !is_invited(with(&[&hole]), None));
        assert!(!is_invited(with(&[&one]), with(&[&one, &hole])));
    }

    #[test]
    fn only_those_are_woken_of_whom_something_else_is_to_be_said() {
        let map = |list: &[(&str, u8)]| {
            Arc::new(
                list.iter()
                    .map(|(name, value)| (name.to_string(), *value))
                    .collect::<BTreeMap<_, _>>(),
            )
        };
        let mut before = map(&[("gone", 1), ("kept", 1), ("other", 1)]);
        let now = map(&[("kept", 1), ("new", 1), ("other", 2)]);
        assert_eq!(differing(&mut before, now.clone()), ["gone", "new", "other"]);
        assert_eq!(differing(&mut before, now), Vec::<String>::new());
    }
}
