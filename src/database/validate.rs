//! The database of a tenant, and the lifetime of its credentials.

use super::{DatabaseApplication, ValidDatabase};
use crate::api::{DatabaseModel, IsolationModel, Tenant, TierDatabase};
use crate::capability::{Asked, Invalid, duration};
use crate::conditions::{condition, kind};
use crate::postgres::{Identifier, Names};
use crate::quantity::Amount;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::core::Selector;
use serde_json::Value;

/// Default number of connections of each login.
const CONNECTION_LIMIT: i32 = 20;

/// Returns the tenant's database, if it has one.
pub fn resolve(asked: &Asked<'_>, isolation: IsolationModel, errors: &mut Vec<Invalid>) -> Option<ValidDatabase> {
    let (tenant, placed) = (asked.tenant, asked.world.placed);
    let (spec, plan) = (&tenant.spec, &asked.tier.spec);
    let bounds = plan.database.clone().unwrap_or_default();
    if spec.database.is_none() && bounds.model.is_none() {
        number(spec.number, None, errors);
        return None;
    }
    let own = spec.database.clone().unwrap_or_default();
    let model = model(tenant, &bounds, isolation, errors);
    number(spec.number, Some(model), errors);
    if let Some(placed) = placed.filter(|placed| *placed != model) {
        let message = format!("cannot change from {placed} to {model}: the data already exists");
        errors.push(Invalid::new("spec.database.model", message));
    }
    let most = bounds.connection_limit.unwrap_or(CONNECTION_LIMIT);
    let connection_limit = own.connection_limit.unwrap_or(most);
    if bounds.connection_limit.is_some() && connection_limit > most {
        let message = format!("{connection_limit} is more than the {most} of tier {}", spec.tier);
        errors.push(Invalid::new("spec.database.connectionLimit", message));
    }
    let extensions = extensions(&own.extensions, model, errors);
    let selector = bounds.server_selector.clone().unwrap_or_default();
    let selector = Selector::try_from(selector).unwrap_or_else(|error| {
        errors.push(Invalid::new(
            "spec.tier: the tier's database.serverSelector",
            error.to_string(),
        ));
        Selector::default()
    });
    Some(ValidDatabase {
        model,
        connection_limit,
        extensions,
        settings: settings(&bounds, errors),
        selector,
        max_storage: bounds
            .max_storage
            .as_ref()
            .and_then(|quantity| bytes("maxStorage", &quantity.0, errors)),
        on_storage_limit: bounds.on_storage_limit.unwrap_or_default(),
        applications: applications(asked, isolation, errors),
        opened_by: opened_by(tenant),
    })
}

/// The applications of the tier that have a login of their own. They serve tenants that share the application, and not the data.
fn applications(asked: &Asked<'_>, isolation: IsolationModel, errors: &mut Vec<Invalid>) -> Vec<DatabaseApplication> {
    let gateway = asked.tier.spec.gateway.as_ref();
    let all = gateway.map_or(&[][..], |gateway| &gateway.applications);
    let mut valid = Vec::new();
    for application in all.iter().filter(|_| isolation == IsolationModel::SharedApplication) {
        let Some(role) = &application.database_role else {
            continue;
        };
        let reserved = role.starts_with("pg_") || role == "public" || role == "none" || Names::may_be(role);
        let role = match Identifier::new(role.as_str()) {
            Ok(role) if !reserved => Ok(role),
            Ok(_) => Err("is a role of PostgreSQL or of the operator: name a login of the platform's own".to_string()),
            Err(error) => Err(error.to_string()),
        };
        match role {
            Ok(role) => valid.push(DatabaseApplication {
                name: application.name.clone(),
                role,
            }),
            Err(why) => {
                let field = format!(
                    "spec.tier: the tier's gateway.applications ({}).databaseRole",
                    application.name
                );
                errors.push(Invalid::new(field, why));
            }
        }
    }
    valid
}

/// Only the registry of the shared tables has numbers.
fn number(number: Option<i64>, model: Option<DatabaseModel>, errors: &mut Vec<Invalid>) {
    if number.is_some() && model != Some(DatabaseModel::SharedTable) {
        let message = "only a tenant with the database model SharedTable has a number: remove this field";
        errors.push(Invalid::new("spec.number", message));
    }
}

/// Refuses configuration that the registry of the shared tables cannot hold.
pub fn settings_fit(database: &ValidDatabase, configuration: Option<&str>, errors: &mut Vec<Invalid>) {
    let suspect = configuration.filter(|text| database.model == DatabaseModel::SharedTable && text.contains("\\u0000"));
    let value = suspect.and_then(|text| serde_json::from_str(text).ok());
    if value.is_some_and(|value| has_nul(&value)) {
        let message = "contains the character U+0000, which PostgreSQL cannot hold in the registry of the shared tables: remove it";
        errors.push(Invalid::new("spec.configuration", message));
    }
}

fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(has_nul),
        Value::Object(fields) => fields.iter().any(|(key, value)| key.contains('\0') || has_nul(value)),
        _ => false,
    }
}

/// Returns the credentials that, by the status, open the database of the present spec.
fn opened_by(tenant: &Tenant) -> Option<String> {
    let is_current = |ready: &&Condition| ready.observed_generation == tenant.metadata.generation;
    let ready = condition(tenant, kind::DATABASE_READY).filter(|ready| ready.status == "True");
    let ready = ready.filter(is_current);
    let database = ready.and(tenant.status.as_ref())?.database.as_ref()?;
    database.credentials_issued_at.clone()
}

fn model(
    tenant: &Tenant,
    bounds: &TierDatabase,
    isolation: IsolationModel,
    errors: &mut Vec<Invalid>,
) -> DatabaseModel {
    use DatabaseModel::{Database, Schema, Server, SharedTable};
    let fitting: &[DatabaseModel] = match isolation {
        IsolationModel::SharedData => &[SharedTable],
        IsolationModel::SharedApplication => &[Schema, Database],
        IsolationModel::DedicatedApplication => &[Schema, Database, Server],
        // The shared database of a schema only where the plan itself says so.
        IsolationModel::DedicatedNodes if bounds.model == Some(Schema) || bounds.allowed.contains(&Schema) => {
            &[Database, Server, Schema]
        }
        IsolationModel::DedicatedNodes => &[Database, Server],
    };
    let asked = tenant.spec.database.as_ref().and_then(|database| database.model);
    let model = asked.or(bounds.model).unwrap_or(fitting[0]);
    let field = match asked {
        Some(_) => "spec.database.model",
        None => "spec.tier: the tier's database.model",
    };
    let names = |models: &[DatabaseModel]| models.iter().map(|m| m.as_str()).collect::<Vec<_>>().join(", ");
    if !fitting.contains(&model) {
        let message = format!(
            "{model} is not compatible with isolation {isolation}, which allows {}",
            names(fitting)
        );
        errors.push(Invalid::new(field, message));
    }
    if !bounds.allowed.is_empty() && !bounds.allowed.contains(&model) {
        let allowed = names(&bounds.allowed);
        let message = format!(
            "{model} is not allowed by tier {}, which allows {allowed}",
            tenant.spec.tier
        );
        errors.push(Invalid::new(field, message));
    }
    model
}

fn extensions(asked: &[String], model: DatabaseModel, errors: &mut Vec<Invalid>) -> Vec<Identifier> {
    if model == DatabaseModel::SharedTable && !asked.is_empty() {
        let message = "the platform installs the extensions of shared tables: remove this field";
        errors.push(Invalid::new("spec.database.extensions", message));
    }
    let mut valid = Vec::new();
    for (i, name) in asked.iter().enumerate() {
        match Identifier::new(name.as_str()) {
            Ok(name) => valid.push(name),
            Err(error) => errors.push(Invalid::new(
                format!("spec.database.extensions[{i}]"),
                error.to_string(),
            )),
        }
    }
    valid.sort();
    valid.dedup();
    valid
}

fn settings(bounds: &TierDatabase, errors: &mut Vec<Invalid>) -> Vec<(&'static str, String)> {
    let timeouts = [
        ("statement_timeout", "statementTimeout", &bounds.statement_timeout),
        ("lock_timeout", "lockTimeout", &bounds.lock_timeout),
        (
            "idle_in_transaction_session_timeout",
            "idleInTransactionSessionTimeout",
            &bounds.idle_in_transaction_session_timeout,
        ),
    ];
    let mut settings = Vec::new();
    for (setting, field, value) in timeouts {
        let field = format!("spec.tier: the tier's database.{field}");
        if let Some(time) = value.as_deref().and_then(|text| duration(&field, text, errors)) {
            settings.push((setting, format!("{}ms", time.as_millis())));
        }
    }
    let memory = bounds.work_mem.as_ref();
    if let Some(memory) = memory.and_then(|quantity| bytes("workMem", &quantity.0, errors)) {
        settings.push(("work_mem", format!("{}kB", (memory / 1024).max(64))));
    }
    settings
}

fn bytes(field: &str, text: &str, errors: &mut Vec<Invalid>) -> Option<i64> {
    let amount = Amount::parse(text).ok().filter(|amount| !amount.is_negative());
    if amount.is_none() {
        let field = format!("spec.tier: the tier's database.{field}");
        errors.push(Invalid::new(
            field,
            format!("{text:.40} is not a quantity such as 10Gi"),
        ));
    }
    amount.map(Amount::ceil)
}

#[cfg(test)]
#[path = "validate_test.rs"]
mod tests;
