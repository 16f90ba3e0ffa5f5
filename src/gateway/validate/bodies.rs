//! The bodies of requests that a route takes.

use crate::api::GatewayRoute;
use crate::capability::{Invalid, canonical};
use serde_json::Value;

/// The gateway's objects repeat a schema for each way in.
const MOST_BYTES: usize = 16 * 1024;

/// Returns the schema of a route's bodies.
pub fn schema(route: &GatewayRoute, field: &str, errors: &mut Vec<Invalid>) -> Option<Value> {
    let schema = route.request_schema.as_ref()?;
    let mut refuse = |message: String| errors.push(Invalid::new(format!("{field}.requestSchema"), message));
    let bytes = canonical(schema).len();
    if bytes > MOST_BYTES {
        refuse(format!("is {bytes} bytes, more than {MOST_BYTES}: shorten it"));
    } else if let Err(error) = jsonschema::validator_for(schema) {
        refuse(format!("is no JSON Schema: correct it at {}", error.instance_path()));
    }
    Some(schema.clone())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn faults(schema: Value) -> Vec<String> {
        let route = GatewayRoute {
            request_schema: Some(schema),
            ..GatewayRoute::default()
        };
        let mut errors = Vec::new();
        schema_of(&route, &mut errors);
        errors.iter().map(ToString::to_string).collect()
    }

    fn schema_of(route: &GatewayRoute, errors: &mut Vec<Invalid>) -> Option<Value> {
        schema(route, "spec.gateway.routes[0]", errors)
    }

    #[test]
    fn a_schema_that_no_gateway_can_apply_is_refused() {
        assert_eq!(
            faults(json!({"type": "object", "required": ["action", "parameters"]})),
            Vec::<String>::new()
        );
        assert_eq!(
            faults(json!({"properties": {"action": {"type": "text"}}})),
            ["spec.gateway.routes[0].requestSchema: is no JSON Schema: correct it at /properties/action/type"]
        );
        let long = "x".repeat(MOST_BYTES);
        let found = faults(json!({"description": long}));
        assert!(found[0].ends_with("more than 16384: shorten it"), "{found:?}");
    }

    #[test]
    fn a_route_without_a_schema_has_none() {
        let mut errors = Vec::new();
        assert_eq!(schema_of(&GatewayRoute::default(), &mut errors), None);
        assert!(errors.is_empty());
    }
}
