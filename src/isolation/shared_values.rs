//! Values that many tenants have alike, such as their tier's, kept in memory once.

use super::lock;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

/// The most values that a new one is compared with.
const MOST: usize = 32;

/// The values that were asked for last.
#[derive(Debug)]
pub struct SharedValues<T>(Mutex<VecDeque<Arc<T>>>);

impl<T> Default for SharedValues<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: PartialEq> SharedValues<T> {
    /// Returns an equal value that is in memory already, or else this one.
    pub fn share(&self, value: &Arc<T>) -> Arc<T> {
        let mut values = lock(&self.0);
        let known = values.iter().position(|known| known == value);
        let shared = known
            .and_then(|position| values.remove(position))
            .unwrap_or_else(|| value.clone());
        values.push_front(shared.clone());
        values.truncate(MOST);
        shared
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_are_kept_once_and_not_for_ever() {
        let values = SharedValues::default();
        let first = values.share(&Arc::new(0));
        assert!(Arc::ptr_eq(&first, &values.share(&Arc::new(0))));
        for other in 1..MOST {
            assert_eq!(*values.share(&Arc::new(other)), other);
        }
        assert!(Arc::ptr_eq(&first, &values.share(&Arc::new(0))), "the oldest one still");
        for other in 1..=MOST {
            values.share(&Arc::new(100 + other));
        }
        assert!(!Arc::ptr_eq(&first, &values.share(&Arc::new(0))));
    }
}
