//! The public keys that a gateway verifies a tenant's tokens with, and the steps from one set of them to another. A gateway may tell its listeners which sets there are before it
//! tells its routes which of them to ask for, and connections may outlive what their listener was told: so for a while before a change and after it
//! the gateway has to know of both sets. Pure.

use crate::capability::jwks::JwkSet;
use crate::time::after;
use k8s_openapi::jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The keys that a tenant's gateway was observed to use.
pub trait KeyVerifier {
    /// Returns true where it uses any of these keys.
    fn asks_for_any_of(&self, set: &JwkSet) -> bool;
    /// Returns true where it uses these and no others of the tenant's.
    fn asks_for(&self, set: &JwkSet) -> bool;
    /// Returns true where it knows each of these sets besides.
    fn has_preloaded(&self, sets: &[JwkSet]) -> bool;
}

/// The keys that the gateway should use.
pub struct Goal {
    pub published: JwkSet,
    /// The id of the published key that is the next to go, and when.
    pub leaving: Option<(String, Timestamp)>,
    /// For how long both sets are known before a change, and after it.
    pub pause: Duration,
}

/// The keys that the gateway uses.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Trust {
    pub set: JwkSet,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    change: Option<Change>,
}

/// A change of what is asked for.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
struct Change {
    /// The set to come; once the change is made, the one before.
    other: JwkSet,
    is_made: bool,
    /// Since when the gateway was told of both sets, and then since when it was told of the change.
    since: Timestamp,
}

impl Goal {
    /// Without the key that is about to go.
    fn set(&self, now: Timestamp) -> JwkSet {
        let leaves = |kid: &str| {
            let leaving = self.leaving.as_ref();
            leaving.is_some_and(|(leaving, until)| leaving == kid && after(now, self.pause) >= *until)
        };
        JwkSet {
            keys: self
                .published
                .keys
                .iter()
                .filter(|key| !leaves(&key.kid))
                .cloned()
                .collect(),
        }
    }

    fn is_alive(&self, set: &JwkSet) -> bool {
        set.ids().all(|kid| self.published.ids().any(|alive| alive == kid))
    }
}

impl Trust {
    pub fn of(set: JwkSet) -> Self {
        Self { set, change: None }
    }

    /// One step nearer to the goal, or none where it is not time yet.
    pub fn step(self, goal: &Goal, gateway: &impl KeyVerifier, now: Timestamp) -> Self {
        if !gateway.asks_for_any_of(&self.set) {
            // Who asks for none of it need not be led.
            return Self::of(goal.published.clone());
        }
        let wanted = goal.set(now);
        let Self { set, change } = self;
        if !goal.is_alive(&set) {
            // A dead key opens nothing any more, wherever the gateway was led by then.
            let to = change.filter(|change| !change.is_made && goal.is_alive(&change.other));
            return Self::changed(set, to.map_or(wanted, |change| change.other), now);
        }
        let change = match change {
            Some(Change {
                is_made: true,
                other,
                since,
            }) => {
                let since = if gateway.asks_for(&set) { since.min(now) } else { now };
                (now < after(since, goal.pause)).then_some(Change {
                    other,
                    is_made: true,
                    since,
                })
            }
            Some(Change { other, since, .. }) if other == wanted => {
                let sets = [set, other];
                let since = if gateway.has_preloaded(&sets) {
                    since.min(now)
                } else {
                    now
                };
                let [set, other] = sets;
                // What takes a key away is made when that key is dead, and not before.
                if wanted == goal.published && now >= after(since, goal.pause) {
                    return Self::changed(set, other, now);
                }
                return Self::changing(set, other, since);
            }
            _ => None,
        };
        match change {
            None if set != wanted => Self::changing(set, wanted, now),
            change => Self { set, change },
        }
    }

    fn changing(set: JwkSet, other: JwkSet, since: Timestamp) -> Self {
        let change = Change {
            other,
            is_made: false,
            since,
        };
        Self {
            set,
            change: Some(change),
        }
    }

    fn changed(from: JwkSet, to: JwkSet, now: Timestamp) -> Self {
        let change = Change {
            other: from,
            is_made: true,
            since: now,
        };
        Self {
            set: to,
            change: Some(change),
        }
    }

    /// Returns true where no change is under way.
    pub fn is_settled(&self) -> bool {
        self.change.is_none()
    }

    /// Key sets that the gateway is to know besides.
    pub fn preloaded(&self) -> Vec<JwkSet> {
        let sets = self.change.iter().map(|change| [&self.set, &change.other]);
        sets.flatten().cloned().collect()
    }

    /// The time at which the next step may be due.
    pub fn next(&self, goal: &Goal) -> Option<Timestamp> {
        match &self.change {
            Some(change) => Some(after(change.since, goal.pause)),
            None => goal
                .leaving
                .as_ref()
                .map(|(_, until)| until.checked_sub(goal.pause).unwrap_or(Timestamp::MIN)),
        }
    }
}

#[cfg(test)]
#[path = "trust_test.rs"]
pub(super) mod tests;
