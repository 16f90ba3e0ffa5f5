//! Tenants with logins of their own: the policy follows the login's tenant.

use crate::shared::world::{A, B, DENIED, World, allowed, ask, copy, one, refused};
use tenant_operator::postgres::shared::{RegistryRow, Settings, TenantDetails};

/// Returns tables, with the tenant column's value in each.
async fn tables(world: &World, id: &str) -> [(&'static str, String); 4] {
    [
        ("calls", format!("'{id}'")),
        ("notes", format!("'{id}'")),
        ("draft_actions", world.number(id).await.to_string()),
        ("events", format!("'{id}'")),
    ]
}

pub async fn its_own_rows_only(world: World) {
    let (a, b) = (world.tenant(A).await, world.tenant(B).await);
    let others = tables(&world, B).await;
    for (i, (table, own)) in tables(&world, A).await.iter().enumerate() {
        let other = &others[i].1;
        let values = |tenant: &str| match *table {
            "events" => format!("INSERT INTO events (tenant_id, day, text) VALUES ({tenant}, 3, 'new')"),
            table => format!("INSERT INTO {table} (tenant_id, text) VALUES ({tenant}, 'new')"),
        };
        // The control: there are four, and the probe sees them where it may.
        assert_eq!(
            one(&world.root, &format!("SELECT count(*) FROM app.{table}")).await,
            "4"
        );
        let count = format!("SELECT count(*) FROM {table}");
        assert_eq!(one(&a, &count).await, "2", "{table}");
        // hotdash's test.
        let of_others = format!("SELECT * FROM {table} WHERE tenant_id = {other}");
        assert_eq!(ask(&a, &of_others).await, Ok(vec![]));
        assert_eq!(ask(&b, &of_others).await.unwrap().len(), 2);
        // A function that tells what it is given sees no other's rows.
        allowed(&world.root, "CREATE OR REPLACE FUNCTION app.tell(text) RETURNS boolean LANGUAGE plpgsql COST 0.0000001 AS \
             $$ BEGIN RAISE NOTICE 'seen %', $1; IF $1 <> 'one' AND $1 <> 'two' THEN RAISE 'seen %', $1; END IF; RETURN true; END $$;
             GRANT EXECUTE ON FUNCTION app.tell(text) TO PUBLIC")
            .await;
        allowed(
            &a,
            &format!("SELECT * FROM {table} WHERE app.tell(CASE WHEN tenant_id = {own} THEN 'one' ELSE 'secret' END)"),
        )
        .await;
        refused(
            &world.root,
            &format!(
                "SELECT * FROM app.{table} WHERE app.tell(CASE WHEN tenant_id = {own} THEN 'one' ELSE 'secret' END)"
            ),
            "P0001",
        )
        .await;
        // Nor does a built-in one that fails on them.
        allowed(
            &a,
            &format!("SELECT 1 / (CASE WHEN tenant_id = {own} THEN 1 ELSE 0 END) FROM {table}"),
        )
        .await;
        refused(
            &b,
            &format!("SELECT 1 / (CASE WHEN tenant_id = {own} THEN 1 ELSE 0 END) FROM {table}"),
            "22012",
        )
        .await;
        // Writing.
        refused(&a, &values(other), DENIED).await;
        assert_eq!(
            ask(&a, &format!("{} RETURNING text", values(own))).await,
            Ok(vec!["new".into()])
        );
        refused(&a, &format!("UPDATE {table} SET tenant_id = {other}"), DENIED).await;
        assert_eq!(
            ask(
                &a,
                &format!("UPDATE {table} SET text = 'x' WHERE tenant_id = {other} RETURNING text")
            )
            .await,
            Ok(vec![])
        );
        assert_eq!(
            ask(
                &a,
                &format!("DELETE FROM {table} WHERE tenant_id = {other} RETURNING text")
            )
            .await,
            Ok(vec![])
        );
        assert_eq!(
            ask(
                &a,
                &format!("SELECT * FROM {table} WHERE tenant_id = {other} FOR UPDATE")
            )
            .await,
            Ok(vec![])
        );
        assert_eq!(
            ask(&a, &format!("DELETE FROM {table} WHERE text = 'new' RETURNING text")).await,
            Ok(vec!["new".into()])
        );
        // COPY cannot write where row-level security holds, and reads what may be read.
        assert_eq!(
            copy(
                &a,
                &format!("COPY (SELECT text FROM {table} WHERE tenant_id = {other}) TO STDOUT")
            )
            .await
            .as_deref(),
            Ok("")
        );
        assert_eq!(
            copy(
                &b,
                &format!("COPY (SELECT text FROM {table} WHERE tenant_id = {other}) TO STDOUT")
            )
            .await
            .unwrap()
            .lines()
            .count(),
            2
        );
        assert_eq!(
            copy(&a, &format!("COPY (SELECT * FROM {table}) TO STDOUT"))
                .await
                .unwrap()
                .lines()
                .count(),
            2
        );
        refused(&a, &format!("COPY {table} FROM STDIN"), "0A000").await;
        refused(&a, &format!("COPY {table} TO PROGRAM 'cat'"), DENIED).await;
        // Commands that consult no policy.
        refused(&a, &format!("TRUNCATE {table}"), DENIED).await;
        refused(&a, &format!("CREATE TRIGGER x BEFORE INSERT ON {table} EXECUTE FUNCTION pg_catalog.suppress_redundant_updates_trigger()"), DENIED).await;
        refused(&a, &format!("ALTER TABLE {table} DISABLE ROW LEVEL SECURITY"), DENIED).await;
        refused(&a, &format!("ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY"), DENIED).await;
        refused(&a, &format!("CREATE POLICY x ON {table} USING (true)"), DENIED).await;
        refused(
            &a,
            &format!("CREATE VIEW pg_temp.v AS SELECT * FROM {table}; ALTER TABLE {table} OWNER TO CURRENT_USER"),
            DENIED,
        )
        .await;
        // Switched off, it is an error and not all rows.
        refused(&a, &format!("SET row_security = off; SELECT * FROM {table}"), DENIED).await;
        allowed(&a, "RESET row_security").await;
        // The application's way in is not the tenant's.
        let forged = format!(
            "BEGIN; SET LOCAL app.current_tenant_id = {}; SELECT count(*) FROM {table}; COMMIT",
            if *table == "draft_actions" {
                format!("'{other}'")
            } else {
                other.clone()
            }
        );
        assert_eq!(one(&a, &forged).await, "2");
        if world.version >= 15 && *table != "events" {
            let merge =
                format!("MERGE INTO {table} t USING (SELECT 1) s ON t.tenant_id = {other} WHEN MATCHED THEN DELETE");
            allowed(&a, &merge).await;
            refused(&a, &format!("MERGE INTO {table} t USING (SELECT 1) s ON false WHEN NOT MATCHED THEN INSERT (tenant_id) VALUES ({other})"), DENIED).await;
        }
        assert_eq!(
            one(&world.root, &format!("SELECT count(*) FROM app.{table}")).await,
            "4"
        );
    }
    // An upsert that meets another's row neither changes nor shows it.
    let id = one(&b, "SELECT min(id) FROM calls").await;
    let upsert =
        format!("INSERT INTO calls (tenant_id, id, text) VALUES ('{B}', {id}, 'x') ON CONFLICT (tenant_id, id) DO");
    refused(&a, &format!("{upsert} UPDATE SET text = 'x' RETURNING text"), DENIED).await;
    refused(&a, &format!("{upsert} NOTHING RETURNING text"), DENIED).await;
    assert_eq!(
        ask(&b, &format!("{upsert} UPDATE SET text = 'x' RETURNING text")).await,
        Ok(vec!["x".into()])
    );
    // Partitions are not granted, and protected all the same.
    refused(&a, "SELECT * FROM events_1", DENIED).await;
    world
        .sql(&format!(
            "GRANT SELECT ON app.events_1, app.events_2_1 TO {}",
            shared_group()
        ))
        .await;
    assert_eq!(one(&a, "SELECT count(*) FROM events_1").await, "1");
    assert_eq!(one(&a, "SELECT count(*) FROM events_2_1").await, "1");
}

fn shared_group() -> &'static str {
    super::world::GROUP
}

pub async fn nothing_goes_around(world: World) {
    let a = world.tenant(A).await;
    // A view of the owner's, whom FORCE binds too, shows the tenant what it sees itself, and its owner nothing.
    world.sql("SET ROLE app_owner; CREATE VIEW app.all_calls AS SELECT * FROM app.calls; GRANT SELECT ON app.all_calls TO PUBLIC; RESET ROLE").await;
    assert_eq!(one(&a, "SELECT count(*) FROM all_calls").await, "2");
    assert_eq!(
        one(&a, &format!("SELECT count(*) FROM all_calls WHERE tenant_id = '{A}'")).await,
        "2"
    );
    assert_eq!(
        one(&world.root, "SET ROLE app_owner; SELECT count(*) FROM app.all_calls").await,
        "0"
    );
    allowed(&world.root, "RESET ROLE").await;
    // The control: a superuser's view shows all.
    world.sql("CREATE VIEW app.really_all_calls AS SELECT * FROM app.calls; GRANT SELECT ON app.really_all_calls TO PUBLIC").await;
    assert_eq!(one(&a, "SELECT count(*) FROM really_all_calls").await, "4");
    if world.version >= 15 {
        world
            .sql("ALTER VIEW app.really_all_calls SET (security_invoker = true)")
            .await;
        assert_eq!(one(&a, "SELECT count(*) FROM really_all_calls").await, "2");
    }
    // The same of functions.
    world.sql("CREATE FUNCTION app.count_calls() RETURNS bigint SECURITY DEFINER LANGUAGE sql AS 'SELECT count(*) FROM app.calls'").await;
    assert_eq!(one(&a, "SELECT app.count_calls()").await, "4");
    world.sql("ALTER FUNCTION app.count_calls() OWNER TO app_owner").await;
    assert_eq!(one(&a, "SELECT app.count_calls()").await, "0");
    // The tenant is not somebody else.
    for role in ["app", "migrator", "app_owner", "postgres"] {
        refused(&a, &format!("SET ROLE {role}"), DENIED).await;
    }
    // As the group it is no tenant; from 16 on it cannot become it.
    let become_group = format!("SET ROLE {}", shared_group());
    if world.version >= 16 {
        refused(&a, &become_group, DENIED).await;
    } else {
        allowed(&a, &become_group).await;
        assert_eq!(one(&a, "SELECT count(*) FROM app.calls").await, "0");
    }
    // As its own login it may do nothing, and back it is itself.
    allowed(&a, "SET ROLE NONE").await;
    refused(&a, "SELECT count(*) FROM app.calls", DENIED).await;
    allowed(&a, "RESET ROLE").await;
    assert_eq!(one(&a, "SELECT count(*) FROM calls").await, "2");
    // A path of its own changes nothing in policies.
    refused(&a, "CREATE TABLE app.login (role name, tenant_id uuid)", DENIED).await;
    let trojan = format!(
        "CREATE TEMP TABLE login AS SELECT current_user::name AS role, '{B}'::uuid AS tenant_id; SET search_path = pg_temp, app; SELECT count(*) FROM app.calls WHERE tenant_id = '{B}'"
    );
    match ask(&a, &trojan).await {
        Ok(rows) => assert_eq!(rows, ["0"]),
        // Without temporary tables in this database.
        Err(error) => assert!(error.starts_with(DENIED), "{error}"),
    }
    // Keys tell whether a row is there: the reason why they are reported.
    let id = one(
        &world.root,
        &format!("SELECT min(id) FROM app.calls WHERE tenant_id = '{B}'"),
    )
    .await;
    world.sql("SET ROLE app_owner; CREATE UNIQUE INDEX ON app.calls (id); CREATE TABLE app.parts (tenant_id uuid NOT NULL, call bigint REFERENCES app.calls (id)); RESET ROLE").await;
    let mut world = world;
    world.spec[0].tables.push("parts".into());
    world.tend().await;
    allowed(&a, &format!("INSERT INTO parts VALUES ('{A}', {id})")).await;
    refused(&a, &format!("INSERT INTO parts VALUES ('{A}', -1)"), "23503").await;
    // Their owner, for FORCE; and the migration role, which sees and writes all.
    let migrator = world.connect("migrator", "platform").await;
    assert_eq!(one(&migrator, "SELECT count(*) FROM app.calls").await, "4");
    assert_eq!(
        one(&migrator, "SET ROLE app_owner; SELECT count(*) FROM app.calls").await,
        "0"
    );
    allowed(
        &migrator,
        &format!("RESET ROLE; UPDATE app.calls SET text = 'x' WHERE tenant_id = '{B}'"),
    )
    .await;
    assert_eq!(
        one(&world.root, "SELECT count(*) FROM app.calls WHERE text = 'x'").await,
        "2"
    );
}

pub async fn the_registry(world: World) {
    let (a, app, migrator) = (
        world.tenant(A).await,
        world.connect("app", "platform").await,
        world.connect("migrator", "platform").await,
    );
    let names = "SELECT name FROM tenant_registry.tenant ORDER BY name";
    assert_eq!(ask(&a, names).await, Ok(vec!["it's \\ tenant \"A\"".into()]));
    assert_eq!(ask(&app, names).await.unwrap().len(), 2);
    assert_eq!(ask(&migrator, names).await.unwrap().len(), 2);
    assert_eq!(one(&a, "SELECT tenant_id FROM tenant_registry.login").await, A);
    // Policies look there with the rights of whoever asks: each role finds itself only.
    for (client, itself) in [(&app, "0"), (&migrator, "0"), (&a, "1")] {
        assert_eq!(one(client, "SELECT count(*) FROM tenant_registry.login").await, itself);
    }
    let stranger = "CREATE ROLE stranger LOGIN PASSWORD 'platform'; GRANT CONNECT ON DATABASE platform TO stranger";
    world.sql(stranger).await;
    let stranger = world.connect("stranger", "platform").await;
    assert_eq!(
        ask(&stranger, "SELECT id, number FROM tenant_registry.tenant").await,
        Ok(vec![])
    );
    refused(&stranger, "SELECT name FROM tenant_registry.tenant", DENIED).await;
    for client in [&a, &app, &migrator] {
        refused(
            client,
            "INSERT INTO tenant_registry.tenant (id, name) VALUES (gen_random_uuid(), 'x')",
            DENIED,
        )
        .await;
        refused(client, "UPDATE tenant_registry.tenant SET name = 'x'", DENIED).await;
        refused(client, "DELETE FROM tenant_registry.tenant", DENIED).await;
        refused(client, "TRUNCATE tenant_registry.tenant CASCADE", DENIED).await;
        refused(
            client,
            &format!("UPDATE tenant_registry.login SET tenant_id = '{B}'"),
            DENIED,
        )
        .await;
        refused(
            client,
            &format!("INSERT INTO tenant_registry.login VALUES ('x', '{B}')"),
            DENIED,
        )
        .await;
        refused(client, "SELECT * FROM tenant_registry.policy", DENIED).await;
        refused(client, "CREATE TABLE tenant_registry.x ()", DENIED).await;
    }
    // The migration role's tables refer to it, by id and by number.
    world.sql("CREATE SCHEMA AUTHORIZATION migrator").await;
    allowed(
        &migrator,
        "CREATE TABLE migrator.a (tenant uuid REFERENCES tenant_registry.tenant (id), n bigint REFERENCES tenant_registry.tenant (number))",
    )
    .await;
    refused(&migrator, "INSERT INTO migrator.a VALUES (gen_random_uuid())", "23503").await;
    allowed(
        &migrator,
        &format!("INSERT INTO migrator.a VALUES ('{A}', {})", world.number(A).await),
    )
    .await;
    refused(
        &app,
        "CREATE TABLE pg_temp.b (tenant uuid REFERENCES tenant_registry.tenant (id))",
        "42",
    )
    .await;
    // Applications join.
    let join = "BEGIN; SET LOCAL app.current_tenant_id = '{}'; SELECT DISTINCT t.name FROM app.calls c JOIN tenant_registry.tenant t ON t.id = c.tenant_id; COMMIT";
    assert_eq!(one(&app, &join.replace("{}", B)).await, "tenant B");
    // The operator updates changed rows of the registry, and keeps a row that the spec leaves out.
    let mut world = world;
    world.rows[1].name = "renamed".into();
    world.rows[1].parent = Some(A.to_uppercase());
    world.rows.remove(0);
    assert!(world.tend().await.changed);
    assert_eq!(
        one(
            &world.root,
            &format!("SELECT name || parent FROM tenant_registry.tenant WHERE id = '{B}'")
        )
        .await,
        format!("renamed{A}")
    );
    assert_eq!(one(&a, "SELECT count(*) FROM calls").await, "2");
    assert!(!world.tend().await.changed);
    // A login that leads elsewhere is put right, one of nobody's goes.
    world.sql(&format!("UPDATE tenant_registry.login SET tenant_id = '{A}'; INSERT INTO tenant_registry.login VALUES ('app', '{B}')")).await;
    assert!(world.tend().await.changed);
    assert_eq!(
        one(&world.root, "SELECT count(*) FROM tenant_registry.login").await,
        "2"
    );
    let b = world.tenant(B).await;
    assert_eq!(
        one(&b, &format!("SELECT count(*) FROM calls WHERE tenant_id = '{B}'")).await,
        "2"
    );
}

/// What applications read of a tenant, and the numbers.
pub async fn details_and_numbers(mut world: World) {
    const C: &str = "5b8f1a0e-7a53-4f0e-8d51-0c7f0e1d3333";
    const D: &str = "6c8f1a0e-7a53-4f0e-8d51-0c7f0e1d4444";
    let app = world.connect("app", "platform").await;
    let of = |id: &str, what: &str| format!("SELECT {what} FROM tenant_registry.tenant WHERE id = '{id}'");
    let json = r#"{"it's":"\\\"ü","list":[1,null]}"#;
    let settings = |json: &str| Settings {
        json: json.into(),
        digest: format!("digest of {json}"),
    };
    let before = world.number(A).await;
    world.rows[0].details = Some(TenantDetails {
        display_name: Some("Tenant \\ 'A'".into()),
        domain: Some("a.example.com".into()),
        created_at: Some("2026-02-03T04:05:06Z".into()),
        settings: Some(settings(json)),
    });
    let report = world.tend().await;
    assert!(report.changed && report.refused.is_empty(), "{report:?}");
    for (what, expected) in [
        ("display_name", "Tenant \\ 'A'"),
        ("domain", "a.example.com"),
        ("settings ->> 'it''s'", "\\\"ü"),
        ("jsonb_array_length(settings -> 'list')", "2"),
        ("created_at AT TIME ZONE 'UTC'", "2026-02-03 04:05:06"),
    ] {
        assert_eq!(one(&app, &of(A, what)).await, expected, "{what}");
    }
    assert!(!world.tend().await.changed, "an unchanged tenant writes nothing");
    let a = world.tenant(A).await;
    let mine = "SELECT display_name FROM tenant_registry.tenant";
    assert_eq!(ask(&a, mine).await, Ok(vec!["Tenant \\ 'A'".into()]));
    // A former version's table gets the columns, and keeps its rows.
    world
        .sql(
            "ALTER TABLE tenant_registry.tenant DROP COLUMN display_name, DROP COLUMN domain, DROP COLUMN settings, \
              DROP COLUMN settings_digest, DROP COLUMN created_at",
        )
        .await;
    let report = world.tend().await;
    assert!(
        report.changed && report.is_protected() && report.refused.is_empty(),
        "{report:?}"
    );
    assert_eq!(one(&app, &of(A, "domain")).await, "a.example.com");
    assert_eq!(world.number(A).await, before);
    assert!(!world.tend().await.changed);
    // What PostgreSQL refuses of one tenant delays no other.
    world.rows[0].details.as_mut().unwrap().settings = Some(settings(r#"{"a":"\u0000"}"#));
    world.rows[1].details.as_mut().unwrap().domain = Some("b.example.com".into());
    let report = world.tend().await;
    assert!(
        report.refused[A].contains("u0000") || report.refused[A].contains("Unicode"),
        "{report:?}"
    );
    assert!(report.is_protected() && !report.refused.contains_key(B), "{report:?}");
    assert_eq!(one(&app, &of(B, "domain")).await, "b.example.com");
    assert_eq!(
        one(&app, &of(A, "domain")).await,
        "a.example.com",
        "it keeps what it had"
    );
    world.rows[0].details.as_mut().unwrap().settings = None;
    world.tend().await;
    // A number of the platform's own, which drawn ones follow.
    let number = |row: &RegistryRow, id: &str, number: Option<i64>| RegistryRow {
        id: id.into(),
        name: format!("tenant {id}"),
        number,
        owner_role: tenant_operator::postgres::Names::of(id).owner,
        ..row.clone()
    };
    let (c, d) = (number(&world.rows[1], C, Some(1234)), number(&world.rows[1], D, None));
    world.rows.extend([c, d]);
    let report = world.tend().await;
    assert_eq!(
        (report.number(C), report.conflicts.len()),
        (Some(1234), 0),
        "{report:?}"
    );
    assert_eq!(report.number(D), Some(world.number(D).await), "{report:?}");
    world.rows[3] = number(&world.rows[1], "7d8f1a0e-7a53-4f0e-8d51-0c7f0e1d5555", None);
    world.tend().await;
    assert!(world.number("7d8f1a0e-7a53-4f0e-8d51-0c7f0e1d5555").await > 1234);
    // One that another tenant has.
    world.rows[3] = number(&world.rows[1], "8e8f1a0e-7a53-4f0e-8d51-0c7f0e1d6666", Some(1234));
    let report = world.tend().await;
    let conflict = &report.conflicts["8e8f1a0e-7a53-4f0e-8d51-0c7f0e1d6666"];
    assert!(
        conflict.contains(&format!("belongs to tenant tenant {C}")),
        "{conflict}"
    );
    assert_eq!(one(&app, "SELECT count(*) FROM tenant_registry.tenant").await, "5");
    assert!(!world.tend().await.changed);
}
