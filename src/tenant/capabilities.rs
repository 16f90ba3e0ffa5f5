//! The list of all capabilities: the one place that names them.

use crate::capability::Capability;
use crate::credentials::OwnKeys;
use crate::database::Database;
use crate::gateway::{Attachment, Gateway};
use crate::namespaces::Namespaces;
use crate::workloads::Workloads;
use std::sync::Arc;

/// All capabilities in the order of their stages.
pub type Capabilities = Vec<Arc<dyn Capability>>;

/// Lists all capabilities. Those with a state of their own are made by their owner.
pub fn all(database: Database, gateway: Arc<Gateway>) -> Capabilities {
    vec![
        Arc::new(Namespaces),
        Arc::new(database),
        Arc::new(OwnKeys),
        Arc::new(Workloads),
        gateway,
    ]
}

/// Lists all capabilities without a cluster: they validate and plan.
pub fn offline(gateway: Option<Attachment>) -> Capabilities {
    all(Database::offline(), Arc::new(Gateway::new(gateway)))
}
