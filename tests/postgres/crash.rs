//! The operator is cut off after each statement in turn; the next one comes to the same end.

use crate::proxy::Proxy;
use crate::site::{Site, Tenant, dump};
use tenant_operator::postgres::plan::{Login, Place, Wanted, removal};
use tenant_operator::postgres::{Identifier, Names};

/// More statements than any change needs.
const BOUND: usize = 120;

/// The change of a tenant.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Change {
    Made,
    Rotated,
    Closed,
    ReadOnly,
    Extended,
    Removed,
}

pub async fn while_made(site: Site, place: Place) {
    comes_to_the_same_end(site, place, Change::Made).await;
}

pub async fn while_rotated(site: Site, place: Place) {
    comes_to_the_same_end(site, place, Change::Rotated).await;
}

pub async fn while_closed(site: Site, place: Place) {
    comes_to_the_same_end(site, place, Change::Closed).await;
}

pub async fn while_read_only(site: Site, place: Place) {
    comes_to_the_same_end(site, place, Change::ReadOnly).await;
}

pub async fn while_extended(site: Site, place: Place) {
    comes_to_the_same_end(site, place, Change::Extended).await;
}

pub async fn while_removed(site: Site, place: Place) {
    comes_to_the_same_end(site, place, Change::Removed).await;
}

async fn comes_to_the_same_end(site: Site, place: Place, change: Change) {
    let anew = matches!(change, Change::Made | Change::Removed);
    let mut tenant = before(&site, &place, change).await;
    let start = tenant.wanted.clone();
    let uncut = apply(&site, &mut tenant, change).await;
    uncut.unwrap_or_else(|why| panic!("{change:?}: {why}"));
    let expected = facts(&site, &tenant).await;
    let mut cut = 0;
    // Until its database is begun, it is made like a schema's tenant.
    let first = if place == Place::Database && change == Change::Made {
        15
    } else {
        1
    };
    for n in first..=BOUND {
        match anew {
            true => {
                if change == Change::Made {
                    site.remove(&tenant).await;
                }
                tenant = before(&site, &place, change).await;
            }
            false => go_back(&site, &mut tenant, &start, change).await,
        }
        let proxy = Proxy::start(site.pg.port, n).await;
        let mut address = site.address.clone();
        address.port = proxy.port;
        let through = Site::at(&site.pg, site.admin, address);
        let done = apply(&through, &mut tenant, change).await;
        if done.is_err() {
            cut += 1;
            let fresh = Site::at(&site.pg, site.admin, site.address.clone());
            let mut again = apply(&fresh, &mut tenant, change).await;
            // The statement that was cut off may still be at work: a database of that name just comes about, or a row of the catalog is changed.
            if again
                .as_ref()
                .is_err_and(|why| ["(23505)", "(42P04)", "(XX000)"].iter().any(|code| why.contains(code)))
            {
                again = apply(&fresh, &mut tenant, change).await;
            }
            again.unwrap_or_else(|why| panic!("{change:?} cut after {n}: {why}"));
        }
        assert_eq!(facts(&site, &tenant).await, expected, "{change:?} cut after {n}");
        if change != Change::Removed {
            let which = usize::from(matches!(change, Change::Rotated | Change::Closed));
            tenant.settle();
            site.is_quiet(&tenant.wanted).await;
            drop(site.session(&tenant, which).await);
        }
        if done.is_ok() {
            break;
        }
        assert!(n < BOUND, "{change:?} never ends");
    }
    assert!(cut >= 5, "{change:?} was cut {cut} times only");
    if change != Change::Removed {
        site.remove(&tenant).await;
    }
}

/// Restores the state before the change.
async fn go_back(site: &Site, tenant: &mut Tenant, start: &Wanted, change: Change) {
    tenant.wanted = start.clone();
    site.converge(&tenant.wanted).await;
    let root = crate::site::superuser(&site.pg, &site.database_of(start)).await;
    match change {
        Change::Rotated => {
            let login = tenant.login(1);
            crate::site::run(&root, &format!("DROP OWNED BY {login}; DROP ROLE {login}")).await;
        }
        Change::Extended => {
            let drop = "DROP EXTENSION IF EXISTS pgcrypto CASCADE; DROP SCHEMA IF EXISTS extensions CASCADE";
            crate::site::run(&root, drop).await;
            let again = "UPDATE tenant_operator.object SET revision = NULL WHERE kind = 'database'";
            crate::site::run(&site.root().await, again).await;
            site.converge(&tenant.wanted).await;
        }
        _ => {}
    }
}

async fn before(site: &Site, place: &Place, change: Change) -> Tenant {
    if change == Change::Made {
        return site.tenant(place);
    }
    let mut tenant = site.new_tenant(place).await;
    if change == Change::Closed {
        tenant.wanted.logins[1] = Login {
            open: true,
            password: Some(tenant.passwords[1].verifier()),
        };
        site.converge(&tenant.wanted).await;
        tenant.settle();
    }
    if change == Change::Removed || change == Change::ReadOnly {
        let session = site.session(&tenant, 0).await;
        crate::site::run(&session, "CREATE TABLE t (id serial PRIMARY KEY)").await;
    }
    tenant
}

async fn apply(site: &Site, tenant: &mut Tenant, change: Change) -> Result<(), String> {
    let wanted = &mut tenant.wanted;
    match change {
        Change::Made => {}
        Change::Rotated => {
            wanted.logins[1] = Login {
                open: true,
                password: Some(tenant.passwords[1].verifier()),
            }
        }
        Change::Closed => wanted.logins[0].open = false,
        Change::ReadOnly => wanted.writable = false,
        Change::Extended => wanted.extensions = vec![Identifier::new("pgcrypto").expect("valid")],
        Change::Removed => {
            let steps = |catalog: &_| removal(&wanted.names, &wanted.tenant_id, catalog);
            return site
                .repeat(&wanted.names, steps)
                .await
                .map(drop)
                .map_err(|error| error.to_string());
        }
    }
    site.try_converge(wanted).await.map(drop)
}

/// Returns a tenant's facts, without its name.
async fn facts(site: &Site, tenant: &Tenant) -> String {
    let names: &Names = &tenant.wanted.names;
    let facts = dump(site, names).await;
    let facts = facts
        .replace(names.owner.as_str(), "T")
        .replace(&tenant.wanted.tenant_id, "ID");
    // Settings in one database would name it by a number.
    facts.lines().collect::<Vec<_>>().join("\n")
}
