//! A DatabaseServer's fields.

use crate::harness::{self, Dry};
use crate::support::{Scene, eventually, path, refused, secs};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

/// One that is really stored, and removed with the scene. Nothing answers at its address, and its Secret is not there.
pub async fn stored_server(scene: &Scene) -> Result<String> {
    let name = format!("{}-server", scene.name);
    scene.will_leave(&path("databaseservers", "", &name));
    let body = json!({"apiVersion": "tenant-operator.io/v1alpha1", "kind": "DatabaseServer", "metadata": {"name": name},
        "spec": {"host": "192.0.2.1", "database": "tenants", "adminSecretRef": {"name": "none"}}, "status": {"tenants": 5}});
    let stored = scene.cluster.create(&path("databaseservers", "", ""), &body).await;
    let stored = stored.with_context(|| format!("create DatabaseServer {name}"))?;
    ensure!(stored.get("status").is_none(), "created with a status: {stored}");
    Ok(name)
}

fn shared(fields: Value) -> Value {
    let mut tables = json!({"database": "app", "schema": "public", "tables": ["*"]});
    crate::support::scene::lay_over(&mut tables, fields);
    json!({"sharedTables": [tables]})
}

#[tokio::test]
async fn the_least_one_is_stored_as_written() -> Result<()> {
    let dry = Dry::server().await?;
    let stored = dry.accepts("the least", json!({})).await?;
    let least = json!({"host": "pg.example.com", "database": "tenants", "adminSecretRef": {"name": "pg-admin"}});
    ensure!(stored["spec"] == least, "stored as {}", stored["spec"]);
    for required in ["host", "database", "adminSecretRef"] {
        let word = format!("spec.{required}");
        dry.refuses(required, json!({required: null}), &[&word, "required"])
            .await?;
    }
    for unknown in ["hosts", "password", "username", "sslmode"] {
        dry.refuses(unknown, json!({unknown: "x"}), &[unknown]).await?;
    }
    Ok(())
}

#[tokio::test]
async fn the_whole_one_is_stored_as_written() -> Result<()> {
    let dry = Dry::server().await?;
    let whole = json!({
        "host": "pg-eu-1.databases.svc", "port": 5433, "tls": {"mode": "VerifyCA", "caSecretRef": {"name": "pg-ca"}},
        "adminSecretRef": {"name": "pg-eu-1.admin"}, "database": "tenants",
        "capacity": {"maxTenants": 2000, "maxStorage": "1Ti"}, "extensions": ["pgcrypto", "uuid-ossp"],
        "addresses": ["203.0.113.0/24", "2001:db8::/32"], "operatorConnections": 16,
        "sharedTables": [
            {"database": "app", "schema": "public", "tables": ["*"]},
            {"database": "app", "schema": "public", "tables": ["orders", "order_*"], "column": "customer", "type": "Text",
             "applicationRoles": ["app"], "migrationRole": "migrator"}
        ]
    });
    let stored = dry.accepts("the whole", whole.clone()).await?;
    ensure!(stored["spec"] == whole, "stored as {}", stored["spec"]);
    Ok(())
}

#[tokio::test]
async fn a_host_is_a_name_or_an_address() -> Result<()> {
    let dry = Dry::server().await?;
    for good in [
        "db",
        "pg-eu-1.databases.svc",
        "pg_1.internal",
        "PG.example.com.",
        "203.0.113.7",
        "2001:db8::7",
        "fd00::",
    ] {
        dry.accepts(good, json!({"host": good})).await?;
    }
    for bad in [
        "",
        "-db",
        "db-",
        "a b",
        "db/tenants",
        "user@db",
        "postgres://db",
        "/var/run/postgresql",
        "db,other",
        "db?sslmode=disable",
        "db\n",
    ] {
        dry.refuses(&format!("the host {bad:?}"), json!({"host": bad}), &["spec.host"])
            .await?;
    }
    for bad in ["db:5432", "203.0.113.7:5432", "2001:db8::7::1", "db:"] {
        dry.refuses(bad, json!({"host": bad}), &["spec.host", "set the port in spec.port"])
            .await?;
    }
    Ok(())
}

