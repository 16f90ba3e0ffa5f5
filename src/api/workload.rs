//! A workload: what becomes a Deployment with its Service, ServiceAccount, autoscaler, disruption budget and claims.

use super::{Autoscaling, ContainerResources, Protocol, schema};
use k8s_openapi::api::core::v1::{
    ConfigMapVolumeSource, DownwardAPIVolumeSource, EmptyDirVolumeSource, EnvFromSource, EnvVar, EphemeralVolumeSource,
    PersistentVolumeClaimVolumeSource, PodSecurityContext, Probe, ProjectedVolumeSource, SecretVolumeSource,
    SecurityContext, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// An application of the tenant, in its first namespace. If tier and tenant have a workload with the same name,
/// each field that the tenant sets replaces the tier's.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("!(has(self.replicas) && has(self.autoscaling))").message("replicas and autoscaling exclude each other"))]
pub struct Workload {
    /// A DNS label; the name of the Deployment, Service and ServiceAccount.
    #[schemars(length(min = 1, max = 53), regex(pattern = r"^[a-z]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// The container image. Optional only if the tier's workload of this name has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub image: Option<String>,
    /// Pull policy of the image. Absent means Kubernetes' default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_pull_policy: Option<ImagePullPolicy>,
    /// Replaces the image's entrypoint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64), inner(length(max = 4096)))]
    pub command: Option<Vec<String>>,
    /// Replaces the image's arguments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256), inner(length(max = 4096)))]
    pub args: Option<Vec<String>>,
    /// Number of pods. Absent means 1, or the number from `autoscaling`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 10000))]
    pub replicas: Option<i32>,
    /// Adapts the number of pods to their load.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub autoscaling: Option<Autoscaling>,
    /// Ports of the container; a Service with the workload's name has the same ports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]), validation = Rule::new("self.all(p, self.exists_one(o, o.containerPort == p.containerPort && (has(o.protocol) ? o.protocol : 'TCP') == (has(p.protocol) ? p.protocol : 'TCP')))").message("has a number twice for a protocol: a Service has each number once"))]
    pub ports: Option<Vec<WorkloadPort>>,
    /// Requests and limits of each container. Absent means the tier's container defaults.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<ContainerResources>,
    /// Environment variables. The operator always sets `TENANT_ID` and `TENANT_NAME`; these cannot replace them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub env: Option<Vec<EnvVar>>,
    /// Sources of further environment variables.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub env_from: Option<Vec<EnvFromSource>>,
    /// Restarts the container when it fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub liveness_probe: Option<Probe>,
    /// Removes the pod from its Service while it fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub readiness_probe: Option<Probe>,
    /// Delays the other probes until it succeeds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub startup_probe: Option<Probe>,
    /// Volumes of the pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub volumes: Option<Vec<WorkloadVolume>>,
    /// Mount paths in the container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub volume_mounts: Option<Vec<VolumeMount>>,
    /// PersistentVolumeClaims of this workload, which its pods share and mount.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub volume_claims: Option<Vec<VolumeClaim>>,
    /// The pod's security context. Absent fields get the values that Pod Security `restricted` requires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_security_context: Option<PodSecurityContext>,
    /// The container's security context. Absent fields get the values that Pod Security `restricted` requires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub security_context: Option<SecurityContext>,
    /// Gives pods a token for the API server. Absent means false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub automount_service_account_token: Option<bool>,
    /// Action when the tenant's configuration changes. Absent means Restart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub configuration_update: Option<ConfigurationUpdate>,
}

/// Pull policy of an image.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum ImagePullPolicy {
    /// At every start of a container.
    Always,
    /// If the node does not have it.
    IfNotPresent,
    /// Never.
    Never,
}

/// Action on a workload when the tenant's configuration changes.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigurationUpdate {
    /// Rolls its pods.
    Restart,
    /// Nothing: the workload watches the mounted file itself.
    Reload,
}

/// A port of a workload.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct WorkloadPort {
    /// The port's name, unique in the workload: letters (at least one), digits and single dashes.
    #[schemars(length(min = 1, max = 15), regex(pattern = schema::PORT_NAME))]
    pub name: String,
    /// The port in the container, and of the Service; unique in the workload for each protocol.
    #[schemars(range(min = 1, max = 65535))]
    pub container_port: i32,
    /// Protocol. Absent means TCP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub protocol: Option<Protocol>,
}

/// A volume of a kind that Pod Security `restricted` allows.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(validation = Rule::new("[has(self.configMap), has(self.secret), has(self.emptyDir), has(self.projected), has(self.downwardAPI), has(self.persistentVolumeClaim), has(self.ephemeral)].exists_one(x, x)").message("exactly one kind of volume must be given"))]
pub struct WorkloadVolume {
    /// The volume's name, unique in the workload.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// A ConfigMap of the tenant's first namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map: Option<ConfigMapVolumeSource>,
    /// A Secret of the tenant's first namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<SecretVolumeSource>,
    /// An empty folder that lives as long as the pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub empty_dir: Option<EmptyDirVolumeSource>,
    /// Several sources in one folder.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub projected: Option<ProjectedVolumeSource>,
    /// Facts about the pod itself.
    #[serde(default, rename = "downwardAPI", skip_serializing_if = "Option::is_none")]
    pub downward_api: Option<DownwardAPIVolumeSource>,
    /// An existing PersistentVolumeClaim.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub persistent_volume_claim: Option<PersistentVolumeClaimVolumeSource>,
    /// A claim of its own for each pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ephemeral: Option<EphemeralVolumeSource>,
}

/// A PersistentVolumeClaim of a workload; its name is `<workload>-<name>`.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct VolumeClaim {
    /// The claim's name, unique in the workload.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?$"))]
    pub name: String,
    /// Mount path in the container, which is absolute.
    #[schemars(length(min = 1, max = 1024), regex(pattern = r"^/"))]
    pub mount_path: String,
    /// Requested storage, such as `10Gi`.
    #[schemars(schema_with = "schema::quantity")]
    pub storage: Quantity,
    /// Access modes. Absent means `[ReadWriteOnce]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 4))]
    pub access_modes: Option<Vec<AccessMode>>,
    /// StorageClass. Absent means the cluster's default class.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253), regex(pattern = schema::CLASS))]
    pub storage_class_name: Option<String>,
}

/// Access mode of a volume.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum AccessMode {
    /// Read and written from one node.
    ReadWriteOnce,
    /// Read from many nodes.
    ReadOnlyMany,
    /// Read and written from many nodes.
    ReadWriteMany,
    /// Read and written by one pod.
    ReadWriteOncePod,
}
