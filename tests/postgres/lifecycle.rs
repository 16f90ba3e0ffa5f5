//! A tenant comes, changes its password, closes, comes back, and goes.

use crate::site::{Admin, Site, run, state, text};
use tenant_operator::postgres::client::Error;
use tenant_operator::postgres::plan::{Login, Place, retention};

pub async fn comes_stays_and_goes(site: Site, place: Place) {
    let mut tenant = site.tenant(&place);
    let before = facts(&site).await;
    site.converge(&tenant.wanted).await;
    tenant.settle();
    site.is_quiet(&tenant.wanted).await;
    let names = tenant.wanted.names.clone();
    let database = site.database_of(&tenant.wanted);

    let who = site
        .server
        .log_in(tenant.login(0), &tenant.passwords[0], &database)
        .await
        .expect("login")
        .who;
    let schema = if place == Place::Schema {
        tenant.owner()
    } else {
        "public"
    };
    assert_eq!(who, [tenant.login(0), tenant.owner(), &database, schema]);
    let session = site.session(&tenant, 0).await;
    run(
        &session,
        "CREATE TABLE kept (id int PRIMARY KEY); INSERT INTO kept VALUES (1), (2)",
    )
    .await;
    assert_eq!(
        text(
            &session,
            "SELECT tableowner::text FROM pg_tables WHERE tablename = 'kept'"
        )
        .await,
        tenant.owner()
    );

    // Rotation: the other login comes beside the first, then the first goes.
    tenant.wanted.logins[1] = Login {
        open: true,
        password: Some(tenant.passwords[1].verifier()),
    };
    site.converge(&tenant.wanted).await;
    tenant.settle();
    let other = site.session(&tenant, 1).await;
    run(
        &other,
        "ALTER TABLE kept ADD COLUMN note text; INSERT INTO kept VALUES (3)",
    )
    .await;
    run(&session, "INSERT INTO kept VALUES (4)").await;
    tenant.wanted.logins[0].open = false;
    site.converge(&tenant.wanted).await;
    site.is_quiet(&tenant.wanted).await;
    assert!(
        session.batch_execute("SELECT 1").await.is_err(),
        "a session of the old login lives"
    );
    run(&other, "INSERT INTO kept VALUES (5)").await;
    let refused = site
        .server
        .log_in(tenant.login(0), &tenant.passwords[0], &database)
        .await;
    assert!(matches!(refused, Err(Error::Authentication(_))), "{refused:?}");
    let wrong = site
        .server
        .log_in(tenant.login(1), &tenant.passwords[0], &database)
        .await;
    assert!(matches!(wrong, Err(Error::Authentication(_))), "{wrong:?}");

    // Read only, and back.
    tenant.wanted.writable = false;
    site.converge(&tenant.wanted).await;
    site.is_quiet(&tenant.wanted).await;
    assert!(
        other.batch_execute("SELECT 1").await.is_err(),
        "a session that writes lives"
    );
    let other = site.session(&tenant, 1).await;
    assert_eq!(text(&other, "SELECT count(*)::text FROM kept").await, "5");
    for refused in [
        "INSERT INTO kept VALUES (6)",
        "UPDATE kept SET note = 'x'",
        "CREATE TABLE more ()",
        "DROP TABLE kept",
        &format!("SET ROLE {}", tenant.owner()),
    ] {
        // Up to 14 the schema public of a new database is the superuser's, and open to all who may connect.
        if site.pg.major < 15
            && site.admin == Admin::CreateRole
            && place == Place::Database
            && refused.starts_with("CREATE")
        {
            continue;
        }
        assert_eq!(state(&other, refused).await, "42501", "{refused}");
    }
    run(&other, "DELETE FROM kept WHERE id = 5").await;
    tenant.wanted.writable = true;
    site.converge(&tenant.wanted).await;
    site.is_quiet(&tenant.wanted).await;
    let other = site.session(&tenant, 1).await;
    run(&other, "INSERT INTO kept VALUES (7)").await;

    // Retained, and reclaimed.
    let close = |catalog: &_| retention(&names, &tenant.wanted.tenant_id, catalog);
    site.repeat(&names, close).await.expect("retention");
    assert!(other.batch_execute("SELECT 1").await.is_err(), "a session lives");
    let refused = site
        .server
        .log_in(tenant.login(1), &tenant.passwords[1], &database)
        .await;
    assert!(matches!(refused, Err(Error::Authentication(_))), "{refused:?}");
    tenant.wanted.logins[1].password = Some(tenant.passwords[1].verifier());
    site.converge(&tenant.wanted).await;
    tenant.settle();
    let other = site.session(&tenant, 1).await;
    assert_eq!(
        text(&other, "SELECT string_agg(id::text, ' ' ORDER BY id) FROM kept").await,
        "1 2 3 4 7"
    );

    site.remove(&tenant).await;
    assert_eq!(facts(&site).await, before);
}

/// All that is known of tenants anywhere in the records' database and in the catalogs that all databases share.
async fn facts(site: &Site) -> String {
    let root = site.root().await;
    // The operator's own traces, and other tests' tenants, are not this one's.
    text(&root, "SELECT concat_ws(' ', \
        (SELECT count(*) FROM tenant_operator.object), (SELECT count(*) FROM tenant_operator.intent), \
        (SELECT count(*) FROM pg_namespace), (SELECT count(*) FROM pg_class), (SELECT count(*) FROM pg_proc), \
        (SELECT count(*) FROM pg_type), (SELECT count(*) FROM pg_default_acl), (SELECT count(*) FROM pg_largeobject_metadata), \
        (SELECT datacl FROM pg_database WHERE datname = current_database()))").await
}