#[tokio::test]
async fn numbers_are_within_bounds() -> Result<()> {
    let dry = Dry::server().await?;
    let tenants = |count: Value| json!({"capacity": {"maxTenants": count}});
    for good in [
        json!({"port": 1}),
        json!({"port": 65535}),
        json!({"operatorConnections": 3}),
        json!({"operatorConnections": 64}),
        tenants(json!(0)),
        tenants(json!(100_000)),
        json!({"capacity": {"maxStorage": "100Gi"}}),
        json!({"capacity": {"maxStorage": 1_000_000}}),
        json!({"capacity": {}}),
    ] {
        dry.accepts(&good.to_string(), good.clone()).await?;
    }
    for (bad, word) in [
        (json!({"port": 0}), "spec.port"),
        (json!({"port": 65536}), "spec.port"),
        (json!({"port": -1}), "spec.port"),
        (json!({"port": "5432"}), "spec.port"),
        (json!({"operatorConnections": 2}), "spec.operatorConnections"),
        (json!({"operatorConnections": 65}), "spec.operatorConnections"),
        (tenants(json!(-1)), "spec.capacity.maxTenants"),
        (tenants(json!(100_001)), "spec.capacity.maxTenants"),
        (tenants(json!("many")), "spec.capacity.maxTenants"),
        (json!({"capacity": {"maxStorage": "1TB"}}), "spec.capacity.maxStorage"),
        (json!({"capacity": {"maxStorage": "-1Gi"}}), "spec.capacity.maxStorage"),
    ] {
        dry.refuses(&bad.to_string(), bad.clone(), &[word]).await?;
    }
    Ok(())
}

