//! Budget of memory for objects that users write in one namespace: all tenants share the memory. An object that was left out stays so until it changes or the
//! watch lists everything anew. Pure.

use std::collections::hash_map::RandomState;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::hash::BuildHasher;

/// Bytes of JSON of one kind in one namespace, for objects that users write: some hundred times a tenant's common use.
pub const WRITTEN: usize = 256 * 1024;
/// The same for objects that follow from its pods and Services.
pub const FOLLOWING: usize = 4 * 1024 * 1024;

/// Namespace, which is empty for cluster-wide objects and the platform's own, and name.
pub type NamespacedName = (String, String);

/// The budget, and the use of each namespace.
#[derive(Debug)]
pub struct MemoryBudget {
    limit: usize,
    used: HashMap<String, usize>,
    /// Objects without room, by namespace and as digests: names take room too.
    left_out: HashMap<String, HashSet<u64>>,
    hasher: RandomState,
}

impl MemoryBudget {
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            used: HashMap::new(),
            left_out: HashMap::new(),
            hasher: RandomState::default(),
        }
    }

    /// Returns the budget of one namespace.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Reserves room for an object of this size in place of one of the old size. Returns false where there is none; the old size is released in any case.
    pub fn reserve(&mut self, key: &NamespacedName, old: usize, new: usize) -> bool {
        if key.0.is_empty() {
            return true;
        }
        self.release(key, old);
        let used = self.used.entry(key.0.clone()).or_default();
        let has_room = *used + new <= self.limit;
        if has_room {
            *used += new;
        } else {
            let digest = self.hasher.hash_one(key);
            self.left_out.entry(key.0.clone()).or_default().insert(digest);
        }
        has_room
    }

    /// Releases the room of a removed object. `size` is 0 for an object that was left out.
    pub fn release(&mut self, key: &NamespacedName, size: usize) {
        if let Some(used) = self.used.get_mut(&key.0) {
            *used = used.saturating_sub(size);
            if *used == 0 {
                self.used.remove(&key.0);
            }
        }
        if let Some(left_out) = self.left_out.get_mut(&key.0) {
            left_out.remove(&self.hasher.hash_one(key));
            if left_out.is_empty() {
                self.left_out.remove(&key.0);
            }
        }
    }

    /// Forgets left-out objects that are not among these.
    pub fn retain(&mut self, listed: &HashSet<NamespacedName>) {
        if self.left_out.is_empty() {
            return;
        }
        let digests: HashSet<u64> = listed.iter().map(|key| self.hasher.hash_one(key)).collect();
        self.left_out.retain(|_, left_out| {
            left_out.retain(|digest| digests.contains(digest));
            !left_out.is_empty()
        });
    }

    /// The namespaces of which something is left out.
    pub fn exceeded(&self) -> BTreeSet<String> {
        self.left_out.keys().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOST: usize = 1000;

    fn key(namespace: &str, name: &str) -> NamespacedName {
        (namespace.into(), name.into())
    }

    fn exceeded(budget: &MemoryBudget) -> Vec<String> {
        budget.exceeded().into_iter().collect()
    }

    #[test]
    fn one_namespace_takes_nothing_of_anothers() {
        let mut budget = MemoryBudget::new(MOST);
        assert!(budget.reserve(&key("a", "most"), 0, MOST));
        assert!(!budget.reserve(&key("a", "more"), 0, 1));
        assert!(budget.reserve(&key("b", "most"), 0, MOST));
        assert!(budget.reserve(&key("", "the platform's"), 0, 2 * MOST));
        assert_eq!(exceeded(&budget), ["a"]);
    }

    #[test]
    fn what_goes_makes_room() {
        let mut budget = MemoryBudget::new(MOST);
        assert!(budget.reserve(&key("a", "one"), 0, MOST));
        assert!(!budget.reserve(&key("a", "two"), 0, MOST));
        assert!(budget.reserve(&key("a", "one"), MOST, 1));
        assert!(budget.reserve(&key("a", "two"), 0, MOST - 1));
        assert_eq!(exceeded(&budget), [""; 0]);
        assert!(!budget.reserve(&key("a", "one"), 1, 2));
        assert_eq!(exceeded(&budget), ["a"]);
        budget.release(&key("a", "one"), 0);
        assert_eq!(exceeded(&budget), [""; 0]);
    }

    #[test]
    fn what_went_unseen_is_forgotten() {
        let mut budget = MemoryBudget::new(MOST);
        for name in ["one", "two"] {
            assert!(!budget.reserve(&key("a", name), 0, MOST + 1));
        }
        budget.retain(&HashSet::from([key("a", "two")]));
        assert_eq!(exceeded(&budget), ["a"]);
        budget.retain(&HashSet::new());
        assert_eq!(exceeded(&budget), [""; 0]);
    }
}
