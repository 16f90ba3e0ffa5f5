//! Every name this operator gives, in one place: labels, annotations, object names.

use sha2::{Digest, Sha256};

/// The API group of all our resources, and the prefix of our labels and annotations.
pub const GROUP: &str = "tenant-operator.io";

/// The operator's name: as field manager, event reporter and value of `app.kubernetes.io/managed-by`.
pub const MANAGER: &str = "tenant-operator";

/// Label: the name of the tenant an object belongs to.
pub const TENANT: &str = "tenant-operator.io/tenant";
/// Label: the id of the tenant an object belongs to; the mark of ownership.
pub const TENANT_ID: &str = "tenant-operator.io/tenant-id";
/// Label of a Tenant with subtenants, and of every Tenant below it: the name of the topmost one.
pub const ROOT: &str = "tenant-operator.io/root";
/// Label of a subtenant: the name of its parent.
pub const PARENT: &str = "tenant-operator.io/parent";
/// Label of Kubernetes' recommended set, on top-level objects only.
pub const MANAGED_BY: &str = "app.kubernetes.io/managed-by";
/// Label of a namespace: its tenant's isolation model.
pub const ISOLATION: &str = "tenant-operator.io/isolation";
/// Label of a namespace whose tenant is gone and whose data is kept.
pub const RETAINED: &str = "tenant-operator.io/retained";
/// Label on workload objects and their pods: the workload's name.
pub const WORKLOAD: &str = "tenant-operator.io/workload";
/// Label on a claim: the kind of the claimed value.
pub const CLAIM: &str = "tenant-operator.io/claim";
/// Annotation: `<tenant>/<id>`, so that an object whose labels were stripped is still known as ours.
pub const OWNED_BY: &str = "tenant-operator.io/owned-by";
/// Annotation of a retained namespace: how to reclaim it.
pub const RECLAIM: &str = "tenant-operator.io/reclaim";
/// Annotation of a quota that its tenant's book divides: the version of the book that was read before the quota was written.
pub const QUOTA_BOOK: &str = "tenant-operator.io/quota-book";
/// Annotation of a pod template: a digest of the configuration it was started with.
pub const CONFIGURATION_DIGEST: &str = "tenant-operator.io/configuration-digest";
/// Annotation of a pod template: which of the database's credentials it was started with.
pub const CREDENTIALS_REVISION: &str = "tenant-operator.io/credentials-revision";
/// Annotation of a Tenant: another value than before asks for new credentials.
pub const ROTATE: &str = "tenant-operator.io/rotate-credentials";
/// Annotation of a Tenant in deletion: abandons its data on this DatabaseServer, which stays as it is.
pub const ABANDON: &str = "tenant-operator.io/abandon-database";
/// Annotation of a DatabaseServer: the id of the server that this one takes the place of.
pub const REPLACES: &str = "tenant-operator.io/replaces";
/// Annotation of a Secret: when its credentials were made (RFC 3339).
pub const ISSUED_AT: &str = "tenant-operator.io/issued-at";
/// Annotation of a Secret: until when the credentials before work too (RFC 3339).
pub const PREVIOUS_UNTIL: &str = "tenant-operator.io/previous-valid-until";
/// Annotation of a Secret: the request that its credentials answer.
pub const ROTATED_FOR: &str = "tenant-operator.io/rotated-for";
/// Annotation of the Secret with API keys: when each was made, in JSON.
pub const API_KEYS: &str = "tenant-operator.io/api-keys";
/// Annotation of it: which Secret with one key is whose, in JSON.
pub const API_KEY_SLOTS: &str = "tenant-operator.io/api-key-slots";
/// Annotation of a Secret with one key: nobody knows its value.
pub const OPENS_NOTHING: &str = "tenant-operator.io/opens-nothing";
/// Annotation of a Secret with a tenant's own keys: when they were made, in JSON.
pub const KEYS: &str = "tenant-operator.io/keys";
/// Annotation of a Tenant: ids of encryption keys that nobody needs any more, comma separated.
pub const ABANDON_KEYS: &str = "tenant-operator.io/abandon-encryption-keys";
/// Annotations of a namespace: names that its objects may contain, comma separated; the chart's policies read them. Without an annotation the policies do not
/// bound these names.
pub const ALLOWED_REGISTRIES: &str = "tenant-operator.io/allowed-image-registries";
pub const ALLOWED_PULL_POLICIES: &str = "tenant-operator.io/allowed-image-pull-policies";
pub const ALLOWED_STORAGE_CLASSES: &str = "tenant-operator.io/allowed-storage-classes";
pub const ALLOWED_VOLUME_ATTRIBUTES_CLASSES: &str = "tenant-operator.io/allowed-volume-attributes-classes";
pub const ALLOWED_CSI_DRIVERS: &str = "tenant-operator.io/allowed-csi-drivers";
pub const ALLOWED_INGRESS_CLASSES: &str = "tenant-operator.io/allowed-ingress-classes";
pub const ALLOWED_PRIORITY_CLASSES: &str = "tenant-operator.io/allowed-priority-classes";
pub const ALLOWED_RUNTIME_CLASSES: &str = "tenant-operator.io/allowed-runtime-classes";
/// As the others; without it none but ClusterIP.
pub const ALLOWED_SERVICE_TYPES: &str = "tenant-operator.io/allowed-service-types";
/// Keys, or all of a prefix; without it none but those that are admitted anyway.
pub const ALLOWED_ANNOTATIONS: &str = "tenant-operator.io/allowed-annotations";
/// Annotation with the allowed hosts; none without it.
pub const ALLOWED_HOSTS: &str = "tenant-operator.io/allowed-hosts";
/// Annotation of a namespace: all of its tenant's, comma separated. The NetworkPolicies of the tenant's own may name these; the chart's
/// policies read it.
pub const OWN_NAMESPACES: &str = "tenant-operator.io/own-namespaces";
/// Annotation of a namespace: since when its tenant has been in quarantine (RFC 3339).
pub const QUARANTINED_SINCE: &str = "tenant-operator.io/quarantined-since";
/// The check that found it out.
pub const QUARANTINED_BY: &str = "tenant-operator.io/quarantined-by";
/// Time since which no violation has been found.
pub const QUARANTINE_CLEAN_SINCE: &str = "tenant-operator.io/quarantine-clean-since";
/// Label of a pod that probes the network: its task, `listen` or `dial`.
pub const PROBE: &str = "tenant-operator.io/probe";
/// The names of such pods start so.
pub const PROBES: &str = "tenant-operator-probe";
/// Every label, annotation and finalizer of ours starts so.
pub const PREFIX: &str = "tenant-operator.io/";

