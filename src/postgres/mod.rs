//! PostgreSQL: a server's catalog, its desired state, the statements between the two, and the connections that carry them. Knows tenants only by their id, and
//! nothing of Kubernetes.

pub mod applications;
pub mod audit;
pub mod catalog;
mod catalog_reader;
pub mod client;
pub mod cross_tenant_access;
pub mod extensions;
mod guard;
pub mod identifier;
pub mod names;
pub mod operator_role;
pub mod password;
pub mod plan;
pub mod preview;
pub mod server;
pub mod shared;
pub mod sql;
mod tenant_catalog;
pub mod text;
pub mod tls;
pub mod usage;
pub mod version;
pub mod weaknesses;

pub use identifier::Identifier;
pub use names::Names;
pub use sql::Statement;
