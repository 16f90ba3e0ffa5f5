//! The reasons of conditions: a public interface, listed in docs/conditions.md.

/// A reason, and what docs/conditions.md says of it.
#[derive(Clone, Copy, Debug)]
pub struct Reason {
    /// One word for the condition.
    pub word: &'static str,
    /// The conditions that have it.
    pub conditions: &'static str,
    pub meaning: &'static str,
    /// What an administrator does about it.
    pub action: &'static str,
}

macro_rules! reasons {
    ($($name:ident $word:literal $conditions:literal $meaning:literal $action:literal)*) => {
        $(pub const $name: &str = $word;)*

        /// All of them.
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
    SUSPENDED "Suspended" "Ready, WorkloadsAvailable, DatabaseReady, GatewayReady"
        "the tenant is suspended, as its spec asks; all data is kept" "nothing, or take `spec.suspend` back"
    QUARANTINED "Quarantined" "Ready, Stalled, WorkloadsAvailable, DatabaseReady, GatewayReady"
        "a check found that the tenant reaches another, and its tier asks for quarantine" "close what `Isolated` names; the quarantine ends by itself"
    PROGRESSING "Progressing" "Ready, Reconciling and every …Ready"
        "the operator goes on by itself; the message says what it waits for" "wait"
    DATABASE_NOT_READY "DatabaseNotReady" "Ready, Reconciling, Stalled"
        "the namespaces are in place, the database is not" "see `DatabaseReady`"
    CREDENTIALS_NOT_READY "CredentialsNotReady" "Ready, Stalled, WorkloadsAvailable"
        "the namespaces are in place, the tenant's own keys are not" "see `CredentialsReady`"
    GATEWAY_NOT_READY "GatewayNotReady" "Ready, Reconciling, Stalled"
        "all else is in place, the way in is not" "see `GatewayReady`"
    WORKLOADS_UNAVAILABLE "WorkloadsUnavailable" "Ready, Stalled, WorkloadsAvailable"
        "a workload's pods do not run; the message ends with Kubernetes' own words" "see the pods and the namespace's quota"
    TIER_NOT_FOUND "TierNotFound" "Ready, Stalled and every …Ready"
        "the TenantTier does not exist, or not any more; what ran before still runs" "create the tier, or name another one"
    INVALID_TIER "InvalidTier" "Ready, Stalled and every …Ready"
        "the TenantTier has a field that cannot be read; what ran before still runs" "correct the field of the tier that the message names"
    INVALID_SPEC "InvalidSpec" "Ready, Stalled and every …Ready"
        "the message lists every field that is wrong; what ran before still runs" "correct the Tenant, or the tier where the message says `spec.tier:`"
    TERMINATING "Terminating" "Ready, Reconciling"
        "the tenant is being deleted; the message names what is left" "wait"
    DRAIN_BLOCKED "DrainBlocked" "Ready, Reconciling"
        "the deletion has made no progress for a minute; the message names what holds it up" "remove the cause, such as a finalizer"
    CONFLICT "Conflict" "Ready, Stalled, DatabaseReady"
        "a name, id or host belongs to another tenant, or to nobody that the operator knows" "choose another one, remove the object, or reclaim it by `spec.id`"
    CAPTURES_NAMES "CapturesNames" "Ready, Stalled and every …Ready"
        "a namespace's name would capture DNS names that others use; nothing more is made there" "choose another name"
    IDLE "Idle" "Reconciling, Stalled"
        "the condition is False: nothing is in progress, nothing is stalled" "nothing"
    NO_WORKLOADS "NoWorkloads" "WorkloadsAvailable"
        "the tenant has no workloads" "nothing"
    API_CONFLICT "ApiConflict" "Ready, Reconciling"
        "others change the same object each time" "find who writes it besides the operator"
    API_FORBIDDEN "ApiForbidden" "Ready, Stalled"
        "the API server refuses a write for want of rights, or by a policy" "compare the rights with the chart's; see the message"
    API_INVALID "ApiInvalid" "Ready, Stalled"
        "the API server refuses an object; the message is its own" "correct the field that the message names"
    API_THROTTLED "ApiThrottled" "Ready, Reconciling"
        "the API server has too many requests" "wait; see its priority and fairness"
    API_TIMEOUT "ApiTimeout" "Ready, Reconciling"
        "the API server does not answer in time" "see the API server"
    API_UNAVAILABLE "ApiUnavailable" "Ready, Reconciling"
        "the API server cannot be reached, or fails" "see the API server, and webhooks that it calls"
    API_OTHER "ApiOther" "Ready, Reconciling"
        "the API server answers otherwise than expected; the message has it" "see the message"
    INTERNAL "Internal" "Ready, Reconciling"
        "the operator has a bug" "report it, with the operator's log"
    NO_SERVER "NoServer" "DatabaseReady"
        "no DatabaseServer takes the tenant; the message has the reason of each" "add a server, or change the tier's selector"
    SERVER_NOT_FOUND "ServerNotFound" "DatabaseReady"
        "the DatabaseServer that has the tenant's data does not exist" "create it again"
    SERVER_UNKNOWN "ServerUnknown" "DatabaseReady"
        "the operator has just begun, and has not looked at the server yet" "wait"
    SERVER_BUSY "ServerBusy" "DatabaseReady; Ready of a DatabaseServer"
        "the server has no connection left, or takes long with other tenants" "wait; see its `max_connections`"
    SERVER_UNREACHABLE "ServerUnreachable" "DatabaseReady; Ready and Reachable of a DatabaseServer"
        "the server cannot be reached, or its certificate is not trusted" "see the server, the network policy and `spec.tls`"
    SERVER_TIMEOUT "ServerTimeout" "DatabaseReady; Ready and Reachable of a DatabaseServer"
        "the server does not answer in time" "see the server"
    AUTHENTICATION_FAILED "AuthenticationFailed" "DatabaseReady; Ready and Reachable of a DatabaseServer"
        "the server refuses the operator's login" "see the Secret of `spec.adminSecretRef` and `pg_hba.conf`"
    HOST_CAPTURED "HostCaptured" "DatabaseReady; Ready and Reachable of a DatabaseServer"
        "in the cluster a tenant's namespace can answer for the host, and the certificate is not verified against the host: the operator does not connect, and gives nobody the host" "set `spec.tls.mode` to VerifyFull, or name the server otherwise"
    CLEARTEXT_PASSWORD "CleartextPassword" "DatabaseReady; Ready and Reachable of a DatabaseServer"
        "the server asks for the password in clear, and has not shown who it is" "verify its certificate (`spec.tls.mode`), or let it use SCRAM"
    MD5_PASSWORD "Md5Password" "DatabaseReady; Ready and Reachable of a DatabaseServer"
        "the server asks for an MD5 digest of the password, and has not shown who it is" "verify its certificate (`spec.tls.mode`), or set the password anew with `password_encryption` as `scram-sha-256`"
    SERVER_READ_ONLY "ServerReadOnly" "DatabaseReady; Ready and Reachable of a DatabaseServer"
        "the server takes no writes, as a standby does" "name the primary"
    SERVER_REFUSED "ServerRefused" "DatabaseReady; Ready and Reachable of a DatabaseServer"
        "the server refuses a statement, which the message shows with its SQLSTATE" "see the message"
    ANOTHER_SERVER "AnotherServer" "DatabaseReady; Ready and Reachable of a DatabaseServer"
        "another server answers under this host, or the operator's records on it are gone" "name the right server, or restore the records"
    INVALID_SERVER "InvalidServer" "DatabaseReady; Ready and Reachable of a DatabaseServer"
        "the DatabaseServer's own settings make no sense or cannot be read, or its Secret lacks something" "see the message"
    INSUFFICIENT_PRIVILEGE "InsufficientPrivilege" "Ready of a DatabaseServer"
        "the operator's role lacks CREATEROLE or another right" "execute what `tenant-operator database-script` prints"
    IN_USE "InUse" "Ready of a DatabaseServer"
        "the DatabaseServer is being deleted, and tenants are on it" "delete or move its tenants"
    FULL "Full" "Ready of a DatabaseServer"
        "the server has as many tenants as `spec.capacity.maxTenants`" "add a server, or raise the capacity"
    REACHABLE "Reachable" "Reachable of a DatabaseServer"
        "the server answers" "nothing"
    CLOSED "Closed" "Hardened of a DatabaseServer"
        "nothing is open that the operator knows to close" "nothing"
    OPEN "Open" "Hardened of a DatabaseServer"
        "the server lets every role do what the message names" "execute what `tenant-operator database-script` prints"
    SUFFICIENT "Sufficient" "LeastPrivilege of a DatabaseServer"
        "the operator's role can do what it needs, and no more" "nothing"
    EXCESSIVE "Excessive" "LeastPrivilege of a DatabaseServer"
        "the operator's role can do more than it needs" "give it a role of its own with CREATEROLE and CREATEDB"
    CONNECTIONS_RESERVED "Reserved" "ConnectionsReserved of a DatabaseServer"
        "tenants that are logged in cannot take the operator's connections" "nothing"
    CONNECTIONS_SHARED "Shared" "ConnectionsReserved of a DatabaseServer"
        "others can use up the connections that the operator needs; the message says how" "set the parameters that the message names"
    PROTECTED "Protected" "SharedTablesProtected of a DatabaseServer"
        "row-level security holds on all shared tables" "nothing"
    UNPROTECTED "Unprotected" "SharedTablesProtected of a DatabaseServer"
        "a shared table lets a tenant reach another's rows" "see the message"
    NO_SHARED_TABLES "NoSharedTables" "DatabaseReady"
        "the DatabaseServer names no shared tables any more" "put them back into `spec.sharedTables`"
    NOT_REGISTERED "NotRegistered" "DatabaseReady"
        "the registry of the shared tables does not have the tenant yet" "wait"
    LOGIN_FAILED "LoginFailed" "DatabaseReady"
        "all is in place, and the credentials in the Secret do not open it" "see the server's `pg_hba.conf`"
    STORAGE_LIMIT_REACHED "StorageLimitReached" "DatabaseReady"
        "the tier's `maxStorage` is used up" "delete data, or raise the limit"
    UNMENDED "Unmended" "DatabaseReady"
        "the server took a statement with a warning and changed nothing" "execute the statement of the message as a superuser"
    ROTATION_WAITS "RotationWaits" "DatabaseReady"
        "a rotation is asked for, and waits until the former credentials end" "wait"
    EXTENSION_NOT_ALLOWED "ExtensionNotAllowed" "DatabaseReady"
        "`spec.extensions` of the DatabaseServer does not have the extension" "add it there, or take it from the tenant"
    ENCRYPTION_KEY_LOST "EncryptionKeyLost" "CredentialsReady"
        "the Secret lacks a key that the status names; no other key reads that data" "restore the Secret, or give the key up by the annotation"
    ROTATION_STOPPED "RotationStopped" "CredentialsReady"
        "there are as many encryption keys as one Secret takes" "give up keys that no data needs"
    UNSUPPORTED "Unsupported" "GatewayReady"
        "the gateway cannot do what the message names, or the cluster lacks the kinds for it; all else is in force" "change the field that the message names"
    NOT_ACCEPTED "NotAccepted" "GatewayReady"
        "the gateway refuses an object; the message is its own" "see the message"
    CERTIFICATE_NOT_READY "CertificateNotReady" "GatewayReady"
        "cert-manager could not issue a certificate, or not renew it in time" "see the Certificate; `cmctl renew` tries at once"
    GATEWAY_NOT_PROGRAMMED "GatewayNotProgrammed" "GatewayReady"
        "the platform's Gateway serves nobody, or does not exist" "see the Gateway"
    NOBODY_ADMITTED "NobodyAdmitted" "GatewayReady"
        "a route requires a role or permission that the tier lacks, and lets nobody in" "add it to the tier, or change the route"
    NO_SUCH_APPLICATION "NoSuchApplication" "GatewayReady"
        "a route leads to an application that the tier lacks, and is answered 503" "add it to the tier, or change the route"
    NO_SUCH_ROLE "NoSuchRole" "GatewayReady"
        "an API key or a route names a role that the tier lacks" "add it to the tier, or change the key or route"
    PROVEN "Proven" "Isolated"
        "every check was tried and found nothing" "nothing"
    VIOLATED "Violated" "Isolated"
        "a check found that the tenant reaches another, or is reached" "close what the message names"
    UNTRIED "Untried" "Isolated"
        "a check could not be tried, or not yet; the message says why" "see the message"
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
