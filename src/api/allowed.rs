//! Names that tenants' own objects may refer to.

use super::{ImagePullPolicy, schema};
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Names that objects in a tenant's namespaces may refer to. An absent list restricts nothing, an empty one allows nothing.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Allowed {
    /// Registries of images, or paths in them, such as `registry.example.com/team`. An image without a registry comes from `docker.io`, and an image without
    /// a path from `docker.io/library`. Addresses, `localhost` and names within the cluster need an entry in the list.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(max = 32),
        inner(
            length(min = 1, max = 253),
            regex(pattern = r"^[a-z0-9]([-.a-z0-9]*[a-z0-9])?(:[0-9]{1,5})?(/[-._a-z0-9]+)*$")
        )
    )]
    pub image_registries: Option<Vec<String>>,
    /// Pull policies of images. With only `Always`, no pod can run an image that a node pulled for another tenant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 3))]
    pub image_pull_policies: Option<Vec<ImagePullPolicy>>,
    /// StorageClasses of PersistentVolumeClaims, by their field and by the annotation that Kubernetes prefers. A claim without a class has the cluster's default class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::names")]
    pub storage_classes: Option<Vec<String>>,
    /// VolumeAttributesClasses of PersistentVolumeClaims, such as those with more IOPS. A claim may always name none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::names")]
    pub volume_attributes_classes: Option<Vec<String>>,
    /// IngressClasses of Ingresses. An Ingress without a class has the cluster's default class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::names")]
    pub ingress_classes: Option<Vec<String>>,
    /// PriorityClasses of pods. A pod without a class has the cluster's default class, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::names")]
    pub priority_classes: Option<Vec<String>>,
    /// RuntimeClasses of pods. A pod must name one of them; an empty list forbids all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::names")]
    pub runtime_classes: Option<Vec<String>>,
    /// CSI drivers of inline volumes in pods (`volumes[].csi`), without a claim. Absent means none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::names")]
    pub csi_drivers: Option<Vec<String>>,
    /// Types of Services besides ClusterIP. Absent means none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2))]
    pub service_types: Option<Vec<ServiceType>>,
    /// Annotations of Services, pods, PersistentVolumeClaims, Ingresses and routes, in addition to those of Kubernetes' own controllers and those that affect only
    /// the object: a key such as `prometheus.io/interval`, or all keys with a prefix, such as `prometheus.io/*`. Other controllers act on them, for all tenants. Absent means none.
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

/// A type of Service with access from outside of the cluster.
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
