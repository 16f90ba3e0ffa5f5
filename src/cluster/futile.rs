//! Writes that something else undoes as they are made: the API server, or an admission webhook or policy of the cluster.
//!
//! To repeat them would write for ever. To give them up would leave the object as it is when the other has gone. So for each kind and field one object is
//! tried again now and then; a try that takes effect brings the others back too.

use super::{Key, Kind};
use crate::time::doubled;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Shortest and longest time between two tries for one kind and field.
const TRIES: (Duration, Duration) = (Duration::from_secs(15), Duration::from_secs(300));
/// A field that has been kept this many times longer is tried this many times less often.
const BACKOFF_DIVISOR: u32 = 10;
/// An object that comes out of each write differently is written this many times in a row, then ever less often.
const RESTLESS: u32 = 3;
/// Shortest and longest time between two writes of such an object: others may have changed it as well.
const RESTS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(60));
/// An object whose turn came so often without a write is gone.
const TURNS: u32 = 3;

/// Digests of the desired object and of the present one.
pub type Attempt = (u64, u64);

#[derive(Debug)]
struct Undone {
    tenant: String,
    /// The field that was not as desired after the write.
    path: String,
    attempt: Attempt,
    /// Writes in a row that left the field as it was.
    times: u32,
    since: Instant,
    tried: Instant,
    /// Its turn has come.
    may: bool,
    /// Turns since its last write.
    turns: u32,
}

impl Undone {
    /// Returns true if this write may not be repeated yet.
    fn holds_back(&self, path: &str, attempt: Attempt, now: Instant) -> bool {
        let (is_same, is_asked_again) = (
            self.attempt == attempt,
            self.attempt.0 == attempt.0 && self.path == path,
        );
        let rest = doubled(RESTS, self.times.saturating_sub(RESTLESS));
        let rests = now.saturating_duration_since(self.tried) < rest;
        !self.may && (is_same || (is_asked_again && self.times >= RESTLESS && rests))
    }
}

/// The writes that were undone.
#[derive(Debug, Default)]
pub struct Futile(Mutex<HashMap<Key, Undone>>);

impl Futile {
    /// Returns true if this write was undone before, and its turn has not come.
    pub fn is_known(&self, key: &Key, path: &str, attempt: Attempt) -> bool {
        let now = Instant::now();
        self.lock()
            .get(key)
            .is_some_and(|undone| undone.holds_back(path, attempt, now))
    }

    /// Notes that a write left this field as it was. Returns true where that is new.
    pub fn undone(&self, tenant: &str, key: &Key, path: &str, attempt: Attempt) -> bool {
        let now = Instant::now();
        let mut all = self.lock();
        let before = all
            .remove(key)
            .filter(|before| before.path == path && before.attempt.0 == attempt.0);
        let is_new = before.is_none();
        let (since, times) = before.map_or((now, 0), |before| (before.since, before.times));
        all.insert(
            key.clone(),
            Undone {
                tenant: tenant.to_owned(),
                path: path.to_owned(),
                attempt,
                times: times.saturating_add(1),
                since,
                tried: now,
                may: false,
                turns: 0,
            },
        );
        is_new
    }

    /// Notes that a write of this object took effect as a whole, or that it is as desired. Returns the tenants whose objects were undone in the same field:
    /// their turn has come.
    pub fn took_effect(&self, key: &Key) -> BTreeSet<String> {
        let mut all = self.lock();
        let Some(undone) = all.remove(key) else {
            return BTreeSet::new();
        };
        let alike = all
            .iter_mut()
            .filter(|(other, with)| other.kind == key.kind && with.path == undone.path);
        alike
            .map(|(_, with)| {
                with.may = true;
                with.tenant.clone()
            })
            .collect()
    }

