//! Which database a tenant gets, and what is refused.

use super::*;
use crate::capability::World;
use crate::tenant::fixtures::{acme, tenant, tier, validate, world};
use serde_json::{Value, json};

fn database(spec: Value, plan: Value) -> Option<ValidDatabase> {
    acme(spec, plan).part().cloned()
}

fn model(spec: Value, plan: Value) -> Option<DatabaseModel> {
    database(spec, plan).map(|database| database.model)
}

/// The one reason, `field: message`.
fn refusal(spec: Value, plan: Value, placed: Option<DatabaseModel>) -> String {
    let world = World { placed, ..world(&[]) };
    let reasons = validate(&tenant(spec), &tier(plan), &world).expect_err("refused");
    assert_eq!(reasons.len(), 1, "{reasons:?}");
    reasons[0].to_string()
}

#[test]
fn a_tenant_has_a_database_when_it_or_its_plan_asks_for_one() {
    assert_eq!(model(json!({}), json!({})), None);
    assert_eq!(model(json!({}), json!({"database": {"connectionLimit": 5}})), None);
    assert_eq!(
        model(json!({}), json!({"database": {"model": "Schema"}})),
        Some(DatabaseModel::Schema)
    );
    for (isolation, expected) in [
        ("SharedData", DatabaseModel::SharedTable),
        ("SharedApplication", DatabaseModel::Schema),
        ("DedicatedApplication", DatabaseModel::Schema),
        ("DedicatedNodes", DatabaseModel::Database),
    ] {
        let spec = json!({"isolation": {"model": isolation}, "database": {}});
        assert_eq!(model(spec, json!({})), Some(expected), "{isolation}");
    }
}

#[test]
fn a_model_goes_with_an_isolation() {
    let asks = |isolation: &str, model: &str| json!({"isolation": {"model": isolation}, "database": {"model": model}});
    let reason = refusal(asks("SharedData", "Schema"), json!({}), None);
    assert_eq!(
        reason,
        "spec.database.model: Schema is not compatible with isolation SharedData, which allows SharedTable"
    );
    assert!(refusal(asks("DedicatedNodes", "Schema"), json!({}), None).contains("Database, Server"));
    let allowed = json!({"database": {"allowed": ["Schema", "Server"]}});
    assert_eq!(
        model(asks("DedicatedNodes", "Schema"), allowed.clone()),
        Some(DatabaseModel::Schema),
        "where the plan says so"
    );
    let reason = refusal(asks("DedicatedApplication", "Database"), allowed, None);
    assert!(
        reason.contains("is not allowed by tier plan, which allows Schema, Server"),
        "{reason}"
    );
}

#[test]
fn a_model_stays_what_it_was() {
    let spec = json!({"database": {"model": "Database"}});
    let reason = refusal(spec, json!({}), Some(DatabaseModel::Schema));
    assert_eq!(
        reason,
        "spec.database.model: cannot change from Schema to Database: the data already exists"
    );
}

#[test]
fn limits_and_settings_come_from_the_plan() {
    let plan = json!({"database": {"model": "Schema", "connectionLimit": 30, "statementTimeout": "1m30s",
        "lockTimeout": "500ms", "workMem": "16Mi", "maxStorage": "10Gi"}});
    let database = database(
        json!({"database": {"extensions": ["pgcrypto", "citext"]}}),
        plan.clone(),
    )
    .expect("one");
    assert_eq!(database.connection_limit, 30);
    assert_eq!(database.max_storage, Some(10 << 30));
    let settings: Vec<String> = database.settings.iter().map(|(k, v)| format!("{k}={v}")).collect();
    assert_eq!(
        settings,
        ["statement_timeout=90000ms", "lock_timeout=500ms", "work_mem=16384kB"]
    );
    let extensions: Vec<&str> = database.extensions.iter().map(Identifier::as_str).collect();
    assert_eq!(extensions, ["citext", "pgcrypto"]);
    let reason = refusal(json!({"database": {"connectionLimit": 31}}), plan, None);
    assert_eq!(
        reason,
        "spec.database.connectionLimit: 31 is more than the 30 of tier plan"
    );
}

#[test]
fn only_shared_tables_have_numbers() {
    let shared = json!({"isolation": {"model": "SharedData"}, "number": 7});
    assert_eq!(
        model(shared, json!({"database": {"model": "SharedTable"}})),
        Some(DatabaseModel::SharedTable)
    );
    for spec in [
        json!({"number": 7}),
        json!({"number": 7, "database": {"model": "Schema"}}),
    ] {
        assert!(refusal(spec, json!({}), None).starts_with("spec.number: "));
    }
}

#[test]
fn the_registry_of_shared_tables_holds_no_nul() {
    let spec = |isolation: &str, configuration: Value| json!({"isolation": {"model": isolation}, "configuration": configuration, "database": {}});
    for nul in [json!({"a": ["x\0"]}), json!({"a": {"x\0": 1}})] {
        let refused = refusal(spec("SharedData", nul.clone()), json!({}), None);
        assert!(
            refused.starts_with("spec.configuration: ") && refused.contains("U+0000"),
            "{refused}"
        );
        assert!(
            model(spec("DedicatedApplication", nul), json!({})).is_some(),
            "a file holds it"
        );
    }
    assert!(model(spec("SharedData", json!({"a": "\\u0000"})), json!({})).is_some());
}

#[test]
fn the_login_of_an_application_is_for_tenants_that_share_it_and_not_the_data() {
    let plan = |role: &str| {
        let application =
            json!({"name": "crm", "namespace": "apps", "service": "crm", "port": 80, "databaseRole": role});
        let other = json!({"name": "other", "namespace": "apps", "service": "other", "port": 80});
        json!({"gateway": {"applications": [application, other]}, "isolation": {"allowed": ["SharedApplication", "DedicatedApplication", "SharedData"]}})
    };
    let spec = |isolation: &str, model: &str| json!({"isolation": {"model": isolation}, "database": {"model": model}});
    for (isolation, model, expected) in [
        ("SharedApplication", "Schema", 1),
        ("SharedApplication", "Database", 1),
        ("DedicatedApplication", "Schema", 0),
        ("SharedData", "SharedTable", 0),
    ] {
        let database = database(spec(isolation, model), plan("crm app")).expect("one");
        let roles: Vec<&str> = database
            .applications
            .iter()
            .map(|application| application.role.as_str())
            .collect();
        assert_eq!(
            roles,
            ["crm app"].iter().take(expected).copied().collect::<Vec<_>>(),
            "{isolation} {model}"
        );
    }
    for role in ["pg_monitor", "public", "none", "t_0123456789abcdef0123", ""] {
        let reason = refusal(spec("SharedApplication", "Schema"), plan(role), None);
        assert!(
            reason.starts_with("spec.tier: the tier's gateway.applications (crm).databaseRole: "),
            "{reason}"
        );
    }
}