/// The finalizer that lets a tenant's deletion be orderly.
pub const FINALIZER: &str = "tenant-operator.io/cleanup";

/// Kubernetes' own, unforgeable label of a namespace.
pub const NAMESPACE_NAME: &str = "kubernetes.io/metadata.name";

/// The ClusterRole that the operator binds to itself in each tenant's namespace.
pub const NAMESPACE_ROLE: &str = "tenant-operator-namespace";
/// The RoleBinding by which it does so.
pub const NAMESPACE_BINDING: &str = "tenant-operator";
/// The admission policy on the operator's objects for a gateway.
pub const GATEWAY_CONFINEMENT: &str = "tenant-operator-confinement-gateway";
/// The user that tries forbidden requests. Nobody can log in as it, only the operator may act as it, and a policy of the chart's limits it to dry runs.
pub const EXAMINER: &str = "tenant-operator:examiner";
/// The ClusterRole of the user that tries forbidden requests, and its RoleBinding in tenants' namespaces.
pub const EXAMINER_ROLE: &str = "tenant-operator-examiner";

/// The name of the report on a tenant: at most 69 characters, of 253.
pub fn report(tenant: &str) -> String {
    format!("{MANAGER}-{tenant}")
}

/// Returns the name of the grant for a tenant's routes to shared applications, in the applications' namespace.
pub fn grant(tenant: &str) -> String {
    format!("{MANAGER}-{tenant}")
}

/// Returns the name of the policy that lets a tenant's pods in to a shared application, in the application's namespace. A tenant's name has no dot, so no
/// two tenants have the same.
pub fn application_policy(tenant: &str, service: &str) -> String {
    format!("{MANAGER}-{tenant}.{service}")
}

/// A tenant's name is a DNS label of at most this many characters, so that `<tenant>-<namespace>` fits 63.
pub const MAX_TENANT_NAME: usize = 53;

/// The name of a further namespace of a tenant.
pub fn namespace(tenant: &str, name: &str) -> String {
    format!("{tenant}-{name}")
}

/// Returns true if this namespace can hold this object of the tenant: none, one that is named after the tenant, or any for a claim. Objects that others mark
/// elsewhere are none of ours, and must not fill our memory.
pub fn may_hold(tenant: &str, namespace: &str, name: &str) -> bool {
    let after = namespace.strip_prefix(tenant);
    namespace.is_empty() || is_claim(name) || after.is_some_and(|rest| rest.is_empty() || rest.starts_with('-'))
}

/// The ConfigMap that carries a tenant's configuration into its workloads, and its volume there.
pub const CONFIGURATION: &str = "tenant-configuration";

