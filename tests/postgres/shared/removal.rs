//! `deletionPolicy: Delete`: nothing of the tenant is left, and everything of the others.

use crate::shared::world::{A, B, World, allowed, entry, one};
use tenant_operator::api::database_server::TenantColumnType;
use tenant_operator::postgres::Names;
use tenant_operator::postgres::shared::{Left, remove_tenant};

async fn remove(world: &World, id: &str) -> Left {
    let catalog = world.catalog().await;
    remove_tenant(&world.server, &world.spec, id, &Names::of(id), &catalog)
        .await
        .unwrap()
}

pub async fn nothing_is_left(mut world: World) {
    // More than one batch, rows that reference each other within a table and between tables, and what was granted by hand.
    world.sql(&format!(
        "SET ROLE app_owner;
         CREATE TABLE app.trees (tenant_id uuid NOT NULL, id int, parent int, PRIMARY KEY (tenant_id, id), FOREIGN KEY (tenant_id, parent) REFERENCES app.trees);
         CREATE TABLE app.a_leaves (tenant_id uuid NOT NULL, tree int, FOREIGN KEY (tenant_id, tree) REFERENCES app.trees);
         CREATE INDEX ON app.a_leaves (tenant_id, tree);
         CREATE INDEX ON app.trees (tenant_id, parent);
         RESET ROLE;
         INSERT INTO app.trees SELECT t, x, nullif(x, 1) - 1 FROM generate_series(1, 2500) x, unnest('{{{A},{B}}}'::uuid[]) t;
         INSERT INTO app.a_leaves SELECT t, x FROM generate_series(1, 2500) x, unnest('{{{A},{B}}}'::uuid[]) t;
         INSERT INTO app.calls (tenant_id) SELECT t FROM generate_series(1, 4500), unnest('{{{A},{B}}}'::uuid[]) t;
         SET ROLE app_owner; CREATE VIEW app.by_hand AS SELECT 1; GRANT SELECT ON app.by_hand TO {}; RESET ROLE",
        Names::of(A).owner
    ))
    .await;
    // And by another tenant, in a way that A's own role could have taken it back.
    let given = format!(
        "SELECT lo_create(7); GRANT ALL ON LARGE OBJECT 7 TO {} WITH GRANT OPTION",
        Names::of(A).owner
    );
    let giver = world.tenant(B).await;
    allowed(&giver, &given).await;
    // Once is enough for a wait of five seconds.
    if world.version == 15 && !world.superuser {
        allowed(
            &giver,
            "SET idle_in_transaction_session_timeout = 0; BEGIN; GRANT SELECT ON LARGE OBJECT 7 TO PUBLIC",
        )
        .await;
    }
    world.spec[0].tables.extend(["trees".into(), "a_leaves".into()]);
    world.tend().await;
    let number = world.number(A).await;
    let mut deleted = 0;
    let mut last = Left::default();
    for _ in 0..5 {
        last = remove(&world, A).await;
        deleted += last.deleted;
        if last.is_nothing() {
            break;
        }
    }
    assert!(last.is_nothing(), "{last:?}");
    assert_eq!(deleted, 4 * 2 + 4500 + 2500 + 2500);
    for (table, tenant) in [("calls", A), ("notes", A), ("events", A), ("trees", A), ("a_leaves", A)] {
        assert_eq!(
            one(
                &world.root,
                &format!("SELECT count(*) FROM app.{table} WHERE tenant_id = '{tenant}'")
            )
            .await,
            "0",
            "{table}"
        );
    }
    assert_eq!(
        one(
            &world.root,
            &format!("SELECT count(*) FROM app.draft_actions WHERE tenant_id = {number}")
        )
        .await,
        "0"
    );
    assert_eq!(
        one(&world.root, "SELECT count(*) FROM tenant_registry.tenant").await,
        "1"
    );
    assert_eq!(
        one(&world.root, "SELECT count(*) FROM tenant_registry.login").await,
        "1"
    );
    // The control.
    assert_eq!(one(&world.root, "SELECT count(*) FROM app.calls").await, "4502");
    assert_eq!(one(&world.root, "SELECT count(*) FROM app.draft_actions").await, "2");
    // Again there is nothing to do, and the roles can go.
    let again = remove(&world, A).await;
    assert_eq!(again, Left::default());
    world.rows.remove(0);
    world.remove_roles(A).await;
    assert!(!world.tend().await.changed);
    assert_eq!(one(&world.tenant(B).await, "SELECT count(*) FROM calls").await, "4502");
    drop(giver);
}

pub async fn what_stands_in_the_way(mut world: World) {
    // A table that is not shared refers to the registry.
    world.sql(&format!("CREATE TABLE public.contracts (tenant uuid REFERENCES tenant_registry.tenant (id)); INSERT INTO public.contracts VALUES ('{A}')")).await;
    let left = remove(&world, A).await;
    assert!(
        left.problems.len() == 1 && left.problems[0].contains("contracts"),
        "{left:?}"
    );
    assert!(!left.is_nothing());
    world.sql("DELETE FROM public.contracts").await;
    assert!(remove(&world, A).await.is_nothing());
    // Something keeps a row.
    world.sql("CREATE FUNCTION app.keep() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'; CREATE TRIGGER keep BEFORE DELETE ON app.notes FOR EACH ROW EXECUTE FUNCTION app.keep()").await;
    let left = remove(&world, B).await;
    assert_eq!((left.rows, left.problems.len()), (2, 0), "{left:?}");
    assert_eq!(
        one(&world.root, "SELECT count(*) FROM tenant_registry.tenant").await,
        "1",
        "it is still known whose they are"
    );
    world.sql("DROP TRIGGER keep ON app.notes").await;
    // Where nobody can tell whose a row is, it is said; where the operator would see too little, too.
    world.sql("CREATE TABLE app.wrong (tenant_id text)").await;
    world.spec.push(entry(&["wrong"], TenantColumnType::Uuid));
    if !world.superuser {
        world
            .sql("SET ROLE app_owner; DROP POLICY tenant_operator_operator ON app.calls; RESET ROLE")
            .await;
    }
    let left = remove(&world, B).await;
    assert!(
        left.problems
            .iter()
            .any(|problem| problem.contains("app.wrong has a column tenant_id of type text")),
        "{left:?}"
    );
    assert_eq!(
        left.problems.iter().any(|problem| problem.contains("app.calls hides")),
        !world.superuser,
        "{left:?}"
    );
    world.sql("DROP TABLE app.wrong").await;
    world.rows.clear();
    world.tend().await;
    // Only a superuser can revoke a superuser's grants on a superuser's objects.
    world
        .sql(&format!(
            "CREATE TABLE public.by_hand (); GRANT SELECT ON public.by_hand TO {}",
            Names::of(B).owner
        ))
        .await;
    let left = remove(&world, B).await;
    assert_eq!(
        left.problems
            .iter()
            .any(|problem| problem.contains("granted something")),
        !world.superuser,
        "{left:?}"
    );
    world.sql("DROP TABLE public.by_hand").await;
    assert!(remove(&world, B).await.is_nothing());
    assert_eq!(one(&world.root, "SELECT count(*) FROM app.calls").await, "0");
}
