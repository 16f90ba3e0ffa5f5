//! A workload's HorizontalPodAutoscaler.

use super::labels;
use crate::api::Workload;
use crate::capability::TenantCore;
use crate::cluster::{Desired, Kind, metadata};
use k8s_openapi::api::autoscaling::v2::{
    CrossVersionObjectReference, HPAScalingPolicy, HPAScalingRules, HorizontalPodAutoscaler,
    HorizontalPodAutoscalerBehavior, HorizontalPodAutoscalerSpec, MetricSpec, MetricTarget, ResourceMetricSource,
};

/// The default target, in percent of the CPU request (Kubernetes' own default).
const TARGET_PERCENT: i32 = 80;
/// Kubernetes' own default, in seconds.
const SCALE_DOWN_SECONDS: i32 = 300;

pub fn autoscaler(tenant: &TenantCore, workload: &Workload) -> Option<Desired> {
    let autoscaling = workload.autoscaling.as_ref()?;
    let meta = labels::meta(tenant, workload, &workload.name);
    let target = MetricTarget {
        type_: "Utilization".into(),
        average_utilization: Some(autoscaling.target_cpu_utilization_percentage.unwrap_or(TARGET_PERCENT)),
        ..MetricTarget::default()
    };
    // Written out as the API server would fill it in, so that nothing of it is left to chance.
    let scale_down = HPAScalingRules {
        policies: Some(vec![HPAScalingPolicy {
            type_: "Percent".into(),
            value: 100,
            period_seconds: 15,
        }]),
        select_policy: Some("Max".into()),
        stabilization_window_seconds: Some(
            autoscaling
                .scale_down_stabilization_window_seconds
                .unwrap_or(SCALE_DOWN_SECONDS),
        ),
        ..HPAScalingRules::default()
    };
    let scale_up = HPAScalingRules {
        policies: Some(vec![
            HPAScalingPolicy {
                type_: "Pods".into(),
                value: 4,
                period_seconds: 15,
            },
            HPAScalingPolicy {
                type_: "Percent".into(),
                value: 100,
                period_seconds: 15,
            },
        ]),
        select_policy: Some("Max".into()),
        stabilization_window_seconds: Some(0),
        ..HPAScalingRules::default()
    };
    let object = HorizontalPodAutoscaler {
        metadata: meta.clone(),
        spec: Some(HorizontalPodAutoscalerSpec {
            scale_target_ref: CrossVersionObjectReference {
                api_version: Some("apps/v1".into()),
                kind: "Deployment".into(),
                name: workload.name.clone(),
            },
            min_replicas: Some(autoscaling.min_replicas.unwrap_or(1)),
            max_replicas: autoscaling.max_replicas,
            metrics: Some(vec![MetricSpec {
                type_: "Resource".into(),
                resource: Some(ResourceMetricSource {
                    name: "cpu".into(),
                    target,
                }),
                ..MetricSpec::default()
            }]),
            behavior: Some(HorizontalPodAutoscalerBehavior {
                scale_down: Some(scale_down),
                scale_up: Some(scale_up),
            }),
        }),
        ..HorizontalPodAutoscaler::default()
    };
    Some(metadata::desired(Kind::HorizontalPodAutoscaler, &meta, &object))
}
