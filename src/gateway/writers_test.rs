//! What each gateway is told in each case, and what it is found not to be able to.

use super::cases::{self, Case};
use super::*;
use crate::tenant::fixtures::{platform, tenant, tier, world};
use crate::tenant::validate::{World, validate};
use serde_json::json;

/// A case's way in, where the hosts that all share are `api.example.com`.
pub fn way(case: &Case) -> Way {
    let world = World {
        shared_hosts: platform().gateway.map(|to| to.shared_hosts),
        ..world(&[])
    };
    let tier = tier(json!({"gateway": case.tier}));
    let valid = validate(&tenant(case.spec.clone()), &tier, &world);
    let valid = valid.unwrap_or_else(|errors| panic!("{}: {errors:?}", case.name));
    Way::of(&valid, &world.shared_hosts.unwrap_or_default()).expect(case.name)
}

pub fn attachment(controller: Controller) -> Attachment {
    Attachment {
        controller,
        ..platform().gateway.expect("a gateway")
    }
}

fn text(case: &Case, controller: Controller) -> String {
    let Written { objects, inexpressible } = controller.write(&way(case), &attachment(controller));
    let values: Vec<Value> = objects.iter().map(|object| object.value.clone()).collect();
    let cannot = inexpressible
        .iter()
        .map(|Inexpressible { field, message }| format!("# {field}: {message}\n"));
    crate::api::yaml(&values).expect("YAML") + &cannot.collect::<String>()
}

fn snapshots(controller: Controller, name: &str) {
    for case in cases::all() {
        insta::assert_snapshot!(format!("{name}_{}", case.name), text(&case, controller));
    }
}

#[test]
fn apisix_is_told() {
    snapshots(Controller::Apisix, "apisix");
}

#[test]
fn envoy_gateway_is_told() {
    snapshots(Controller::EnvoyGateway, "envoy");
}

#[test]
fn every_object_is_of_a_kind_that_is_watched_and_has_a_name_of_its_own() {
    for controller in [Controller::Apisix, Controller::EnvoyGateway] {
        for case in cases::all() {
            let objects = controller.write(&way(&case), &attachment(controller)).objects;
            let kinds: Vec<Kind> = objects.iter().map(|object| object.key.kind).collect();
            assert!(
                kinds.iter().all(|kind| controller.kinds().contains(kind)),
                "{}: {kinds:?}",
                case.name
            );
            let mut keys: Vec<&Key> = objects.iter().map(|object| &object.key).collect();
            keys.sort();
            keys.dedup();
            assert_eq!(keys.len(), objects.len(), "{}: a name is there twice", case.name);
        }
    }
}
