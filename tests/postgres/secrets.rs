//! No password reaches the server's log, in any setting of its log or of its storage of passwords.

use crate::site::{Site, run, superuser};
use tenant_operator::postgres::plan::{Login, Place};

pub async fn stay_out_of_the_log(site: Site, place: Place) {
    let pg = site.pg;
    let root = superuser(&pg, "postgres").await;
    for setting in [
        "password_encryption = md5",
        "log_statement = 'all'",
        "log_min_duration_statement = 0",
        "log_min_messages = debug2",
        "log_error_verbosity = verbose",
        "log_parameter_max_length_on_error = -1",
    ] {
        run(&root, &format!("ALTER SYSTEM SET {setting}")).await;
    }
    run(&root, "SELECT pg_reload_conf()").await;
    let site = Site::new(&pg, site.admin).await;
    let mut issued = vec![site.address.password.clone()];
    let mut tenant = site.new_tenant(&place).await;
    for (which, other) in [(1, 0), (0, 1), (1, 0)] {
        let password = tenant_operator::postgres::password::Password::random();
        tenant.passwords[which] = password.clone();
        issued.push(password.clone());
        tenant.wanted.logins[which] = Login {
            open: true,
            password: Some(password.verifier()),
        };
        site.converge(&tenant.wanted).await;
        let database = site.database_of(&tenant.wanted);
        site.server
            .log_in(tenant.login(which), &password, &database)
            .await
            .expect("login");
        assert!(
            site.server
                .log_in(tenant.login(which), &tenant.passwords[other], &database)
                .await
                .is_err()
        );
        tenant.wanted.logins[other].open = false;
        tenant.settle();
        site.converge(&tenant.wanted).await;
    }
    issued.extend(tenant.passwords.iter().cloned());
    // One that the server refuses stands in no error either.
    let statement = tenant_operator::sql!["ALTER ROLE nobody_of_this_name PASSWORD ", &issued[0].verifier()];
    let step = tenant_operator::postgres::plan::Step {
        venue: tenant_operator::postgres::plan::Venue::Alone,
        statement,
    };
    let refused = site.server.execute(&[step]).await.expect_err("there is no such role");
    assert!(
        !refused.to_string().contains("SCRAM") && !format!("{refused:?}").contains("SCRAM"),
        "{refused}"
    );
    site.remove(&tenant).await;
    let log = pg.logged();
    assert!(
        log.contains("ALTER ROLE") && log.contains("SCRAM-SHA-256$"),
        "control: nothing was logged"
    );
    for password in &issued {
        assert!(
            !log.contains(password.reveal()),
            "a password stands in {}",
            pg.log.display()
        );
    }
}
