//! Autoscaling of a workload, by the words of Kubernetes' HorizontalPodAutoscaler.

use super::schema;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Bounds and targets of a HorizontalPodAutoscaler. With several targets, the one that needs the most pods decides.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.minReplicas) || self.minReplicas <= self.maxReplicas").message("minReplicas must not exceed maxReplicas"),
    validation = Rule::new("!has(self.scaleDownStabilizationWindowSeconds) || !has(self.behavior) || !has(self.behavior.scaleDown) || !has(self.behavior.scaleDown.stabilizationWindowSeconds)").message("scaleDownStabilizationWindowSeconds and behavior.scaleDown.stabilizationWindowSeconds exclude each other"),
)]
pub struct Autoscaling {
    /// Minimum number of pods. Absent means 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10000))]
    pub min_replicas: Option<i32>,
    /// Maximum number of pods.
    #[schemars(range(min = 1, max = 10000))]
    pub max_replicas: i32,
    /// Target of the mean CPU usage, in percent of the request. Absent means 80 if there is no other target, and else none.
    #[serde(
        default,
        rename = "targetCPUUtilizationPercentage",
        skip_serializing_if = "Option::is_none"
    )]
    #[schemars(range(min = 1, max = 1000))]
    pub target_cpu_utilization_percentage: Option<i32>,
    /// Target of the mean memory usage, in percent of the request. Absent means none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub target_memory_utilization_percentage: Option<i32>,
    /// Targets of custom and external metrics, which an adapter in the cluster must serve.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub metrics: Vec<AutoscalingMetric>,
    /// Time of lower load before the autoscaler removes pods, in seconds. Absent means 300.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 3600))]
    pub scale_down_stabilization_window_seconds: Option<i32>,
    /// Pace and thresholds of each direction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub behavior: Option<AutoscalingBehavior>,
}

/// The target of a metric that is neither CPU nor memory.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.averageValue) != has(self.value)").message("needs one of averageValue and value"),
    validation = Rule::new("self.type == 'External' || !has(self.value)").message("value belongs to External metrics: a metric of Pods has an averageValue"),
)]
pub struct AutoscalingMetric {
    /// Source of the metric.
    #[serde(rename = "type")]
    pub type_: MetricType,
    /// Name of the metric, such as `http_requests_per_second`.
    #[schemars(length(min = 1, max = 253), regex(pattern = r"^[^/%]+$"))]
    pub name: String,
    /// Selects series of the metric by their labels. Absent means all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub selector: Option<LabelSelector>,
    /// Target of the mean over the pods, such as `100`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::quantity")]
    pub average_value: Option<Quantity>,
    /// Target of the metric itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::quantity")]
    pub value: Option<Quantity>,
}

/// Source of a metric.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum MetricType {
    /// The workload's own pods (`custom.metrics.k8s.io`).
    Pods,
    /// Something outside of the cluster's objects, such as a queue (`external.metrics.k8s.io`).
    External,
}

/// Rules of both directions.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct AutoscalingBehavior {
    /// Rules for more pods. Absent means four pods or 100 % in 15 s, whichever is more, at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale_up: Option<ScalingRules>,
    /// Rules for fewer pods. Absent means 100 % in 15 s, after the stabilization window.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scale_down: Option<ScalingRules>,
}

/// Rules of one direction.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ScalingRules {
    /// Period over which the autoscaler takes the most cautious of its recommendations, in seconds. Absent means 0 up and 300 down.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 3600))]
    pub stabilization_window_seconds: Option<i32>,
    /// Deviation from the target without effect, as a ratio: with a target of 80 and a tolerance of `500m`, fewer pods follow below 40. Absent means the
    /// cluster's (`100m`). It needs Kubernetes 1.35.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schema::quantity")]
    pub tolerance: Option<Quantity>,
    /// Choice among the policies. Absent means Max.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub select_policy: Option<SelectPolicy>,
    /// Bounds of the change in a period. Absent or empty means the direction's default.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub policies: Vec<ScalingPolicy>,
}

/// Choice among several policies.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum SelectPolicy {
    /// The greatest change.
    Max,
    /// The smallest change.
    Min,
    /// No change in this direction.
    Disabled,
}

/// The most that a period may change.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ScalingPolicy {
    /// Unit of the value.
    #[serde(rename = "type")]
    pub type_: ScalingPolicyType,
    /// Number of pods, or percent of the present number.
    #[schemars(range(min = 1, max = 10000))]
    pub value: i32,
    /// Length of the period, in seconds.
    #[schemars(range(min = 1, max = 1800))]
    pub period_seconds: i32,
}

/// Unit of a policy's value.
#[derive(Serialize, Deserialize, JsonSchema, Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScalingPolicyType {
    /// Pods.
    Pods,
    /// Percent of the present number of pods.
    Percent,
}
