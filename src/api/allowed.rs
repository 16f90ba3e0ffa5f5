//! What tenants' own objects may name.

use super::{ImagePullPolicy, schema};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the objects in a tenant's namespaces may name, whoever makes them. A list that is absent bounds nothing, an empty one allows nothing.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Allowed {
    /// Where images come from: a registry, or a path in one, such as `registry.example.com/team`. An image that names no registry is of `docker.io`, and one that
    /// names nothing but itself of `docker.io/library`. A registry that is an address, `localhost` or a name within the cluster is allowed only where it is listed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(max = 32),
        inner(
            length(min = 1, max = 253),
            regex(pattern = r"^[a-z0-9]([-.a-z0-9]*[a-z0-9])?(:[0-9]{1,5})?(/[-._a-z0-9]+)*$")
        )
    )]
    pub image_registries: Option<Vec<String>>,
    /// When the kubelet fetches images. With `Always` alone nobody runs what only another tenant may fetch and a node still has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 3))]
    pub image_pull_policies: Option<Vec<ImagePullPolicy>>,
    /// StorageClasses of PersistentVolumeClaims, by their field and by the annotation that Kubernetes prefers to it. A claim that names none has the cluster's default class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::names")]
    pub storage_classes: Option<Vec<String>>,
    /// IngressClasses of Ingresses. An Ingress that names none has the cluster's default class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::names")]
    pub ingress_classes: Option<Vec<String>>,
    /// PriorityClasses of pods. A pod that names none has the cluster's default class, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::names")]
    pub priority_classes: Option<Vec<String>>,
    /// RuntimeClasses of pods. A pod must name one of them; an empty list means that none may be named.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::names")]
    pub runtime_classes: Option<Vec<String>>,
    /// CSI drivers of volumes that pods name themselves (`volumes[].csi`), without a claim. Absent means none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::names")]
    pub csi_drivers: Option<Vec<String>>,
    /// Types of Services besides ClusterIP. Absent means none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2))]
    pub service_types: Option<Vec<ServiceType>>,
    /// Annotations of Services, pods, PersistentVolumeClaims, Ingresses and routes, besides those that Kubernetes' own controllers read and those that are known to stay within
    /// the object: a key such as `prometheus.io/interval`, or all of a prefix, such as `prometheus.io/*`. Other controllers act on them, for all tenants. Absent means none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(max = 32),
        inner(
            length(min = 3, max = 317),
            regex(pattern = r"^[a-z0-9]([-.a-z0-9]*[a-z0-9])?/([*]|[A-Za-z0-9]([-._A-Za-z0-9]*[A-Za-z0-9])?)$")
        )
    )]
    pub annotations: Option<Vec<String>>,
}

/// A type of Service that is reached from outside of the cluster.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServiceType {
    NodePort,
    LoadBalancer,
}

impl ServiceType {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NodePort => "NodePort",
            Self::LoadBalancer => "LoadBalancer",
        }
    }
}
