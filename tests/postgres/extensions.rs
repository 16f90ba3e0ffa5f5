//! Extensions in the order in which they require each other, and one that the server refuses.

use crate::site::{Site, run};
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
    site.converge(&tenant.wanted).await;
    site.is_quiet(&tenant.wanted).await;
    run(&site.session(&tenant, 0).await, "SELECT earth()").await;
    // What is installed needs no file any more, and no other order is another state.
    let catalog = site.server.observe(None).await.expect("observe");
    let there = installed(&tenant.wanted.place, &tenant.wanted.names, &catalog);
    assert!(
        ["cube", "earthdistance", "plpgsql"]
            .iter()
            .all(|name| there.contains(*name)),
        "{there:?}"
    );
    tenant.wanted.extensions.reverse();
    site.is_quiet(&tenant.wanted).await;

    // Only a superuser may install this one: the error names its statement, and all else holds.
    let refused = name("pageinspect");
    assert!(available.contains_key(refused.as_str()));
    tenant.wanted.extensions.push(refused.clone());
    let steps = plan(&tenant.wanted, &catalog).expect("no conflict");
    let error = site.server.execute(&steps).await.expect_err("it is installed");
    assert!(!error.is_temporary(), "{error}");
    let Error::Refused { statement, .. } = &error else {
        panic!("{error}");
    };
    assert_eq!(*statement, create_extension(&refused).to_string(), "{error}");
    tenant.wanted.extensions.pop();
    site.converge(&tenant.wanted).await;
    site.remove(&tenant).await;
}
