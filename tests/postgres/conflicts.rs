//! Conflicts: the operator neither takes over nor changes objects of others.

use crate::site::{Site, Tenant, run, superuser, text};
use tenant_operator::postgres::plan::{Place, missing_place, plan, removal, retention};

pub async fn are_left_alone(site: Site, place: Place) {
    let root = site.root().await;
    let attributes = "SELECT coalesce(string_agg(line, E'\\n' ORDER BY line), '') FROM ( \
         SELECT oid || ' ' || rolname || rolcanlogin || rolinherit AS line FROM pg_roles WHERE rolname ~ '^t_' \
         UNION ALL SELECT oid || ' ' || nspname || pg_get_userbyid(nspowner) || coalesce(nspacl::text, '') FROM pg_namespace \
             WHERE nspname ~ '^t_' \
         UNION ALL SELECT oid || ' ' || datname || pg_get_userbyid(datdba) || coalesce(datacl::text, '') FROM pg_database \
             WHERE datname ~ '^t_') a";
    // Somebody else's of the tenant's names, there before it.
    for kind in ["role owner", "role login", "role reader", "schema", "database"] {
        let tenant = site.tenant(&place);
        let names = &tenant.wanted.names;
        let (make, unmake) = match kind {
            "schema" => (
                format!("CREATE SCHEMA {}", tenant.owner()),
                format!("DROP SCHEMA {}", tenant.owner()),
            ),
            "database" => (
                format!("CREATE DATABASE {}", tenant.owner()),
                format!("DROP DATABASE {}", tenant.owner()),
            ),
            _ => {
                let name = match kind {
                    "role owner" => tenant.owner(),
                    "role login" => tenant.login(1),
                    _ => names.reader.as_str(),
                };
                (format!("CREATE ROLE {name} NOINHERIT"), format!("DROP ROLE {name}"))
            }
        };
        run(&root, &make).await;
        // A role might be the tenant's login; the place of its data holds nothing of a tenant that has no role.
        let may_be_its = kind.starts_with("role");
        refuses(&site, &tenant, kind.split(' ').next().expect("kind"), may_be_its).await;
        let mine = |text: String| {
            text.lines()
                .filter(|line| line.contains(tenant.owner()))
                .collect::<String>()
        };
        let before = mine(text(&root, attributes).await);
        assert!(site.try_converge(&tenant.wanted).await.is_err());
        assert_eq!(mine(text(&root, attributes).await), before, "{kind}");
        run(&root, &unmake).await;
    }
    // The mark is on the object, not on the name: one that took its place is somebody else's.
    let tenant = site.new_tenant(&place).await;
    let name = tenant.owner();
    match place {
        Place::Database => {
            run(&root, &format!("DROP DATABASE {name} WITH (FORCE)")).await;
            run(&root, &format!("CREATE DATABASE {name}")).await;
            refuses(&site, &tenant, "database", true).await;
            run(&superuser(&site.pg, name).await, "CREATE TABLE theirs ()").await;
            run(&root, &format!("DROP DATABASE {name} WITH (FORCE)")).await;
        }
        _ => {
            run(
                &root,
                &format!("DROP SCHEMA {name} CASCADE; CREATE SCHEMA {name}; CREATE TABLE {name}.theirs ()"),
            )
            .await;
            refuses(&site, &tenant, "schema", true).await;
            run(&root, &format!("DROP SCHEMA {name} CASCADE")).await;
        }
    }
    let login = tenant.login(0);
    run(
        &root,
        &format!("DROP OWNED BY {login}; DROP ROLE {login}; CREATE ROLE {login}"),
    )
    .await;
    refuses(&site, &tenant, "role", true).await;
    run(&root, &format!("DROP ROLE {login}")).await;
    site.remove(&tenant).await;
}

/// Neither made, closed nor removed. `is_in_the_way`: nor does a deletion come to its end.
async fn refuses(site: &Site, tenant: &Tenant, kind: &str, is_in_the_way: bool) {
    let catalog = site.server.observe(None).await.expect("observe");
    let (names, id) = (&tenant.wanted.names, &tenant.wanted.tenant_id);
    assert_eq!(plan(&tenant.wanted, &catalog).expect_err(kind).kind, kind);
    for ended in [removal(names, id, &catalog), retention(names, id, &catalog)] {
        match is_in_the_way {
            true => assert_eq!(ended.expect_err(kind).kind, kind),
            false => assert_eq!(ended, Ok(Vec::new()), "{kind}"),
        }
    }
}

/// A place that an administrator renamed is found by its OID; one that was dropped is not there any more.
pub async fn a_missing_place_is_told_from_a_renamed_one(site: Site, place: Place) {
    let root = site.root().await;
    let tenant = site.new_tenant(&place).await;
    let name = tenant.owner();
    let kind = match place {
        Place::Database => "DATABASE",
        _ => "SCHEMA",
    };
    let seen = async |present: Option<&str>| {
        let catalog = site.server.observe(Some(&tenant.wanted.names)).await.expect("observe");
        let missing = missing_place(&tenant.wanted, &catalog).expect("it is missing");
        let found = site.server.name_of(missing.kind, missing.oid).await.expect("an answer");
        assert_eq!((missing.name, found.as_deref()), (name, present));
    };
    let aside = format!("aside_{}", &name[2..12]);
    run(&root, &format!("ALTER {kind} {name} RENAME TO {aside}")).await;
    seen(Some(aside.as_str())).await;
    run(&root, &format!("ALTER {kind} {aside} RENAME TO {name}")).await;
    let catalog = site.server.observe(Some(&tenant.wanted.names)).await.expect("observe");
    assert_eq!(missing_place(&tenant.wanted, &catalog), None);
    let how = match place {
        Place::Database => "WITH (FORCE)",
        _ => "CASCADE",
    };
    run(&root, &format!("DROP {kind} {name} {how}")).await;
    seen(None).await;
    site.converge(&tenant.wanted).await;
    site.remove(&tenant).await;
}