#[tokio::test]
async fn tls_has_four_modes() -> Result<()> {
    let dry = Dry::server().await?;
    for mode in ["Disable", "Require", "VerifyCA", "VerifyFull"] {
        let with_ca = json!({"tls": {"mode": mode, "caSecretRef": {"name": "ca"}}});
        dry.accepts(mode, with_ca).await?;
        if mode != "VerifyCA" {
            dry.accepts(mode, json!({"tls": {"mode": mode}})).await?;
        }
    }
    dry.refuses(
        "an authority to verify, and none named",
        json!({"tls": {"mode": "VerifyCA"}}),
        &["spec.tls", "VerifyCA needs a caSecretRef"],
    )
    .await?;
    dry.accepts("no mode", json!({"tls": {"caSecretRef": {"name": "ca"}}}))
        .await?;
    for version in ["TLSv1.2", "TLSv1.3"] {
        dry.accepts(version, json!({"tls": {"minVersion": version}})).await?;
    }
    dry.refuses(
        "a version without TLS",
        json!({"tls": {"mode": "Disable", "minVersion": "TLSv1.3"}}),
        &["spec.tls", "minVersion needs TLS"],
    )
    .await?;
    for bad in ["1.3", "TLSv1.1", "TLSv1.4", ""] {
        dry.refuses(
            &format!("the version {bad:?}"),
            json!({"tls": {"minVersion": bad}}),
            &["spec.tls.minVersion", "Unsupported value"],
        )
        .await?;
    }
    for bad in ["verify-full", "Prefer", ""] {
        dry.refuses(
            &format!("the mode {bad:?}"),
            json!({"tls": {"mode": bad}}),
            &["spec.tls.mode", "Unsupported value"],
        )
        .await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_secret_is_named_as_kubernetes_names_them() -> Result<()> {
    let dry = Dry::server().await?;
    for (bad, field) in [("admin", "spec.adminSecretRef"), ("ca", "spec.tls.caSecretRef")] {
        let of = |name: Value| {
            if bad == "ca" {
                json!({"tls": {"caSecretRef": {"name": name}}})
            } else {
                json!({"adminSecretRef": {"name": name}})
            }
        };
        dry.accepts("a name", of(json!("a.b-c.1"))).await?;
        for name in [
            "",
            "A",
            "a_b",
            "-a",
            "a.",
            "../configmaps/a",
            "a/b",
            "a?b",
            &"x".repeat(254),
        ] {
            dry.refuses(&format!("the Secret {name:?}"), of(json!(name)), &[field])
                .await?;
        }
        // It is in the operator's namespace, and in no other.
        let mut elsewhere = of(json!("a"));
        let reference = if bad == "ca" {
            &mut elsewhere["tls"]["caSecretRef"]
        } else {
            &mut elsewhere["adminSecretRef"]
        };
        reference["namespace"] = json!("kube-system");
        dry.refuses("a namespace", elsewhere, &["namespace"]).await?;
    }
    Ok(())
}

#[tokio::test]
async fn the_database_is_the_tenants_own() -> Result<()> {
    let dry = Dry::server().await?;
    let bytes_63 = "ä".repeat(31) + "x";
    for good in [
        "tenants",
        "Tenants",
        "a b",
        "ten\"ants",
        "pg_x",
        &"x".repeat(63),
        &bytes_63,
    ] {
        dry.accepts(good, json!({"database": good})).await?;
    }
    for bad in ["postgres", "template0", "template1"] {
        dry.refuses(
            bad,
            json!({"database": bad}),
            &["spec.database", "must be a database of its own"],
        )
        .await?;
        dry.refuses(
            bad,
            shared(json!({"database": bad})),
            &["spec.sharedTables[0].database", "must be the platform's database"],
        )
        .await?;
    }
    for bad in ["", &"x".repeat(64)] {
        dry.refuses(&format!("{bad:?}"), json!({"database": bad}), &["spec.database"])
            .await?;
    }
    dry.refuses(
        "64 bytes in 32 characters",
        json!({"database": "ä".repeat(32)}),
        &["spec.database", "at most 63 bytes"],
    )
    .await
}

#[tokio::test]
async fn the_database_is_for_good_and_the_rest_is_not() -> Result<()> {
    harness::cluster().await?;
    let scene = Scene::without_operator("dbs").await?;
    let server = stored_server(&scene).await?;
    let dry = path("databaseservers", "", &server) + "?dryRun=All";
    let patch = async |spec: Value| scene.cluster.patch(&dry, &json!({"spec": spec})).await;
    let words = ["spec.database", "immutable"];
    refused("another database", patch(json!({"database": "others"})).await, &words)?;
    refused(
        "no database",
        patch(json!({"database": null})).await,
        &["spec.database", "required"],
    )?;
    for change in [
        json!({"database": "tenants"}),
        json!({"host": "pg-2.example.com"}),
        json!({"port": 5433}),
        json!({"adminSecretRef": {"name": "other"}}),
        json!({"capacity": {"maxTenants": 1}}),
    ] {
        patch(change.clone()).await.with_context(|| change.to_string())?;
    }
    Ok(())
}

#[tokio::test]
async fn extensions_and_addresses_are_sets() -> Result<()> {
    let dry = Dry::server().await?;
    let names = |count: u32| (0..count).map(|i| json!(format!("e{i}"))).collect::<Vec<_>>();
    let nets = |count: u32| (0..count).map(|i| json!(format!("10.{i}.0.0/16"))).collect::<Vec<_>>();
    dry.accepts("64 extensions", json!({"extensions": names(64)})).await?;
    dry.accepts("16 addresses", json!({"addresses": nets(16)})).await?;
    for (what, bad, words) in [
        (
            "65 extensions",
            json!({"extensions": names(65)}),
            ["spec.extensions", "64"],
        ),
        (
            "an extension twice",
            json!({"extensions": ["a", "a"]}),
            ["spec.extensions[1]", "Duplicate"],
        ),
        (
            "an empty extension",
            json!({"extensions": [""]}),
            ["spec.extensions[0]", ""],
        ),
        ("17 addresses", json!({"addresses": nets(17)}), ["spec.addresses", "16"]),
        (
            "an address twice",
            json!({"addresses": ["10.0.0.0/8", "10.0.0.0/8"]}),
            ["spec.addresses[1]", "Duplicate"],
        ),
        (
            "an address without length",
            json!({"addresses": ["10.0.0.1"]}),
            ["spec.addresses", "must be CIDRs"],
        ),
        (
            "a name among addresses",
            json!({"addresses": ["10.0.0.0/8", "db"]}),
            ["spec.addresses", "must be CIDRs"],
        ),
    ] {
        dry.refuses(what, bad, &words).await?;
    }
    Ok(())
}

#[tokio::test]
async fn shared_tables_name_database_schema_and_tables() -> Result<()> {
    let dry = Dry::server().await?;
    for good in [
        json!({}),
        json!({"tables": ["orders", "order_*", "Ein \"Name\""]}),
        json!({"schema": "Sales 2026"}),
        json!({"column": "customer", "type": "Integer"}),
        json!({"applicationRoles": ["app", "jobs"], "migrationRole": "migrator"}),
    ] {
        dry.accepts(&good.to_string(), shared(good.clone())).await?;
    }
    for column_type in ["Uuid", "Text", "Integer"] {
        dry.accepts(column_type, shared(json!({"type": column_type}))).await?;
    }
    let many = |count: usize| (0..count).map(|i| json!(format!("t{i}"))).collect::<Vec<_>>();
    dry.accepts("256 tables", shared(json!({"tables": many(256)}))).await?;
    let wide = "ä".repeat(32);
    for (bad, words) in [
        (json!({"database": null}), ["database", "required"]),
        (json!({"database": wide}), ["database", "at most 63 bytes"]),
        (json!({"schema": null}), ["schema", "required"]),
        (json!({"schema": ""}), ["schema", ""]),
        (json!({"schema": wide}), ["schema", "at most 63 bytes"]),
        (
            json!({"schema": "pg_catalog"}),
            ["schema", "must not be a schema of PostgreSQL"],
        ),
        (
            json!({"schema": "information_schema"}),
            ["schema", "must not be a schema of PostgreSQL"],
        ),
        (json!({"tables": null}), ["tables", "required"]),
        (json!({"tables": []}), ["tables", ""]),
        (json!({"tables": [""]}), ["tables[0]", ""]),
        (json!({"tables": ["a", "a"]}), ["tables[1]", "Duplicate"]),
        (json!({"tables": [wide]}), ["tables", "at most 63 bytes"]),
        (json!({"tables": many(257)}), ["tables", "256"]),
        (json!({"column": ""}), ["column", ""]),
        (json!({"column": wide}), ["column", "at most 63 bytes"]),
        (json!({"type": "uuid"}), ["type", "Unsupported value"]),
        (json!({"type": "Bigint"}), ["type", "Unsupported value"]),
        (
            json!({"applicationRoles": ["app", "app"]}),
            ["applicationRoles[1]", "Duplicate"],
        ),
        (
            json!({"applicationRoles": ["public"]}),
            ["applicationRoles", "must be roles"],
        ),
        (
            json!({"applicationRoles": ["pg_write_all_data"]}),
            ["applicationRoles", "must be roles"],
        ),
        (json!({"applicationRoles": many(17)}), ["applicationRoles", "16"]),
        (json!({"migrationRole": ""}), ["migrationRole", ""]),
        (
            json!({"migrationRole": "pg_database_owner"}),
            ["migrationRole", "must be a role"],
        ),
        (json!({"policy": "x"}), ["policy", ""]),
    ] {
        dry.refuses(&bad.to_string(), shared(bad.clone()), &words).await?;
    }
    let groups = |count: usize| {
        let one = &shared(json!({}))["sharedTables"][0];
        json!({"sharedTables": vec![one; count]})
    };
    dry.accepts("32 groups", groups(32)).await?;
    dry.refuses("33 groups", groups(33), &["spec.sharedTables", "32"]).await
}

#[tokio::test]
async fn long_values_are_refused() -> Result<()> {
    let dry = Dry::server().await?;
    let long = "x".repeat(10_000);
    refused("a long name", dry.create(&long, json!({})).await, &[])?;
    for (field, spec) in [
        ("host", json!({"host": long})),
        ("database", json!({"database": long})),
        ("adminSecretRef.name", json!({"adminSecretRef": {"name": long}})),
        ("caSecretRef.name", json!({"tls": {"caSecretRef": {"name": long}}})),
        ("tls.mode", json!({"tls": {"mode": long}})),
        ("maxStorage", json!({"capacity": {"maxStorage": "1".repeat(10_000)}})),
        ("extensions[0]", json!({"extensions": [long]})),
        ("addresses[0]", json!({"addresses": [long]})),
        ("database", shared(json!({"database": long}))),
        ("schema", shared(json!({"schema": long}))),
        ("tables[0]", shared(json!({"tables": [long]}))),
        ("column", shared(json!({"column": long}))),
        ("applicationRoles[0]", shared(json!({"applicationRoles": [long]}))),
        ("migrationRole", shared(json!({"migrationRole": long}))),
    ] {
        dry.refuses(field, spec, &[field]).await?;
    }
    Ok(())
}

#[tokio::test]
async fn the_status_is_a_subresource() -> Result<()> {
    harness::cluster().await?;
    let scene = Scene::without_operator("dbs").await?;
    let server = stored_server(&scene).await?;
    let at = path("databaseservers", "", &server);
    let dry = |at: &str| format!("{at}?dryRun=All");
    let status = format!("{at}/status");
    let body = json!({"spec": {"port": 5433}, "status": {"tenants": 3, "serverVersion": "16.10", "bytes": 5_000_000_000_i64,
                      "lastCheckedAt": "2026-01-01T00:00:00Z"}});
    // An operator at work writes there too, so that it is compared with what is in the answer only.
    let changed = scene.cluster.patch(&dry(&at), &body).await?;
    ensure!(
        changed["spec"]["port"] == 5433 && changed["status"]["tenants"] != 3,
        "the spec's request changed: {changed}"
    );
    let reported = scene.cluster.patch(&dry(&status), &body).await?;
    ensure!(
        reported["spec"].get("port").is_none() && reported["status"]["tenants"] == 3,
        "the status' request changed: {reported}"
    );
    ensure!(
        reported["status"]["bytes"] == 5_000_000_000_i64,
        "bytes were changed: {reported}"
    );
    let ready = json!({"type": "Ready", "status": "True", "reason": "Ready", "message": "",
                       "lastTransitionTime": "2026-01-01T00:00:00Z"});
    for (what, bad, word) in [
        ("a condition twice", json!({"conditions": [ready, ready]}), "Duplicate"),
        ("tenants as text", json!({"tenants": "3"}), "status.tenants"),
        (
            "a time that is none",
            json!({"lastCheckedAt": "yesterday"}),
            "status.lastCheckedAt",
        ),
    ] {
        let answer = scene.cluster.patch(&dry(&status), &json!({"status": bad})).await;
        refused(what, answer, &[word])?;
    }
    eventually("the status to be stored", secs(30), async || {
        scene
            .cluster
            .patch(&status, &json!({"status": {"tls": "TLSv1.3"}}))
            .await?;
        let now = scene.cluster.get(&at).await?;
        ensure!(now["status"]["tls"] == "TLSv1.3", "it is {}", now["status"]);
        Ok(())
    })
    .await
}
