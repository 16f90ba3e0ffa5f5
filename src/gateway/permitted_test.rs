//! Objects of kinds that the operator writes only where the chart permits it.

use super::*;

#[test]
fn envoy_gateway_is_told_of_versions_of_tls_where_the_chart_permits_it() {
    let permitted = Attachment {
        client_traffic_policies: true,
        ..attachment(Controller::EnvoyGateway)
    };
    let Written {
        objects, unsupported, ..
    } = permitted.controller.write(&way(&named("min_version")), &permitted);
    assert_eq!(unsupported, []);
    let mut policies = objects
        .iter()
        .filter(|object| object.key.kind == Kind::ClientTrafficPolicy);
    let policy = policies.next().expect("a policy");
    assert!(permitted.optional_kinds().concat().contains(&policy.key.kind));
    insta::assert_snapshot!(
        "envoy_client_policy",
        crate::api::yaml(std::slice::from_ref(&policy.value)).expect("YAML")
    );
}

#[test]
fn envoy_gateway_is_told_of_fallbacks_where_the_chart_permits_it() {
    let permitted = Attachment {
        fallbacks: true,
        ..attachment(Controller::EnvoyGateway)
    };
    let mut way = way(&named("fallback"));
    let written = permitted.controller.write(&way, &permitted);
    assert_eq!(written.unsupported, []);
    let concerns = |object: &&Desired| {
        matches!(
            object.key.kind,
            Kind::Backend | Kind::BackendTrafficPolicy | Kind::HttpRoute
        )
    };
    let values: Vec<Value> = written
        .objects
        .iter()
        .filter(concerns)
        .map(|object| object.value.clone())
        .collect();
    insta::assert_snapshot!("envoy_fallback_permitted", crate::api::yaml(&values).expect("YAML"));

    // The gateway notices a refused connection although the tenant asks for nothing.
    way.gateway.traffic = config::ValidTraffic {
        load_balancing: Some(crate::api::LoadBalancing::Random),
        ..config::ValidTraffic::default()
    };
    let written = permitted.controller.write(&way, &permitted);
    let mut objects = written.objects.iter();
    let policy = objects
        .find(|object| object.key.kind == Kind::BackendTrafficPolicy)
        .expect("a policy");
    let passive = &policy.value["spec"]["healthCheck"]["passive"];
    assert_eq!(passive["consecutiveLocalOriginFailures"], 1);
    assert_eq!(policy.value["spec"]["retry"]["numAttemptsPerPriority"], 1);
    let said: Vec<String> = written
        .unsupported
        .iter()
        .map(|unsupported| unsupported.field.clone())
        .collect();
    assert_eq!(said, ["spec.gateway.traffic.loadBalancing"]);
}
