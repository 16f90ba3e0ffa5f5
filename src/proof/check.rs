//! The checks: what each protects, how it is tried, and what shows that it can fail.

/// How bad it is when a check fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// A tenant can read or change what is another's.
    Critical,
    /// One wall of several is down.
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
    /// What it protects.
    pub protects: &'static str,
    /// How it is tried.
    pub tried: &'static str,
    /// What shows, each time, that it could fail.
    pub control: &'static str,
}

pub const API_ACCESS: Check = Check {
    id: "api-access",
    severity: Severity::Critical,
    protects: "the objects of other tenants, of the operator, and of the cluster as a whole, from the tenant's owners and ServiceAccounts",
    tried: "every Role, ClusterRole and binding is resolved for every owner and ServiceAccount; what reaches beyond the tenant is asked of the API server by a SubjectAccessReview as that identity; and, a few each second, so is every verb on every resource and subresource, in other tenants' namespaces and everywhere, whatever RBAC says",
    control: "a SubjectAccessReview that must be allowed is",
};

pub const DATABASE_ACCESS: Check = Check {
    id: "database-access",
    severity: Severity::Critical,
    protects: "the schemas, databases, tables, roles and rows of other tenants on the same server",
    tried: "logged in with the tenant's own credentials: what the catalog says this login may do with each object that is not its own, and a write into a neighbour's schema",
    control: "the same questions about the tenant's own schema or database are answered with yes",
};

pub const NETWORK_ACCESS: Check = Check {
    id: "network-access",
    severity: Severity::Critical,
    protects: "the pods of other tenants, the operator, the API server, the node and what the platform names, from the tenant's pods",
    tried: "a short-lived pod in each of the tenant's namespaces dials, TCP and UDP, a pod that listens in another tenant's, the operator's pod, the API server, its node's kubelet, the cloud's metadata address, and addresses that the platform names; what the tenant's spec lets it reach is left out. It drops all capabilities, and tries to open raw sockets",
    control: "the same pod reaches the cluster's DNS, TCP and UDP, before and after; the pod that listens is seen to by its kubelet",
};

pub const NETWORK_POLICIES: Check = Check {
    id: "network-policies",
    severity: Severity::High,
    protects: "the wall around the tenant's pods, which any further NetworkPolicy opens",
    tried: "every NetworkPolicy in the tenant's namespaces that is not the operator's is evaluated against all other tenants' namespaces and the cluster's addresses",
    control: "a policy that lets everybody in, which is nowhere written, is judged with them and found",
};

pub const ADMISSION: Check = Check {
    id: "admission",
    severity: Severity::High,
    protects: "what keeps a tenant's pods and objects within its namespaces: Pod Security and the chart's admission policies",
    tried: "as somebody with the rights of the tenant's people, by dry-run in each of its namespaces: a privileged container, a folder of the node, a named node, a toleration of every taint, a container that keeps `NET_RAW`, Services with external IPs, of type ExternalName and NodePort, a volume by its name, a NetworkPolicy and a RoleBinding for everybody, forged marks, an Ingress for a host that is nobody's, an image of a foreign registry; each must be refused by the policy that is there for it, and so must whatever is more than a try",
    control: "a ConfigMap is let through",
};

pub const QUOTA: Check = Check {
    id: "quota",
    severity: Severity::High,
    protects: "the other tenants' share of the cluster",
    tried: "a pod, else a claim, that asks for one more than the namespace's quota has, by dry-run in each of the tenant's namespaces; it must be refused by that quota",
    control: "a ConfigMap is let through",
};

pub const ENDPOINTS: Check = Check {
    id: "endpoints",
    severity: Severity::High,
    protects: "the pods of other tenants, and the operator's, from being served under the tenant's Services by whoever trusts both",
    tried: "every EndpointSlice in the tenant's namespaces that Kubernetes did not make by a Service's selector is compared with the addresses of the pods behind all other tenants' Services, and with the pods that it names",
    control: "two slices that lead from one tenant to another, which are nowhere written, are judged and found",
};

/// All of them.
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
