//! A connection of the pool, which goes back only after success.

use deadpool_postgres::Object;
use std::ops::Deref;

/// A connection of the pool. It returns only after a success. After an error or an abandoned call it may be in any state, and nobody else may use it.
pub(super) struct PooledConnection(pub(super) Option<Object>);

impl PooledConnection {
    pub(super) fn recycle(mut self) {
        drop(self.0.take());
    }
}

impl Deref for PooledConnection {
    type Target = Object;

    fn deref(&self) -> &Object {
        // Taken only where it ends.
        self.0.as_ref().unwrap_or_else(|| unreachable!())
    }
}

impl Drop for PooledConnection {
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            drop(Object::take(connection));
        }
    }
}
