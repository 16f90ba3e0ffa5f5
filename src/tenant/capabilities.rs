//! The list of all capabilities: the one place that names them.

use crate::applications::Applications;
use crate::capability::Capability;
use crate::credentials::OwnKeys;
use crate::database::Database;
use crate::gateway::{Attachment, Gateway};
use crate::isolation::Isolation;
use crate::metering::Metering;
use crate::namespaces::{Namespaces, QuotaGrants};
use crate::workloads::Workloads;
use std::sync::Arc;

/// All capabilities in the order of their stages.
pub type Capabilities = Vec<Arc<dyn Capability>>;

/// The capabilities that have a state of their own.
pub struct Stateful {
    pub applications: Applications,
    pub database: Database,
    pub gateway: Gateway,
    /// None where no gateway counts requests.
    pub metering: Option<Metering>,
    /// None where nothing is proven.
    pub isolation: Option<Isolation>,
}

/// Lists all capabilities.
pub fn all(stateful: Stateful) -> Capabilities {
    let Stateful {
        applications,
        database,
        gateway,
        metering,
        isolation,
    } = stateful;
    let list: [Option<Arc<dyn Capability>>; 9] = [
        Some(Arc::new(Namespaces)),
        Some(Arc::new(QuotaGrants)),
        Some(Arc::new(applications)),
        Some(Arc::new(database)),
        Some(Arc::new(OwnKeys::default())),
        Some(Arc::new(Workloads)),
        Some(Arc::new(gateway)),
        metering.map(|metering| -> Arc<dyn Capability> { Arc::new(metering) }),
        isolation.map(|isolation| -> Arc<dyn Capability> { Arc::new(isolation) }),
    ];
    list.into_iter().flatten().collect()
}

/// Lists all capabilities without a cluster: they validate and plan.
pub fn offline(gateway: Option<Attachment>) -> Capabilities {
    all(Stateful {
        applications: Applications::default(),
        database: Database::offline(),
        gateway: Gateway::new(gateway),
        metering: None,
        isolation: None,
    })
}
