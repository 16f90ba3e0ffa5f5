//! Limits of bandwidth, within the tier's.

use crate::api::BandwidthLimit;
use crate::capability::Invalid;
use crate::gateway::config::{LEAST_BANDWIDTH, ValidBandwidth};
use crate::quantity::Amount;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

pub fn resolve(
    own: Option<&BandwidthLimit>,
    plan: Option<&BandwidthLimit>,
    tier: &str,
    errors: &mut Vec<Invalid>,
) -> ValidBandwidth {
    let mut limit = |direction: &str, of: fn(&BandwidthLimit) -> Option<&Quantity>| {
        let bound = plan.and_then(of);
        let field = format!("spec.tier: the tier's gateway.bandwidthLimit.{direction}");
        let bound = bound.and_then(|bound| bytes(field, bound, errors).map(|bytes| (bytes, &bound.0)));
        let field = format!("spec.gateway.bandwidthLimit.{direction}");
        let own = own
            .and_then(of)
            .and_then(|own| bytes(field.clone(), own, errors).map(|bytes| (bytes, &own.0)));
        if let (Some((own, text)), Some((bound, most))) = (own, bound)
            && own > bound
        {
            errors.push(Invalid::new(
                field,
                format!("{text} is more than the {most} of tier {tier}"),
            ));
        }
        own.or(bound).map(|(bytes, _)| bytes)
    };
    ValidBandwidth {
        request: limit("request", |limit| limit.request.as_ref()),
        response: limit("response", |limit| limit.response.as_ref()),
    }
}

fn bytes(field: String, quantity: &Quantity, errors: &mut Vec<Invalid>) -> Option<i64> {
    let fault = match Amount::parse(&quantity.0) {
        Ok(amount) if !amount.is_whole() => "must be a whole number of bytes",
        Ok(amount) if amount.ceil() < LEAST_BANDWIDTH => "must be at least 1Ki: bytes in a second",
        Ok(amount) => return Some(amount.ceil()),
        Err(fault) => fault,
    };
    errors.push(Invalid::new(field, fault));
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn resolved(own: Value, plan: Value) -> Result<(Option<i64>, Option<i64>), Vec<String>> {
        let limit = |value: Value| serde_json::from_value::<BandwidthLimit>(value).expect("a limit");
        let mut errors = Vec::new();
        let valid = resolve(Some(&limit(own)), Some(&limit(plan)), "plan", &mut errors);
        match errors.is_empty() {
            true => Ok((valid.request, valid.response)),
            false => Err(errors.iter().map(ToString::to_string).collect()),
        }
    }

    #[test]
    fn a_tenant_has_its_own_limit_or_its_tiers_for_each_direction() {
        let plan = || json!({"request": "10M", "response": "125M"});
        assert_eq!(resolved(json!({}), plan()), Ok((Some(10_000_000), Some(125_000_000))));
        assert_eq!(
            resolved(json!({"request": "1Ki"}), plan()),
            Ok((Some(1024), Some(125_000_000)))
        );
        assert_eq!(resolved(json!({"response": 4096}), json!({})), Ok((None, Some(4096))));
    }

    #[test]
    fn a_limit_is_within_the_tiers_and_can_be_counted() {
        for (own, plan, reason) in [
            (
                json!({"response": "200M"}),
                json!({"response": "125M"}),
                "spec.gateway.bandwidthLimit.response: 200M is more than the 125M of tier plan",
            ),
            (
                json!({"request": "1k"}),
                json!({}),
                "spec.gateway.bandwidthLimit.request: must be at least 1Ki",
            ),
            (
                json!({"request": "1500.5"}),
                json!({}),
                "spec.gateway.bandwidthLimit.request: must be a whole number",
            ),
            (
                json!({}),
                json!({"request": "0"}),
                "spec.tier: the tier's gateway.bandwidthLimit.request: must be at least 1Ki",
            ),
        ] {
            let reasons = resolved(own, plan).expect_err("refused");
            assert!(reasons.len() == 1 && reasons[0].starts_with(reason), "{reasons:?}");
        }
    }
}
