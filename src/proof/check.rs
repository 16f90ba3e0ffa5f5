//! The checks of isolation: the protected objects, the attempt, and the control that shows that it can fail.

/// The severity of a failed check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// A tenant can read or change another tenant's objects.
    Critical,
    /// One of several protections fails.
    High,
}

impl Severity {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Critical => "Critical",
            Self::High => "High",
        }
    }
}

/// One check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Check {
    /// Its name in conditions, metrics and documents.
    pub id: &'static str,
    pub severity: Severity,
    /// The protected objects.
    pub protects: &'static str,
    /// The attempt.
    pub tried: &'static str,
    /// The control, which shows each time that the check could fail.
    pub control: &'static str,
}

pub const API_ACCESS: Check = Check {
    id: "api-access",
    severity: Severity::Critical,
    protects: "the objects of other tenants, of the operator, and of the cluster as a whole, from the tenant's owners and ServiceAccounts",
    tried: "the operator resolves every Role, ClusterRole and binding for every owner and ServiceAccount, and confirms access beyond the tenant by a SubjectAccessReview as that identity; it also reviews, a few each second, every verb on every resource and subresource, in other tenants' namespaces and everywhere, regardless of RBAC",
    control: "the API server allows a SubjectAccessReview that it must allow",
};

pub const DATABASE_ACCESS: Check = Check {
    id: "database-access",
    severity: Severity::Critical,
    protects: "the schemas, databases, tables, roles and rows of other tenants on the same server",
    tried: "the operator logs in with the tenant's own credentials, reads from the catalog the login's privileges on all objects of others, and tries to write into another tenant's schema",
    control: "the catalog confirms the login's privileges on the tenant's own schema or database",
};

pub const NETWORK_ACCESS: Check = Check {
    id: "network-access",
    severity: Severity::Critical,
    protects: "the pods of other tenants, the operator, the API server, the node, addresses that the platform lists, and shared applications that its tier does not open, from the tenant's pods",
    tried: "a short-lived pod in each of the tenant's namespaces dials, TCP and UDP, a listening pod in another tenant's namespace, the operator's pod, the API server, its node's kubelet, the cloud's metadata address, addresses that the platform lists, and shared applications; it skips targets that the tenant's spec or tier allows. It drops all capabilities, and tries to open raw sockets",
    control: "the same pod reaches the cluster's DNS, TCP and UDP, before and after; the listening pod passes its kubelet's probe",
};

pub const NETWORK_POLICIES: Check = Check {
    id: "network-policies",
    severity: Severity::High,
    protects: "the network policies of the tenant, which any further NetworkPolicy can open",
    tried: "the operator evaluates every other NetworkPolicy in the tenant's namespaces against all other tenants' namespaces and the cluster's addresses",
    control: "the evaluation includes a sample policy that allows all traffic, and finds it",
};

pub const ADMISSION: Check = Check {
    id: "admission",
    severity: Severity::High,
    protects: "the limits of a tenant's pods and objects: Pod Security and the chart's admission policies",
    tried: "with the rights of the tenant's users, the examiner tries by dry-run in each of its namespaces: a privileged container, a folder of the node, a named node, a toleration of every taint, a container that keeps `NET_RAW`, Services with external IPs, of type ExternalName and NodePort, a volume by its name, a NetworkPolicy and a RoleBinding for everybody, forged marks, an Ingress for a foreign host, an image of a foreign registry; the responsible policy must refuse each, and also any request without dry-run",
    control: "the API server accepts a ConfigMap",
};

pub const QUOTA: Check = Check {
    id: "quota",
    severity: Severity::High,
    protects: "the other tenants' share of the cluster",
    tried: "the examiner tries a pod, or a claim, that requests one more than the namespace's quota, by dry-run in each of the tenant's namespaces; that quota must refuse it",
    control: "the API server accepts a ConfigMap",
};

pub const ENDPOINTS: Check = Check {
    id: "endpoints",
    severity: Severity::High,
    protects: "the pods of other tenants, and the operator's, from gateways that would serve them under the tenant's Services",
    tried: "the operator compares every EndpointSlice in the tenant's namespaces that Kubernetes did not create from a Service's selector with the addresses of the pods behind all other tenants' Services, and with the pods that it names",
    control: "the comparison includes two sample slices from one tenant to another, and finds them",
};

/// All checks.
pub const ALL: &[Check] = &[
    API_ACCESS,
    DATABASE_ACCESS,
    NETWORK_ACCESS,
    NETWORK_POLICIES,
    ENDPOINTS,
    ADMISSION,
    QUOTA,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_has_every_check() {
        let document = include_str!("../../docs/isolation.md");
        for check in ALL {
            let line = format!(
                "| `{}` | {} | {} | {} | {} |",
                check.id,
                check.severity.as_str(),
                check.protects,
                check.tried,
                check.control
            );
            assert!(
                document.lines().any(|row| row == line),
                "docs/isolation.md lacks: {line}"
            );
        }
        let rows = document
            .lines()
            .filter(|row| row.starts_with("| `") && (row.contains("| Critical |") || row.contains("| High |")))
            .count();
        assert_eq!(rows, ALL.len(), "a check that there is not");
    }
}
