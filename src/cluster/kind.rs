//! The kinds of object that a tenant's environment is made of.

use crate::api::TenantView;
use k8s_openapi::api::{
    apps::v1::Deployment,
    autoscaling::v2::HorizontalPodAutoscaler,
    core::v1::{
        ConfigMap, LimitRange, Namespace, PersistentVolumeClaim, ResourceQuota, Secret, Service, ServiceAccount,
    },
    networking::v1::NetworkPolicy,
    policy::v1::PodDisruptionBudget,
    rbac::v1::RoleBinding,
};
use kube::api::{ApiResource, GroupVersionKind};

/// A kind that the operator writes. The order is that of application.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    Namespace,
    RoleBinding,
    ResourceQuota,
    LimitRange,
    NetworkPolicy,
    ServiceAccount,
    ConfigMap,
    PersistentVolumeClaim,
    Service,
    PodDisruptionBudget,
    Deployment,
    HorizontalPodAutoscaler,
    TenantView,
    /// Read by name when it is needed. The operator watches only the metadata of Secrets with its own names: others must stay unreadable.
    Secret,
    /// Reports on a tenant for others' tools. Other projects' resources: the operator watches them only where the cluster has them.
    ClusterReport,
    ClusterPolicyReport,
    /// Objects that lead to a tenant. Other projects' resources too: the operator watches them where its flags name such a gateway.
    HttpRoute,
    HttpRouteFilter,
    SecurityPolicy,
    BackendTrafficPolicy,
    ApisixUpstream,
    ApisixPluginConfig,
    ApisixConsumer,
    ApisixRoute,
    /// Certificates for a tenant's own hosts. Only tenants with certificates need them.
    Certificate,
    ListenerSet,
    ApisixTls,
    /// Versions of TLS at a tenant's own listeners. The operator watches them only where the chart lets it write them.
    ClientTrafficPolicy,
    /// Addresses of the Services behind routes with a fallback; likewise.
    Backend,
    /// Grants for routes to shared applications, in the applications' namespaces.
    ReferenceGrant,
}

impl Kind {
    /// Every kind that is always watched.
    pub const ALL: [Self; 13] = [
        Self::Namespace,
        Self::RoleBinding,
        Self::ResourceQuota,
        Self::LimitRange,
        Self::NetworkPolicy,
        Self::ServiceAccount,
        Self::ConfigMap,
        Self::PersistentVolumeClaim,
        Self::Service,
        Self::PodDisruptionBudget,
        Self::Deployment,
        Self::HorizontalPodAutoscaler,
        Self::TenantView,
    ];

    /// Returns its name in the API server.
    pub fn resource(self) -> ApiResource {
        match self {
            Self::Namespace => ApiResource::erase::<Namespace>(&()),
            Self::RoleBinding => ApiResource::erase::<RoleBinding>(&()),
            Self::ResourceQuota => ApiResource::erase::<ResourceQuota>(&()),
            Self::LimitRange => ApiResource::erase::<LimitRange>(&()),
            Self::NetworkPolicy => ApiResource::erase::<NetworkPolicy>(&()),
            Self::ServiceAccount => ApiResource::erase::<ServiceAccount>(&()),
            Self::ConfigMap => ApiResource::erase::<ConfigMap>(&()),
            Self::PersistentVolumeClaim => ApiResource::erase::<PersistentVolumeClaim>(&()),
            Self::Service => ApiResource::erase::<Service>(&()),
            Self::PodDisruptionBudget => ApiResource::erase::<PodDisruptionBudget>(&()),
            Self::Deployment => ApiResource::erase::<Deployment>(&()),
            Self::HorizontalPodAutoscaler => ApiResource::erase::<HorizontalPodAutoscaler>(&()),
            Self::TenantView => ApiResource::erase::<TenantView>(&()),
            Self::Secret => ApiResource::erase::<Secret>(&()),
            Self::ClusterReport => foreign("openreports.io", "v1alpha1", self.as_str(), "clusterreports"),
            Self::ClusterPolicyReport => foreign("wgpolicyk8s.io", "v1alpha2", self.as_str(), "clusterpolicyreports"),
            Self::HttpRoute => foreign(GATEWAY_API, "v1", self.as_str(), "httproutes"),
            Self::ReferenceGrant => foreign(GATEWAY_API, "v1", self.as_str(), "referencegrants"),
            Self::HttpRouteFilter => foreign(ENVOY_GATEWAY, "v1alpha1", self.as_str(), "httproutefilters"),
            Self::SecurityPolicy => foreign(ENVOY_GATEWAY, "v1alpha1", self.as_str(), "securitypolicies"),
            Self::BackendTrafficPolicy => foreign(ENVOY_GATEWAY, "v1alpha1", self.as_str(), "backendtrafficpolicies"),
            Self::ApisixUpstream => foreign(APISIX, "v2", self.as_str(), "apisixupstreams"),
            Self::ApisixPluginConfig => foreign(APISIX, "v2", self.as_str(), "apisixpluginconfigs"),
            Self::ApisixConsumer => foreign(APISIX, "v2", self.as_str(), "apisixconsumers"),
            Self::ApisixRoute => foreign(APISIX, "v2", self.as_str(), "apisixroutes"),
            Self::Certificate => foreign("cert-manager.io", "v1", self.as_str(), "certificates"),
            Self::ListenerSet => foreign("gateway.networking.k8s.io", "v1", self.as_str(), "listenersets"),
            Self::Backend => foreign(ENVOY_GATEWAY, "v1alpha1", self.as_str(), "backends"),
            Self::ClientTrafficPolicy => foreign(ENVOY_GATEWAY, "v1alpha1", self.as_str(), "clienttrafficpolicies"),
            Self::ApisixTls => foreign(APISIX, "v2", self.as_str(), "apisixtlses"),
        }
    }

