//! A workload's HorizontalPodAutoscaler.

use super::{labels, pod};
use crate::api::{
    Autoscaling, AutoscalingMetric, ContainerResources, MetricType, ScalingPolicy, ScalingPolicyType, ScalingRules,
    Workload,
};
use crate::capability::{Invalid, TenantCore};
use crate::cluster::{Desired, Kind, metadata};
use crate::quantity::Amount;
use k8s_openapi::api::autoscaling::v2::{
    CrossVersionObjectReference, ExternalMetricSource, HPAScalingPolicy, HPAScalingRules, HorizontalPodAutoscaler,
    HorizontalPodAutoscalerBehavior, HorizontalPodAutoscalerSpec, MetricIdentifier, MetricSpec, MetricTarget,
    PodsMetricSource, ResourceMetricSource,
};

/// The default target, in percent of the CPU request (Kubernetes' own default).
const TARGET_PERCENT: i32 = 80;
/// Kubernetes' own default, in seconds.
const SCALE_DOWN_SECONDS: i32 = 300;

/// Kubernetes' own policies.
const SCALE_UP: [ScalingPolicy; 2] = [
    ScalingPolicy {
        type_: ScalingPolicyType::Pods,
        value: 4,
        period_seconds: 15,
    },
    ScalingPolicy {
        type_: ScalingPolicyType::Percent,
        value: 100,
        period_seconds: 15,
    },
];
const SCALE_DOWN: [ScalingPolicy; 1] = [ScalingPolicy {
    type_: ScalingPolicyType::Percent,
    value: 100,
    period_seconds: 15,
}];

pub fn autoscaler(tenant: &TenantCore, workload: &Workload) -> Option<Desired> {
    let autoscaling = workload.autoscaling.as_ref()?;
    let meta = labels::meta(tenant, workload, &workload.name);
    let behavior = autoscaling.behavior.clone().unwrap_or_default();
    let mut down = behavior.scale_down.unwrap_or_default();
    down.stabilization_window_seconds = down
        .stabilization_window_seconds
        .or(autoscaling.scale_down_stabilization_window_seconds);
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
            metrics: Some(metrics(autoscaling)),
            behavior: Some(HorizontalPodAutoscalerBehavior {
                scale_up: Some(rules(behavior.scale_up.unwrap_or_default(), 0, &SCALE_UP)),
                scale_down: Some(rules(down, SCALE_DOWN_SECONDS, &SCALE_DOWN)),
            }),
        }),
        ..HorizontalPodAutoscaler::default()
    };
    Some(metadata::desired(Kind::HorizontalPodAutoscaler, &meta, &object))
}

/// Refuses targets in percent of a request that the pods lack: the autoscaler would only ever report that it cannot compute them.
pub fn check(defaults: &ContainerResources, workloads: &[Workload], errors: &mut Vec<Invalid>) {
    for workload in workloads {
        let Some(autoscaling) = &workload.autoscaling else {
            continue;
        };
        let resources = pod::resources(workload.resources.as_ref(), defaults);
        let request = |resource: &str| {
            // Kubernetes requests a limit whole where there is no request.
            let lists = [&resources.requests, &resources.limits];
            let quantity = lists.into_iter().flatten().find_map(|list| list.get(resource));
            quantity.and_then(|quantity| Amount::parse(&quantity.0).ok())
        };
        for (resource, _) in targets(autoscaling) {
            if request(resource).is_none_or(|amount| amount <= Amount::ZERO) {
                let message = format!(
                    "autoscaling by {resource} is in percent of the request, which is 0: set resources.requests.{resource}, or another target"
                );
                errors.push(Invalid::new(format!("spec.workloads: {}", workload.name), message));
            }
        }
    }
}

/// The resources with a target, in percent of their request.
fn targets(autoscaling: &Autoscaling) -> Vec<(&'static str, i32)> {
    let cpu = autoscaling.target_cpu_utilization_percentage;
    let memory = autoscaling.target_memory_utilization_percentage;
    let is_only = memory.is_none() && autoscaling.metrics.is_empty();
    let cpu = cpu.or(is_only.then_some(TARGET_PERCENT));
    let targets = [("cpu", cpu), ("memory", memory)];
    targets
        .into_iter()
        .filter_map(|(resource, target)| Some((resource, target?)))
        .collect()
}

fn metrics(autoscaling: &Autoscaling) -> Vec<MetricSpec> {
    let resources = targets(autoscaling).into_iter().map(|(resource, percent)| MetricSpec {
        type_: "Resource".into(),
        resource: Some(ResourceMetricSource {
            name: resource.into(),
            target: MetricTarget {
                type_: "Utilization".into(),
                average_utilization: Some(percent),
                ..MetricTarget::default()
            },
        }),
        ..MetricSpec::default()
    });
    resources.chain(autoscaling.metrics.iter().map(metric)).collect()
}

fn metric(metric: &AutoscalingMetric) -> MetricSpec {
    let target = MetricTarget {
        type_: if metric.value.is_some() {
            "Value"
        } else {
            "AverageValue"
        }
        .into(),
        average_value: metric.average_value.clone(),
        value: metric.value.clone(),
        ..MetricTarget::default()
    };
    let identifier = MetricIdentifier {
        name: metric.name.clone(),
        selector: metric.selector.clone(),
    };
    match metric.type_ {
        MetricType::Pods => MetricSpec {
            type_: "Pods".into(),
            pods: Some(PodsMetricSource {
                metric: identifier,
                target,
            }),
            ..MetricSpec::default()
        },
        MetricType::External => MetricSpec {
            type_: "External".into(),
            external: Some(ExternalMetricSource {
                metric: identifier,
                target,
            }),
            ..MetricSpec::default()
        },
    }
}

/// The rules of one direction, written out as the API server would fill them in, so that nothing is left to chance.
fn rules(own: ScalingRules, window: i32, defaults: &[ScalingPolicy]) -> HPAScalingRules {
    let policies = match own.policies.is_empty() {
        true => defaults,
        false => &own.policies,
    };
    let policies = policies.iter().map(|policy| HPAScalingPolicy {
        type_: format!("{:?}", policy.type_),
        value: policy.value,
        period_seconds: policy.period_seconds,
    });
    HPAScalingRules {
        policies: Some(policies.collect()),
        select_policy: Some(own.select_policy.map_or("Max".into(), |policy| format!("{policy:?}"))),
        stabilization_window_seconds: Some(own.stabilization_window_seconds.unwrap_or(window)),
        tolerance: own.tolerance,
    }
}

#[cfg(test)]
#[path = "autoscaler_test.rs"]
mod tests;
