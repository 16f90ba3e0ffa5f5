//! The targets of an autoscaler.

use super::Faults;
use crate::api::{AutoscalingMetric, Workload};
use crate::quantity::Amount;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

pub fn check(workload: &Workload, faults: &mut Faults) {
    let Some(autoscaling) = &workload.autoscaling else {
        return;
    };
    for (i, metric) in autoscaling.metrics.iter().enumerate() {
        target(&format!(".autoscaling.metrics[{i}]"), metric, faults);
    }
    let behavior = autoscaling.behavior.iter();
    let directions =
        behavior.flat_map(|behavior| [("scaleUp", &behavior.scale_up), ("scaleDown", &behavior.scale_down)]);
    for (direction, rules) in directions {
        let tolerance = rules.as_ref().and_then(|rules| rules.tolerance.as_ref());
        if let Some(reason) = tolerance.and_then(|tolerance| Amount::parse(&tolerance.0).err()) {
            let part = format!(".autoscaling.behavior.{direction}.tolerance");
            faults.say(part, reason.to_string());
        }
    }
}

fn target(part: &str, metric: &AutoscalingMetric, faults: &mut Faults) {
    // The name becomes a part of a path.
    if metric.name == "." || metric.name == ".." || metric.name.contains(['/', '%']) {
        faults.say(
            format!("{part}.name"),
            format!(
                "{:.80?} is no name of a metric: it must not be `.` or `..`, nor contain `/` or `%`",
                metric.name
            ),
        );
    }
    let mut positive = |field: &str, quantity: &Option<Quantity>| match quantity.as_ref().map(|q| Amount::parse(&q.0)) {
        Some(Err(reason)) => faults.say(format!("{part}.{field}"), reason.to_string()),
        Some(Ok(amount)) if amount <= Amount::ZERO => faults.say(format!("{part}.{field}"), "must be above zero"),
        _ => {}
    };
    positive("averageValue", &metric.average_value);
    positive("value", &metric.value);
}
