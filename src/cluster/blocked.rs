//! Names that objects of others have. No watch shows these objects, so the operator asks for each from time to time.

use super::{Key, Live};
use crate::names;
use kube::ResourceExt;
use kube::core::PartialObjectMeta;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// Shortest and longest time between two looks at one name.
const LOOKS: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(10));
/// A name that has been taken this many times longer is looked at this many times less often.
const BACKOFF_DIVISOR: u32 = 30;
/// The most looks at one tick, for all names.
const LOOKS_AT_ONCE: usize = 5;
/// A name that nobody has asked for since is forgotten: more than the longest wait of a tenant that failed.
const FORGOTTEN: Duration = Duration::from_secs(11 * 60);

/// The marks of an object: its UID, and all that makes it a tenant's. They change when the name becomes free, or the object ours.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    uid: String,
    ours: BTreeMap<String, String>,
}

impl Marks {
    /// Returns the marks of an object with these labels and annotations.
    pub fn new<'a>(uid: &str, pairs: impl IntoIterator<Item = (&'a String, &'a str)>) -> Self {
        let ours = pairs.into_iter().filter(|(key, _)| key.starts_with(names::PREFIX));
        Self {
            uid: uid.into(),
            ours: ours.map(|(key, value)| (key.clone(), value.to_owned())).collect(),
        }
    }

    /// Returns the marks of an object that was read.
    pub fn of_live(live: &Live) -> Self {
        let section = |name: &str| live.value.pointer(name).and_then(serde_json::Value::as_object);
        let sections = [section("/metadata/labels"), section("/metadata/annotations")];
        let pairs = sections.into_iter().flatten().flatten();
        Self::new(
            &live.uid,
            pairs.map(|(key, value)| (key, value.as_str().unwrap_or_default())),
        )
    }

    /// Returns the marks of an object as the API server has it.
    pub fn of<K>(object: &PartialObjectMeta<K>) -> Self
    where
        PartialObjectMeta<K>: ResourceExt,
    {
        let pairs = object.labels().iter().chain(object.annotations());
        Self::new(
            &object.uid().unwrap_or_default(),
            pairs.map(|(key, value)| (key, value.as_str())),
        )
    }
}

#[derive(Debug)]
struct Taken {
    tenants: BTreeSet<String>,
    marks: Marks,
    /// The time at which it was first in the way, last in the way, and last looked at.
    since: Instant,
    wanted: Instant,
    looked: Instant,
}

impl Taken {
    /// The time of the next look: soon at first, less often later.
    fn due(&self) -> Instant {
        let age = self.looked.saturating_duration_since(self.since);
        self.looked + (age / BACKOFF_DIVISOR).clamp(LOOKS.0, LOOKS.1)
    }
}

/// The names that objects of others have, and the tenants that want them.
#[derive(Debug, Default)]
pub struct Blocked(Mutex<HashMap<Key, Taken>>);

impl Blocked {
    /// Notes that an object of others has a name that a tenant wants.
    pub fn note(&self, tenant: &str, key: &Key, marks: Marks) {
        let now = Instant::now();
        let mut all = self.lock();
        let taken = all.entry(key.clone()).or_insert_with(|| Taken {
            tenants: BTreeSet::new(),
            marks: Marks::default(),
            since: now,
            wanted: now,
            looked: now,
        });
        taken.tenants.insert(tenant.to_owned());
        taken.marks = marks;
        taken.wanted = now;
    }

    /// Notes that no object of others has this name.
    pub fn clear(&self, key: &Key) {
        self.lock().remove(key);
    }

    /// Returns the names to look at now, those first that wait longest.
    pub fn due(&self) -> Vec<Key> {
        let now = Instant::now();
        let mut all = self.lock();
        all.retain(|_, taken| now.saturating_duration_since(taken.wanted) < FORGOTTEN);
        let mut due: Vec<(Instant, Key)> = all
            .iter()
            .filter(|(_, taken)| taken.due() <= now)
            .map(|(key, taken)| (taken.looked, key.clone()))
            .collect();
        due.sort();
        due.truncate(LOOKS_AT_ONCE);
        for (_, key) in &due {
            if let Some(taken) = all.get_mut(key) {
                taken.looked = now;
            }
        }
        due.into_iter().map(|(_, key)| key).collect()
    }

    /// Takes in the result of a look: the object's marks, or that the name is free. Returns the tenants that may try again.
    pub fn seen(&self, key: &Key, marks: Option<Marks>) -> BTreeSet<String> {
        let mut all = self.lock();
        match all.get(key) {
            Some(taken) if marks.as_ref() != Some(&taken.marks) => {
                all.remove(key).map(|taken| taken.tenants).unwrap_or_default()
            }
            _ => BTreeSet::new(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Taken>> {
        // Nothing that holds the lock can panic half-way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn marks(uid: &str) -> Marks {
        Marks::new(uid, [])
    }

    #[tokio::test(start_paused = true)]
    async fn a_free_name_wakes_all_who_want_it_and_once() {
        let (blocked, key) = (Blocked::default(), Key::namespace("acme"));
        for tenant in ["acme", "globex"] {
            blocked.note(tenant, &key, marks("u1"));
        }
        assert_eq!(blocked.seen(&key, Some(marks("u1"))), BTreeSet::new());
        let both = BTreeSet::from(["acme".to_owned(), "globex".to_owned()]);
        assert_eq!(blocked.seen(&key, None), both);
        assert_eq!(blocked.seen(&key, None), BTreeSet::new());
        // Another object has the name, or it was made ours by its marks.
        let owned = names::OWNED_BY.to_owned();
        let foreign = "example.com/owner".to_owned();
        let adopted = Marks::new("u1", [(&owned, "acme/id-1"), (&foreign, "x")]);
        for (now, is_woken) in [
            (marks("u2"), true),
            (adopted, true),
            (Marks::new("u1", [(&foreign, "x")]), false),
        ] {
            blocked.note("acme", &key, marks("u1"));
            assert_eq!(!blocked.seen(&key, Some(now.clone())).is_empty(), is_woken, "{now:?}");
        }
        blocked.note("acme", &key, marks("u1"));
        blocked.clear(&key);
        assert_eq!(blocked.seen(&key, None), BTreeSet::new());
    }

    #[tokio::test(start_paused = true)]
    async fn looks_are_soon_at_first_and_bounded_always() {
        let (blocked, key) = (Blocked::default(), Key::namespace("acme"));
        blocked.note("acme", &key, marks("u1"));
        let mut looks = Vec::new();
        for second in 1..=600 {
            tokio::time::advance(SECOND).await;
            blocked.note("acme", &key, marks("u1"));
            looks.extend(blocked.due().iter().map(|_| second));
        }
        assert_eq!(looks[..5], [1, 2, 3, 4, 5]);
        assert!(looks.windows(2).all(|two| two[1] - two[0] <= 11), "{looks:?}");
        assert!((60..180).contains(&looks.len()), "{}", looks.len());
        // Nobody wants it any more.
        tokio::time::advance(FORGOTTEN).await;
        assert!(blocked.due().is_empty() && blocked.lock().is_empty());

        for number in 0..100 {
            blocked.note("acme", &Key::namespace(format!("n{number}")), marks("u1"));
        }
        let mut seen = BTreeSet::new();
        for _ in 0..20 {
            tokio::time::advance(SECOND).await;
            let due = blocked.due();
            assert_eq!(due.len(), LOOKS_AT_ONCE);
            seen.extend(due);
        }
        assert_eq!(seen.len(), 100, "each has its turn");
    }
}
