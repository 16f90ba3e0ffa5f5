//! Headers of requests: those that the gateway sets for workloads, and the one with a client's key.

/// Headers by which a workload learns about the request's tenant and client. The gateway drops these headers from clients' requests.
pub const TENANT_ID: &str = "X-Tenant-ID";
pub const TENANT_NAME: &str = "X-Tenant-Name";
pub const TENANT_TIER: &str = "X-Tenant-Tier";
/// The header with the tenant's features, separated by commas.
pub const TENANT_FEATURES: &str = "X-Tenant-Features";
/// The header with the tenant's number, for applications whose tables have integers.
pub const TENANT_NUMBER: &str = "X-Tenant-Number";
/// The headers with the ids of a subtenant's parent and of the topmost tenant of its family.
pub const TENANT_PARENT_ID: &str = "X-Tenant-Parent-ID";
pub const TENANT_ROOT_ID: &str = "X-Tenant-Root-ID";
/// The header with the name of the API key that authenticated the request.
pub const TENANT_CLIENT: &str = "X-Tenant-Client";
/// The header in which a client sends its API key.
pub const API_KEY: &str = "X-API-Key";