    /// The kind's name, for messages and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Namespace => "Namespace",
            Self::RoleBinding => "RoleBinding",
            Self::ResourceQuota => "ResourceQuota",
            Self::LimitRange => "LimitRange",
            Self::NetworkPolicy => "NetworkPolicy",
            Self::ServiceAccount => "ServiceAccount",
            Self::ConfigMap => "ConfigMap",
            Self::PersistentVolumeClaim => "PersistentVolumeClaim",
            Self::Service => "Service",
            Self::PodDisruptionBudget => "PodDisruptionBudget",
            Self::Deployment => "Deployment",
            Self::HorizontalPodAutoscaler => "HorizontalPodAutoscaler",
            Self::TenantView => "TenantView",
            Self::Secret => "Secret",
            Self::ClusterReport => "ClusterReport",
            Self::ClusterPolicyReport => "ClusterPolicyReport",
            Self::HttpRoute => "HTTPRoute",
            Self::ReferenceGrant => "ReferenceGrant",
            Self::HttpRouteFilter => "HTTPRouteFilter",
            Self::SecurityPolicy => "SecurityPolicy",
            Self::BackendTrafficPolicy => "BackendTrafficPolicy",
            Self::ApisixUpstream => "ApisixUpstream",
            Self::ApisixPluginConfig => "ApisixPluginConfig",
            Self::ApisixConsumer => "ApisixConsumer",
            Self::ApisixRoute => "ApisixRoute",
            Self::Certificate => "Certificate",
            Self::ListenerSet => "ListenerSet",
            Self::ApisixTls => "ApisixTls",
            Self::Backend => "Backend",
            Self::ClientTrafficPolicy => "ClientTrafficPolicy",
        }
    }

    /// Returns true if it leads into a tenant.
    pub fn is_route(self) -> bool {
        matches!(self, Self::HttpRoute | Self::ApisixRoute)
    }

    /// Returns true if the operator itself writes the status: the kind has no subresource for it.
    pub fn has_written_status(self) -> bool {
        self == Self::TenantView
    }

    /// Paths that others fill in after creation: never compared, and kept when the object is replaced.
    pub fn filled_in_by_others(self) -> &'static [&'static str] {
        match self {
            Self::Namespace => &["/spec"],
            Self::ServiceAccount => &["/secrets", "/imagePullSecrets"],
            Self::Service => &[
                "/spec/clusterIP",
                "/spec/clusterIPs",
                "/spec/ipFamilies",
                "/spec/ipFamilyPolicy",
            ],
            Self::PersistentVolumeClaim => &["/spec/volumeName", "/spec/volumeMode"],
            // `kubectl rollout restart` writes it.
            Self::Deployment => &["/spec/template/metadata/annotations/kubectl.kubernetes.io~1restartedAt"],
            _ => &[],
        }
    }
}

const GATEWAY_API: &str = "gateway.networking.k8s.io";
const ENVOY_GATEWAY: &str = "gateway.envoyproxy.io";
const APISIX: &str = "apisix.apache.org";

/// A resource that no library here has a type for.
fn foreign(group: &str, version: &str, kind: &str, plural: &str) -> ApiResource {
    ApiResource::from_gvk_with_plural(&GroupVersionKind::gvk(group, version, kind), plural)
}

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
