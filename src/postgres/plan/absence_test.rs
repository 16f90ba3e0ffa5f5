//! Tests of what the plan does where a tenant has nothing, or no longer has its place.

use super::tests::{empty, known, settled};
use super::*;
use crate::postgres::catalog::{Place as Found, Role};
use std::sync::Arc;

#[test]
fn a_tenant_that_has_nothing_has_nothing_to_lose() {
    for place in [Place::Schema, Place::Database] {
        let wanted = known(place);
        let (names, id) = (&wanted.names, &*wanted.tenant_id);
        let name = names.place.as_str();
        let mut catalog = empty(160_000);
        match wanted.place {
            Place::Database => catalog.databases.insert(name.into(), Found::default()),
            _ => catalog.schemas.insert(name.into(), Found::default()),
        };
        assert!(plan(&wanted, &catalog).is_err(), "it is of others");
        for result in [
            removal(names, id, &catalog),
            retention(names, id, &catalog),
            suspension(names, id, &catalog),
        ] {
            assert_eq!(result, Ok(Vec::new()));
        }
        assert!(has_nothing(names, id, &catalog));
        // A role of its name might be its login.
        catalog.roles.insert(name.into(), Arc::new(Role::default()));
        assert!(!has_nothing(names, id, &catalog) && retention(names, id, &catalog).is_err());
        assert!(!has_nothing(names, id, &settled(&wanted)));
    }
}

#[test]
fn everything_in_the_way_is_named() {
    let wanted = known(Place::Schema);
    let name = wanted.names.place.as_str();
    let mut catalog = empty(160_000);
    catalog.schemas.insert(name.into(), Found::default());
    let one = plan(&wanted, &catalog).expect_err("a conflict").to_string();
    assert!(
        one.starts_with(&format!("schema {name} exists")) && one.ends_with("leaves it unchanged"),
        "{one}"
    );
    catalog.roles.insert(name.into(), Arc::new(Role::default()));
    let both = plan(&wanted, &catalog).expect_err("a conflict").to_string();
    let end = format!("2 objects in all are in the way: the others are schema {name}");
    assert!(
        both.starts_with(&format!("role {name} exists")) && both.ends_with(&end),
        "{both}"
    );
}

#[test]
fn a_place_that_is_gone_is_missed_by_its_mark() {
    for place in [Place::Schema, Place::Database] {
        let wanted = known(place);
        let name = wanted.names.place.as_str();
        assert_eq!(missing_place(&wanted, &empty(160_000)), None, "it never was");
        let mut catalog = settled(&wanted);
        assert_eq!(missing_place(&wanted, &catalog), None);
        catalog.schemas.remove(name);
        catalog.databases.remove(name);
        let missing = missing_place(&wanted, &catalog).expect("it is gone");
        assert_eq!((missing.name, missing.oid), (name, 7));
        for mark in catalog.marks.values_mut() {
            mark.tenant_id = "other".into();
        }
        assert_eq!(missing_place(&wanted, &catalog), None, "it is another's");
    }
}