/// The Secret that opens a tenant's database, and its volume in workloads.
pub const DATABASE_SECRET: &str = "tenant-database";
/// Its entry, and libpq's variable, that says which requests of a server are answered.
pub const REQUIRE_AUTH: &str = "PGREQUIREAUTH";
/// Its entry, and libpq's variable, with the oldest version of TLS.
pub const MIN_TLS: &str = "PGSSLMINPROTOCOLVERSION";
/// The Secret with a tenant's API keys, by client.
pub const API_KEYS_SECRET: &str = "tenant-api-keys";

/// The Secret with the key that a tenant signs tokens with, and its volume in workloads.
pub const SIGNING_KEY_SECRET: &str = "tenant-signing-key";
/// The ConfigMap with the public keys that go with it, and the entry that they are in.
pub const JWKS: &str = "tenant-jwks";
pub const JWKS_FILE: &str = "jwks.json";
/// The Secret with the keys that a tenant encrypts data with, and its volume in workloads.
pub const ENCRYPTION_KEY_SECRET: &str = "tenant-encryption-key";

/// The clients under which an API key opens: its own name, and while the key before it works too, that one's.
pub fn api_key_clients(key: &str) -> [String; 2] {
    [key.to_string(), format!("{key}.previous")]
}

/// Maximum number of API keys.
pub const MOST_API_KEYS: usize = 16;

/// The Secrets with one API key each, for gateways that want such: the key, and the one before it.
pub fn api_key_secrets(slot: usize) -> [String; 2] {
    let name = format!("tenant-api-key-{slot}");
    let former = format!("{name}-former");
    [name, former]
}

/// Prefix of the names of cert-manager's Secrets for the operator's certificates.
const CERTIFICATE_SECRETS: &str = "tenant-certificate-";

/// The Secret with the certificate of these hosts, the first of which no other certificate has.
pub fn certificate_secret(first_host: &str) -> String {
    format!("{CERTIFICATE_SECRETS}{}", &digest(first_host.as_bytes())[..16])
}

/// Returns true if the operator gives this name to a Secret in a tenant's namespace.
pub fn is_own_secret(name: &str) -> bool {
    let slots = || (1..=MOST_API_KEYS).flat_map(api_key_secrets);
    [DATABASE_SECRET, API_KEYS_SECRET].contains(&name)
        || name.starts_with(CERTIFICATE_SECRETS)
        || slots().any(|own| own == name)
}

/// The client under which the key opens that will take an API key's place.
pub fn api_key_next(key: &str) -> String {
    format!("{key}.next")
}

/// Folder of bindings in a workload's containers, each in a folder of its own.
pub const BINDINGS: &str = "/bindings";
/// The kind of the claim that says where a tenant's data is.
pub const DATABASE_CLAIM: &str = "database";

/// The kind of the claim on a tenant's id, and of that on a host.
pub const ID_CLAIM: &str = "id";
pub const HOST_CLAIM: &str = "host";

/// The kind of the claim that is the book of a tenant's quota.
pub const QUOTA_CLAIM: &str = "quota";

/// Returns true if an object of this name, in the operator's namespace, is a claim.
pub fn is_claim(name: &str) -> bool {
    name.starts_with("claim-")
}

/// Returns the name of the claim on `value`, which must be normalised: the same value has the same name for every tenant.
pub fn claim(kind: &str, value: &str) -> String {
    claim_prefix(kind) + &digest(value.as_bytes())
}

/// Returns the prefix of the names of all claims of a kind.
pub fn claim_prefix(kind: &str) -> String {
    format!("claim-{kind}-")
}

/// The first 160 bits of SHA-256, in hexadecimal.
pub fn digest(bytes: &[u8]) -> String {
    hexadecimal(Sha256::digest(bytes).iter().take(20))
}

/// SHA-256 of a text, as container images are named by: `sha256:<hex>`.
pub fn sha256(text: impl AsRef<str>) -> String {
    format!("sha256:{}", hexadecimal(Sha256::digest(text.as_ref()).iter()))
}

fn hexadecimal<'a>(bytes: impl Iterator<Item = &'a u8>) -> String {
    bytes.map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_holds_what_is_in_namespaces_of_its_name_and_its_claims() {
        for (namespace, name, holds) in [
            ("", "acme", true),
            ("acme", "web", true),
            ("acme-staging", "web", true),
            ("operator", "claim-id-0123", true),
            ("acmes", "web", false),
            ("other", "web", false),
        ] {
            assert_eq!(may_hold("acme", namespace, name), holds, "{namespace}/{name}");
        }
    }
}
