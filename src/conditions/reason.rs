//! The reasons of conditions: a public interface, listed in docs/conditions.md.

/// A reason, with its row in docs/conditions.md.
#[derive(Clone, Copy, Debug)]
pub struct Reason {
    /// One word for the condition.
    pub word: &'static str,
    /// The conditions with this reason.
    pub conditions: &'static str,
    pub meaning: &'static str,
    /// Action for an administrator.
    pub action: &'static str,
}

macro_rules! reasons {
    ($($name:ident $word:literal $conditions:literal $meaning:literal $action:literal)*) => {
        $(pub const $name: &str = $word;)*

        /// All reasons.
        pub const ALL: &[Reason] = &[$(Reason {
            word: $word,
            conditions: $conditions,
            meaning: $meaning,
            action: $action,
        }),*];
    };
}

reasons! {
    READY "Ready" "Ready and every …Ready, WorkloadsAvailable"
        "all resources are in the desired state" "nothing"
    SUSPENDED "Suspended" "Ready, WorkloadsAvailable, DatabaseReady, ApplicationsReady, GatewayReady"
        "`spec.suspend` of the tenant, or of the tenant above it that the message names, is set: no pod runs, and all data is kept" "nothing, or remove `spec.suspend`"
    QUARANTINED "Quarantined" "Ready, Stalled, WorkloadsAvailable, DatabaseReady, ApplicationsReady, GatewayReady"
        "a check found that the tenant reaches another, and its tier enables quarantine" "close the access that `Isolated` names; the quarantine then ends automatically"
    PROGRESSING "Progressing" "Ready, Reconciling and every …Ready"
        "the operator continues without action; the message names the object that it waits for" "wait"
    QUOTA_NOT_GRANTED "QuotaNotGranted" "Ready, Reconciling, Stalled"
        "a namespace waits for its share of the quota" "see `QuotaGranted`"
    WAITING_FOR_RELEASE "WaitingForRelease" "QuotaGranted"
        "a namespace waits for its share of the quota until another has released it; the message names both, and the amounts" "delete or scale down what uses it, or raise the quota"
    USED_ABOVE_QUOTA "UsedAboveQuota" "QuotaGranted"
        "a namespace uses more than its share, since the quota was lowered; everything runs on, and nothing more is admitted" "delete or scale down what uses it, or raise the quota"
    LENT_TO_SUBTENANTS "LentToSubtenants" "QuotaGranted"
        "the subtenants ask for the whole quota of some keys, so that a namespace has nothing of these" "lower the subtenants' quotas, or raise the tenant's"
    QUOTA_TOO_SMALL "QuotaTooSmall" "WorkloadsAvailable"
        "the declared workloads need more than the namespace's share of the quota; the message names workloads, keys and amounts" "raise the quota, or lower replicas and requests"
    DATABASE_NOT_READY "DatabaseNotReady" "Ready, Reconciling, Stalled"
        "the namespaces are ready, the database is not" "see `DatabaseReady`"
    APPLICATIONS_NOT_READY "ApplicationsNotReady" "Ready, Reconciling, Stalled"
        "the tenant's pods do not reach an application that its tier opens; everything else is in place" "see `ApplicationsReady`"
    CREDENTIALS_NOT_READY "CredentialsNotReady" "Ready, Stalled, WorkloadsAvailable"
        "the namespaces are ready, the tenant's keys are not" "see `CredentialsReady`"
    GATEWAY_NOT_READY "GatewayNotReady" "Ready, Reconciling, Stalled"
        "everything is ready except the gateway" "see `GatewayReady`"
    WORKLOADS_UNAVAILABLE "WorkloadsUnavailable" "Ready, Reconciling, Stalled, WorkloadsAvailable"
        "a workload's pods do not run; the message ends with Kubernetes' reason" "check the pods and the namespace's quota"
    TIER_NOT_FOUND "TierNotFound" "Ready, Stalled and every …Ready"
        "the TenantTier does not exist; existing workloads keep running" "create the tier, or name another one"
    PARENT_NOT_FOUND "ParentNotFound" "Ready, Stalled and every …Ready"
        "a Tenant above the subtenant, or its tier, does not exist or cannot be read; existing workloads keep running" "create what the message names, or correct its field"
    INVALID_TIER "InvalidTier" "Ready, Stalled and every …Ready"
        "the operator cannot read a field of the TenantTier; existing workloads keep running" "correct the field of the tier that the message names"
    INVALID_SPEC "InvalidSpec" "Ready, Stalled and every …Ready"
        "the message lists every invalid field; existing workloads keep running" "correct the Tenant, or the tier where the message says `spec.tier:`"
    TERMINATING "Terminating" "Ready, Reconciling, Stalled and every …Ready"
        "the operator is deleting the tenant, or an object that it needs has been terminating for a minute; the message names the object and what keeps it, or the subtenants that exist" "wait, or remove the finalizer, the pods or the subtenants that the message names"
    DRAIN_BLOCKED "DrainBlocked" "Ready, Stalled"
        "the deletion has made no progress for a minute; the message names the blocking object" "remove the cause, such as a finalizer"
    CONFLICT "Conflict" "Ready, Stalled, DatabaseReady"
        "a name, id, number or host belongs to another tenant, or to an object of unknown origin" "choose another one, remove the object, or reclaim it by `spec.id`"
    CAPTURES_NAMES "CapturesNames" "Ready, Stalled and every …Ready"
        "a namespace's name captures DNS names that others use; the operator creates nothing more in it" "choose another name"
    IMMUTABLE "Immutable" "Ready, Stalled, WorkloadsAvailable and every …Ready"
        "Kubernetes never changes the field or object that the message names" "correct the spec, or delete the object once its data is saved"
    CLAIM_KEPT "ClaimKept" "WorkloadsAvailable"
        "a claim is larger than the spec says, or cannot grow yet; the operator leaves it unchanged" "nothing, or correct the spec"
    IDLE "Idle" "Reconciling, Stalled"
        "the condition is False: nothing is in progress, nothing is stalled" "nothing"
    NO_WORKLOADS "NoWorkloads" "WorkloadsAvailable"
        "the tenant has no workloads" "nothing"
    API_CONFLICT "ApiConflict" "Ready, Reconciling"
        "other clients change the same object at every attempt" "find the client that writes it besides the operator"
    API_FORBIDDEN "ApiForbidden" "Ready, Stalled"
        "RBAC or an admission policy refuses a write" "compare the operator's rights with the chart's; see the message"
    API_INVALID "ApiInvalid" "Ready, Stalled"
        "the API server refuses an object, for the reason in the message" "correct the field that the message names"
    API_THROTTLED "ApiThrottled" "Ready, Reconciling"
        "the API server rejects requests because it has too many" "wait; check its priority and fairness settings"
    API_TIMEOUT "ApiTimeout" "Ready, Reconciling"
        "the API server does not answer in time" "check the API server"
    API_UNAVAILABLE "ApiUnavailable" "Ready, Reconciling"
        "the API server is unreachable or fails" "check the API server and its webhooks"
    API_OTHER "ApiOther" "Ready, Reconciling"
        "the API server gives an unexpected answer, which the message quotes" "see the message"
    INTERNAL "Internal" "Ready, Reconciling"
        "the operator has a bug" "report it, with the operator's log"
    NO_SERVER "NoServer" "DatabaseReady"
        "no DatabaseServer accepts the tenant; the message has the reason for each server" "add a server, or change the tier's selector"
    SERVER_NOT_FOUND "ServerNotFound" "DatabaseReady"
        "the DatabaseServer that has the tenant's data does not exist" "create it again"
    SERVER_UNKNOWN "ServerUnknown" "DatabaseReady"
        "the operator has just started, and has not checked the server yet" "wait"
    SERVER_BUSY "ServerBusy" "DatabaseReady; Ready of a DatabaseServer"
        "the server has no connection left, or is busy with other tenants" "wait; check its `max_connections`"
    SERVER_UNREACHABLE "ServerUnreachable" "DatabaseReady; Ready and Reachable of a DatabaseServer"
        "the server is unreachable, or the operator does not trust its certificate" "check the server, the network policy and `spec.tls`"
    SERVER_TIMEOUT "ServerTimeout" "DatabaseReady; Ready and Reachable of a DatabaseServer"
        "the server does not answer in time" "check the server"
    AUTHENTICATION_FAILED "AuthenticationFailed" "DatabaseReady; Ready and Reachable of a DatabaseServer"
        "the server refuses the operator's login" "check the Secret of `spec.adminSecretRef` and `pg_hba.conf`"
    HOST_CAPTURED "HostCaptured" "DatabaseReady; Ready and Reachable of a DatabaseServer"
        "in the cluster a tenant's namespace can answer for the host, and the certificate is not verified against the host: the operator does not connect, and gives nobody the host" "set `spec.tls.mode` to VerifyFull, or name the server otherwise"
    CLEARTEXT_PASSWORD "CleartextPassword" "DatabaseReady; Ready and Reachable of a DatabaseServer"
        "the server asks for the password in clear text and has not proved its identity" "set `spec.tls.mode` so that the operator verifies its certificate, or let it use SCRAM"
    MD5_PASSWORD "Md5Password" "DatabaseReady; Ready and Reachable of a DatabaseServer"
        "the server asks for an MD5 digest of the password, and has not shown who it is" "verify its certificate (`spec.tls.mode`), or set the password anew with `password_encryption` as `scram-sha-256`"
    SERVER_READ_ONLY "ServerReadOnly" "DatabaseReady; Ready and Reachable of a DatabaseServer"
        "the server accepts no writes, as a standby" "set the host of the primary"
    SERVER_REFUSED "ServerRefused" "DatabaseReady; Ready and Reachable of a DatabaseServer"
        "the server refuses a statement, which the message shows with its SQLSTATE" "see the message"
    ANOTHER_SERVER "AnotherServer" "DatabaseReady; Ready and Reachable of a DatabaseServer"
        "another server answers under this host, or the operator's records on it are gone" "name the right server, or restore the records"
    INVALID_SERVER "InvalidServer" "DatabaseReady; Ready and Reachable of a DatabaseServer"
        "the DatabaseServer has invalid or unreadable settings, or its Secret lacks a key" "see the message"
    INSUFFICIENT_PRIVILEGE "InsufficientPrivilege" "Ready of a DatabaseServer"
        "the operator's role lacks CREATEROLE or another right" "execute what `tenant-operator database-script` prints"
    IN_USE "InUse" "Ready of a DatabaseServer"
        "the DatabaseServer is being deleted, but still has tenants" "delete or move its tenants"
    FULL "Full" "Ready of a DatabaseServer"
        "the server has as many tenants as `spec.capacity.maxTenants`" "add a server, or raise the capacity"
    REACHABLE "Reachable" "Reachable of a DatabaseServer"
        "the server answers" "nothing"
    CLOSED "Closed" "Hardened of a DatabaseServer"
        "the operator found no privilege that it should close" "nothing"
    OPEN "Open" "Hardened of a DatabaseServer"
        "every role has the privileges that the message names" "execute what `tenant-operator database-script` prints"
    SUFFICIENT "Sufficient" "LeastPrivilege of a DatabaseServer"
        "the operator's role has the privileges that it needs, and no more" "nothing"
    EXCESSIVE "Excessive" "LeastPrivilege of a DatabaseServer"
        "the operator's role has more privileges than it needs" "give it a role of its own with CREATEROLE and CREATEDB"
    CONNECTIONS_RESERVED "Reserved" "ConnectionsReserved of a DatabaseServer"
        "tenants cannot use up the connections that the operator needs" "nothing"
    CONNECTIONS_SHARED "Shared" "ConnectionsReserved of a DatabaseServer"
        "other roles can use up the connections that the operator needs" "set the parameters that the message names"
    PROTECTED "Protected" "SharedTablesProtected of a DatabaseServer"
        "row-level security protects all shared tables" "nothing"
    UNPROTECTED "Unprotected" "SharedTablesProtected of a DatabaseServer"
        "a shared table lets a tenant reach another's rows" "see the message"
    NO_SHARED_TABLES "NoSharedTables" "DatabaseReady"
        "the DatabaseServer has no shared tables any more" "restore `spec.sharedTables`"
    NOT_REGISTERED "NotRegistered" "DatabaseReady"
        "the registry of the shared tables does not contain the tenant or its details yet" "wait; see the message"
    LOGIN_FAILED "LoginFailed" "DatabaseReady"
        "the database is ready, but the credentials in the Secret do not log in" "check the server's `pg_hba.conf`"
    STORAGE_LIMIT_REACHED "StorageLimitReached" "DatabaseReady"
        "the tier's `maxStorage` is used up" "delete data, or raise the limit"
    UNMENDED "Unmended" "DatabaseReady"
        "the server accepted a statement with a warning, without effect" "execute the statement of the message as a superuser"
    SCHEMA_LOST "SchemaLost" "DatabaseReady"
        "within the last hour somebody dropped the tenant's schema, and the operator made an empty one" "restore the data from a backup"
    DATABASE_LOST "DatabaseLost" "DatabaseReady"
        "within the last hour somebody dropped the tenant's database, and the operator made an empty one" "restore the data from a backup"
    ROTATION_WAITS "RotationWaits" "DatabaseReady"
        "a requested rotation waits until the former credentials expire" "wait"
    APPLICATION_ROLE_REFUSED "ApplicationRoleRefused" "DatabaseReady"
        "the login of a shared application does not exist, or reaches more than one tenant at once; the credentials and all else are as asked" "change the login as the message says"
    EXTENSION_NOT_ALLOWED "ExtensionNotAllowed" "DatabaseReady"
        "`spec.extensions` of the DatabaseServer lacks the extension; the credentials and all else are as asked" "add it there, or remove it from the tenant"
    EXTENSION_NOT_INSTALLED "ExtensionNotInstalled" "DatabaseReady"
        "the server lacks the extension, or one that it requires, or refuses it; the credentials and all else are as asked" "install its files on the server, name what it requires, or remove it from the tenant"
    ENCRYPTION_KEY_LOST "EncryptionKeyLost" "CredentialsReady"
        "the Secret lacks a key that the status names, and its data is unreadable without that key" "restore the Secret, or give the key up with the annotation"
    ROTATION_STOPPED "RotationStopped" "CredentialsReady"
        "the Secret has the maximum number of encryption keys" "give up keys that no data needs"
    UNSUPPORTED "Unsupported" "GatewayReady"
        "the gateway lacks a feature that the message names, or the cluster lacks its kinds; all other settings apply" "change the field that the message names"
    NOT_ACCEPTED "NotAccepted" "GatewayReady"
        "the gateway refuses an object, for the reason in the message" "see the message"
    CERTIFICATE_NOT_READY "CertificateNotReady" "GatewayReady"
        "cert-manager failed to issue a certificate, or to renew it in time" "check the Certificate; `cmctl renew` retries immediately"
    GATEWAY_NOT_PROGRAMMED "GatewayNotProgrammed" "GatewayReady"
        "the platform's Gateway is not programmed, or does not exist" "check the Gateway"
    NOBODY_ADMITTED "NobodyAdmitted" "GatewayReady"
        "a route requires a role or permission that the tier lacks, and admits nobody" "add it to the tier, or change the route"
    NO_SUCH_APPLICATION "NoSuchApplication" "GatewayReady"
        "a route leads to an application that the tier lacks; the gateway answers with 503" "add it to the tier, or change the route"
    NO_SUCH_ROLE "NoSuchRole" "GatewayReady"
        "an API key or a route names a role that the tier lacks" "add it to the tier, or change the key or route"
    NO_SUCH_SERVICE "NoSuchService" "ApplicationsReady"
        "the Service of an application that the tier opens to pods does not exist; its policies are gone" "create it, or change the tier"
    UNSUITABLE_SERVICE "UnsuitableService" "ApplicationsReady"
        "the Service of an application lacks a selector or the port, so that no NetworkPolicy can name its pods" "correct the Service, or the tier's port"
    UNRESTRICTED_PODS "UnrestrictedPods" "ApplicationsReady"
        "no NetworkPolicy of the platform restricts ingress to an application's pods: one for tenants would cut off all their other clients" "restrict their ingress by a NetworkPolicy that admits their other clients"
    PROVEN "Proven" "Isolated"
        "every check ran and found nothing" "nothing"
    VIOLATED "Violated" "Isolated"
        "a check found that the tenant reaches another tenant, or the other way round" "close the access that the message names"
    UNTRIED "Untried" "Isolated"
        "a check has not run, for the reason in the message" "see the message"
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    /// docs/conditions.md's table, as it should be.
    fn table() -> String {
        let rows = ALL.iter().map(|reason| {
            let Reason {
                word,
                conditions,
                meaning,
                action,
            } = reason;
            format!("| `{word}` | {conditions} | {meaning} | {action} |\n")
        });
        let head = "| reason | conditions | meaning | action |\n|---|---|---|---|\n";
        head.to_string() + &rows.collect::<String>()
    }

    #[test]
    fn the_document_has_every_reason() {
        let document = include_str!("../../docs/conditions.md");
        assert!(
            document.contains(&table()),
            "docs/conditions.md should have:\n{}",
            table()
        );
    }

    #[test]
    fn reasons_are_constants() {
        let mut wrong = Vec::new();
        for (path, text) in crate::layers_test::sources() {
            let product = crate::layers_test::product(&text);
            let lines = product.lines().filter(|line| !line.trim_start().starts_with("//"));
            for line in lines {
                let calls = ["reason: ", "Note::new(", "stalled(", "progressing(", "away("];
                let rest = calls
                    .iter()
                    .filter_map(|call| line.split(call).nth(1))
                    .map(str::trim_start);
                let is_word =
                    |rest: &str| rest.starts_with('"') && rest[1..].starts_with(|c: char| c.is_ascii_uppercase());
                // An Event's reason is text of its own.
                if rest.into_iter().any(|rest| is_word(rest) && !rest.contains(".into()")) {
                    wrong.push(format!("{}: {}", path.display(), line.trim()));
                }
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }

    #[test]
    fn a_reason_is_one_word_in_camel_case_and_is_there_once() {
        let mut words = BTreeSet::new();
        for reason in ALL {
            assert!(words.insert(reason.word), "{} is there twice", reason.word);
            assert!(
                reason.word.starts_with(|c: char| c.is_ascii_uppercase()),
                "{}",
                reason.word
            );
            assert!(
                reason.word.chars().all(|c| c.is_ascii_alphanumeric()),
                "{}",
                reason.word
            );
        }
    }
}
