//! Tests of the plan for tenants that a shared application serves.

use super::tests::{empty, known, membership, settled, shown, wanted};
use super::*;
use crate::postgres::version::{PG_15, PG_16};

fn shop() -> Identifier {
    Identifier::new("shop").expect("valid")
}

fn served(wanted: Wanted) -> Wanted {
    Wanted {
        applications: Some(vec![shop()]),
        ..wanted
    }
}

#[test]
fn an_application_becomes_the_owner_and_the_tenants_logins_the_reader() {
    for (version, options) in [(PG_16, " WITH INHERIT FALSE, SET TRUE\n"), (PG_15, "\n")] {
        let wanted = served(wanted(Place::Schema));
        let (owner, reader) = (&wanted.names.owner, &wanted.names.reader);
        let steps = shown(&plan(&wanted, &empty(version)).expect("no conflict"));
        for expected in [
            format!("GRANT {owner} TO \"shop\"{options}"),
            format!("GRANT {reader} TO {}{options}", wanted.names.logins[0]),
            format!(
                "IN SCHEMA {} GRANT SELECT, DELETE, TRUNCATE ON TABLES TO {reader}\n",
                wanted.names.place
            ),
        ] {
            assert!(steps.contains(&expected), "{expected}\n{steps}");
        }
        assert!(
            !steps.contains(&format!("GRANT {owner} TO {}", wanted.names.logins[0])),
            "{steps}"
        );
    }
}

#[test]
fn an_application_comes_after_the_sessions_that_could_make_something() {
    let wanted = served(known(Place::Schema));
    let catalog = settled(&wanted);
    let steps = shown(&plan(&wanted, &catalog).expect("no conflict"));
    assert!(steps.contains("pg_terminate_backend"), "{steps}");
    assert!(!steps.contains("\"shop\""), "{steps}");
}

#[test]
fn only_the_membership_that_is_meant_stays() {
    let wanted = known(Place::Schema);
    let mut catalog = settled(&wanted);
    let owner = wanted.names.owner.as_str();
    let add = |catalog: &mut Catalog, member| {
        let role = catalog.roles.get_mut(owner).expect("owner");
        std::sync::Arc::make_mut(role).members.push(member);
    };
    add(&mut catalog, membership("shop", false));
    let steps = shown(&plan(&wanted, &catalog).expect("no conflict"));
    let revoke = format!(
        "REVOKE {} FROM \"shop\" GRANTED BY \"operator\" CASCADE\n",
        wanted.names.owner
    );
    assert_eq!(steps, revoke, "no application serves it");
    let (closed, id) = (
        suspension(&wanted.names, &wanted.tenant_id, &catalog),
        &wanted.tenant_id,
    );
    assert!(shown(&closed.expect("no conflict")).starts_with(&revoke));
    let steps = shown(&removal(&wanted.names, id, &catalog).expect("no conflict"));
    assert!(steps.contains(&revoke), "{steps}");
    for (inherit, admin) in [(true, false), (false, true)] {
        let mut catalog = settled(&wanted);
        let membership = crate::postgres::catalog::Membership {
            admin,
            ..membership("shop", inherit)
        };
        add(&mut catalog, membership);
        let steps = shown(&plan(&served(wanted.clone()), &catalog).expect("no conflict"));
        assert!(steps.contains(&revoke), "{steps}");
    }
}

#[test]
fn an_application_may_connect_to_the_tenants_database_and_nothing_more() {
    let wanted = served(known(Place::Database));
    let mut catalog = settled(&wanted);
    let place = wanted.names.place.as_str();
    let grant = |privilege: &str| crate::postgres::catalog::Grant {
        grantee: Some("shop".into()),
        privilege: privilege.into(),
        grantable: false,
    };
    let revoke = format!("REVOKE ALL ON DATABASE {} FROM \"shop\" CASCADE\n", wanted.names.place);
    for (privilege, revoked) in [("CONNECT", false), ("TEMPORARY", true)] {
        catalog
            .databases
            .get_mut(place)
            .expect("database")
            .grants
            .push(grant(privilege));
        let steps = shown(&plan(&wanted, &catalog).expect("no conflict"));
        assert_eq!(steps.contains(&revoke), revoked, "{privilege}: {steps}");
    }
}
