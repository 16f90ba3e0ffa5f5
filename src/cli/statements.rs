//! The SQL of a tenant's database, as comments: so `render` still prints valid YAML for a cluster.

use crate::api::DatabaseServer;
use crate::capability::ValidTenant;
use crate::database::ValidDatabase;
use crate::database::server_selection::{self, Candidate};
use crate::postgres::password::Password;
use crate::postgres::plan::{Login, Place, Step, Venue, Wanted};
use crate::postgres::shared::group;
use crate::postgres::{Identifier, Names, applications, preview};
use anyhow::{Context, anyhow};
use kube::ResourceExt;
use std::fmt::Write;

/// The server of the input that a tenant would be placed on.
///
/// # Errors
/// Reason of each server.
pub fn server<'a>(database: &ValidDatabase, servers: &'a [DatabaseServer]) -> anyhow::Result<&'a DatabaseServer> {
    let candidates: Vec<Candidate> = servers
        .iter()
        .map(|server| Candidate {
            name: server.name_any(),
            labels: server.labels().clone(),
            has_shared_tables: !server.spec.shared_tables.is_empty(),
            ..Candidate::default()
        })
        .collect();
    let chosen =
        server_selection::choose(&candidates, database.model, &database.selector).map_err(|why| anyhow!(why))?;
    let found = servers.iter().find(|server| server.name_any() == chosen);
    found.context("the input does not contain the chosen server")
}

/// Every statement, with identifiers quoted and secrets left out.
///
/// # Errors
/// A server whose names PostgreSQL cannot have.
pub fn comments(tenant: &ValidTenant, database: &ValidDatabase, server: &DatabaseServer) -> anyhow::Result<String> {
    let records = Identifier::new(server.spec.database.as_str()).context("spec.database")?;
    let names = Names::of(&tenant.core.owner.id);
    let group = || group::of_records(records.as_str());
    let place = server_selection::place(database.model, &server.spec.shared_tables, group)?;
    let logins: Vec<Identifier> = database
        .applications
        .iter()
        .map(|application| application.role.clone())
        .collect();
    let wanted = Wanted {
        tenant_id: tenant.core.owner.id.clone(),
        names,
        place,
        logins: [
            Login {
                open: true,
                password: Some(Password::random().verifier()),
            },
            Login::default(),
        ],
        connection_limit: database.connection_limit,
        settings: database.settings.clone(),
        extensions: database.extensions.clone(),
        writable: true,
        applications: (!logins.is_empty()).then(|| logins.clone()),
    };
    let mut steps = preview::statements(&wanted, preview::empty(&records))?;
    for login in logins.iter().filter(|_| wanted.place == Place::Schema) {
        steps.extend(applications::admit(login, records.as_str())?);
    }
    let mut out = format!(
        "# SQL for tenant {} on DatabaseServer {} (model {}), as a role with CREATEROLE and CREATEDB on PostgreSQL 16:\n",
        tenant.name(),
        server.name_any(),
        database.model
    );
    for group in steps.chunk_by(|a, b| a.venue == b.venue && a.venue.is_transaction()) {
        print(group, &records, &mut out);
    }
    Ok(out)
}

fn print(group: &[Step], records: &Identifier, out: &mut String) {
    let (begin, end) = match &group[0].venue {
        Venue::Records => (format!("#   BEGIN; -- in {records}\n"), "#   COMMIT;\n"),
        Venue::Inside(database) => (format!("#   BEGIN; -- in {database}\n"), "#   COMMIT;\n"),
        Venue::AloneInside(database) => (format!("#   -- in {database}\n"), ""),
        Venue::Alone => (String::new(), ""),
    };
    out.push_str(&begin);
    for step in group {
        // A name may have line ends in it; a comment must not.
        let statement = step.statement.to_string().replace(['\n', '\r'], " ");
        let _ = writeln!(out, "#   {statement};");
    }
    out.push_str(end);
}