    /// Gives one object of each kind and field its turn, where it is time: the one whose last try is longest ago. Returns their tenants.
    pub fn due(&self) -> BTreeSet<String> {
        let now = Instant::now();
        let mut all = self.lock();
        all.retain(|_, undone| undone.turns < TURNS);
        let mut groups: BTreeMap<(Kind, String), Vec<(Instant, Key)>> = BTreeMap::new();
        let mut rests = BTreeSet::new();
        for (key, undone) in all.iter() {
            let group = (key.kind, undone.path.clone());
            let kept = now.saturating_duration_since(undone.since);
            let rest = (kept / BACKOFF_DIVISOR).clamp(TRIES.0, TRIES.1);
            if now.saturating_duration_since(undone.tried) < rest {
                rests.insert(group.clone());
            }
            groups.entry(group).or_default().push((undone.tried, key.clone()));
        }
        let due = groups.into_iter().filter(|(group, _)| !rests.contains(group));
        let first = due.filter_map(|(_, members)| members.into_iter().min());
        let mut tenants = BTreeSet::new();
        for (_, key) in first {
            if let Some(undone) = all.get_mut(&key) {
                undone.may = true;
                undone.turns += 1;
                // The turn is another's next, whatever becomes of this one.
                undone.tried = now;
                tenants.insert(undone.tenant.clone());
            }
        }
        tenants
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Undone>> {
        // Nothing that holds the lock can panic half-way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LABEL: &str = "metadata.labels.tenant-operator.io/tenant";

    fn key(kind: Kind, number: usize) -> Key {
        Key {
            kind,
            namespace: "acme".into(),
            name: format!("n{number}"),
        }
    }

    /// The tenants whose turn comes within this time, by ticks of a second.
    async fn turns(futile: &Futile, seconds: usize) -> Vec<(usize, String)> {
        let mut turns = Vec::new();
        for second in 1..=seconds {
            tokio::time::advance(Duration::from_secs(1)).await;
            turns.extend(futile.due().into_iter().map(|tenant| (second, tenant)));
        }
        turns
    }

    #[tokio::test(start_paused = true)]
    async fn one_object_of_each_kind_and_field_is_tried_now_and_then() {
        let futile = Futile::default();
        for number in 0..50 {
            let tenant = format!("t{number}");
            assert!(futile.undone(&tenant, &key(Kind::ConfigMap, number), LABEL, (1, 2)));
            tokio::time::advance(Duration::from_millis(1)).await;
        }
        assert!(futile.undone("other", &key(Kind::Service, 0), LABEL, (1, 2)));
        let of = |kind, number| futile.is_known(&key(kind, number), LABEL, (1, 2));
        assert!((0..50).all(|number| of(Kind::ConfigMap, number)));
        let first = turns(&futile, 15).await;
        let names: BTreeSet<&str> = first.iter().map(|(_, tenant)| tenant.as_str()).collect();
        assert_eq!(names, BTreeSet::from(["t0", "other"]), "{first:?}");
        assert!(!of(Kind::ConfigMap, 0) && of(Kind::ConfigMap, 1));
        // In vain.
        assert!(!futile.undone("t0", &key(Kind::ConfigMap, 0), LABEL, (1, 2)));
        assert!(of(Kind::ConfigMap, 0));
        let later = turns(&futile, 3600).await;
        let tries = later.iter().filter(|(_, tenant)| tenant.starts_with('t')).count();
        assert!((15..50).contains(&tries), "{tries} tries in an hour");
    }

    #[tokio::test(start_paused = true)]
    async fn a_write_that_takes_effect_brings_the_others_back() {
        let futile = Futile::default();
        for number in 0..3 {
            futile.undone(&format!("t{number}"), &key(Kind::ConfigMap, number), LABEL, (1, 2));
        }
        futile.undone("t8", &key(Kind::ConfigMap, 8), "data", (1, 2));
        futile.undone("t9", &key(Kind::Service, 9), LABEL, (1, 2));
        let woken = futile.took_effect(&key(Kind::ConfigMap, 0));
        assert_eq!(woken, BTreeSet::from(["t1".to_owned(), "t2".to_owned()]));
        let known = |kind, number, path| futile.is_known(&key(kind, number), path, (1, 2));
        assert!(!known(Kind::ConfigMap, 1, LABEL) && !known(Kind::ConfigMap, 2, LABEL));
        assert!(known(Kind::ConfigMap, 8, "data") && known(Kind::Service, 9, LABEL));
        assert_eq!(futile.took_effect(&key(Kind::ConfigMap, 0)), BTreeSet::new());
    }

    #[tokio::test(start_paused = true)]
    async fn an_object_that_never_comes_to_rest_is_written_ever_less_often() {
        let (futile, key) = (Futile::default(), key(Kind::ConfigMap, 0));
        let mut writes = 0;
        for second in 0..600 {
            // Each write is answered by another content.
            if !futile.is_known(&key, LABEL, (1, second)) {
                writes += 1;
                futile.undone("acme", &key, LABEL, (1, 1000 + second));
            }
            tokio::time::advance(Duration::from_secs(1)).await;
        }
        assert!((8..25).contains(&writes), "{writes} writes in ten minutes");
        // Something else that was asked for, or that others changed, is none of this.
        assert!(!futile.is_known(&key, LABEL, (2, 0)) && !futile.is_known(&key, "data", (1, 0)));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_gone_is_forgotten() {
        let futile = Futile::default();
        futile.undone("gone", &key(Kind::ConfigMap, 0), LABEL, (1, 2));
        let turns = turns(&futile, 24 * 3600).await;
        assert_eq!(turns.len(), TURNS as usize, "{turns:?}");
        assert!(futile.lock().is_empty());
    }
}
