//! Extensions in the order in which they require each other, and one that the server refuses.

use crate::site::{Admin, Site, run};
use std::collections::BTreeSet;
use tenant_operator::postgres::Identifier;
use tenant_operator::postgres::client::Error;
use tenant_operator::postgres::extensions::{Available, QUERY, order};
use tenant_operator::postgres::plan::{Place, create_extension, installed, plan};

fn name(name: &str) -> Identifier {
    Identifier::new(name).expect("a name")
}

pub async fn come_in_order(site: Site, place: Place) {
    let available: Available = site.server.query(QUERY, &[]).await.expect("query");
    assert_eq!(available["earthdistance"], ["cube"]);
    assert_eq!(available["cube"], Vec::<String>::new());
    let nothing = BTreeSet::new();
    let mut tenant = site.new_tenant(&place).await;
    let asked = [name("earthdistance"), name("cube"), name("no_such")];
    let found = order(&asked, &nothing, &available);
    assert_eq!(found.install, [name("cube"), name("earthdistance")]);
    assert_eq!(found.problems.len(), 1, "{found:?}");
    tenant.wanted.extensions = found.install;
    if site.admin == Admin::CreateRole {
        // Only a superuser may install this one: the error names its statement, and all else holds.
        let catalog = site.server.observe(None).await.expect("observe");
        let steps = plan(&tenant.wanted, &catalog).expect("no conflict");
        let error = site.server.execute(&steps).await.expect_err("it is installed");
        assert!(!error.is_temporary(), "{error}");
        let Error::Refused { statement, .. } = &error else {
            panic!("{error}");
        };
        let refused = tenant.wanted.extensions.pop().expect("the last one");
        assert_eq!(*statement, create_extension(&refused).to_string(), "{error}");
    }
    site.converge(&tenant.wanted).await;
    site.is_quiet(&tenant.wanted).await;
    let call = if site.admin == Admin::Superuser {
        "SELECT earth()"
    } else {
        "SELECT cube(1)"
    };
    run(&site.session(&tenant, 0).await, call).await;
    // What is installed is known, and another order is no other state.
    let catalog = site.server.observe(None).await.expect("observe");
    let there = installed(&tenant.wanted.place, &tenant.wanted.names, &catalog);
    for extension in &tenant.wanted.extensions {
        assert!(there.contains(extension.as_str()), "{there:?}");
    }
    tenant.wanted.extensions.reverse();
    site.is_quiet(&tenant.wanted).await;
    site.remove(&tenant).await;
}
