//! The operator's concurrent connections, from the server's own list.

use crate::database::{ADMIN, Site};
use anyhow::Result;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;
use tenant_operator::names;
use tokio_util::task::AbortOnDropHandle;

const EVERY: Duration = Duration::from_millis(50);
/// Counts connections of the operator as itself, and to try a tenant's login.
const QUERY: &str = "SELECT count(*) FROM pg_stat_activity WHERE usename = $1 OR application_name = $2";

/// Looks until dropped.
pub struct Sessions {
    most: Arc<AtomicI64>,
    _looking: AbortOnDropHandle<()>,
}

impl Sessions {
    pub async fn watch(site: &Site) -> Result<Self> {
        let root = site.root().await?;
        let query = root.prepare(QUERY).await?;
        let most: Arc<AtomicI64> = Arc::default();
        let seen = most.clone();
        let looking = async move {
            while let Ok(row) = root.query_one(&query, &[&ADMIN, &names::MANAGER]).await {
                seen.fetch_max(row.get(0), Ordering::Relaxed);
                tokio::time::sleep(EVERY).await;
            }
        };
        Ok(Self {
            most,
            _looking: AbortOnDropHandle::new(tokio::spawn(looking)),
        })
    }

    /// The most that were seen at once.
    pub fn most(&self) -> i64 {
        self.most.load(Ordering::Relaxed)
    }
}
