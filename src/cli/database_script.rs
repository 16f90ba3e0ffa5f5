//! `tenant-operator database-script`: the statements that a superuser executes once on a server. From then on a role with CREATEROLE and CREATEDB is enough for
//! the operator.

use super::input;
use crate::api::{DatabaseServer, SharedTables};
use crate::postgres::sql::Literal;
use crate::postgres::weaknesses::{CLOSE_STATISTICS, close_locks};
use crate::postgres::{Identifier, Statement};
use crate::sql;
use anyhow::{Context, bail};
use clap::Args;
use kube::ResourceExt;
use std::fmt::Write;

/// Options of `database-script`.
#[derive(Args, Debug)]
pub struct DatabaseScript {
    /// A file with DatabaseServers as YAML; `-` is standard input. May be given several times.
    #[arg(short, long = "filename", required = true)]
    filenames: Vec<String>,
    /// The role that the operator works as: `username` in the server's adminSecretRef.
    #[arg(long, default_value = "tenant_operator")]
    admin: String,
}

impl DatabaseScript {
    /// A script for `psql`, one part for each server.
    ///
    /// # Errors
    /// Errors of the input.
    pub fn run(&self) -> anyhow::Result<String> {
        let resources = input::read(&self.filenames)?;
        resources.refused.check()?;
        let servers = resources.servers;
        if servers.is_empty() {
            bail!("there is no DatabaseServer in the input");
        }
        let admin = Identifier::new(self.admin.as_str()).context("--admin")?;
        servers.iter().map(|server| script(server, &admin)).collect()
    }
}

fn script(server: &DatabaseServer, admin: &Identifier) -> anyhow::Result<String> {
    let database = Identifier::new(server.spec.database.as_str()).context("spec.database")?;
    let mut out = format!(
        "-- DatabaseServer {}: execute once as a superuser, with psql; executing it again is harmless.\n\\set ON_ERROR_STOP on\n",
        server.name_any()
    );
    let note = |out: &mut String, why: &str| {
        let _ = writeln!(out, "\n-- {why}");
    };
    let say = |out: &mut String, statement: Statement, end: &str| {
        let _ = writeln!(out, "{}{end}", statement.reveal());
    };
    note(&mut out, "The operator's role; set its password with \\password.");
    say(
        &mut out,
        sql![
            "SELECT format('CREATE ROLE %I LOGIN CREATEROLE CREATEDB', r.name) FROM (SELECT ",
            Literal(admin.as_str()),
            "::text AS name) r WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = r.name)"
        ],
        " \\gexec",
    );
    say(&mut out, sql!["ALTER ROLE ", admin, " CREATEROLE CREATEDB"], ";");
    note(
        &mut out,
        "The database of the tenants and of the operator's records, which that role owns.",
    );
    say(
        &mut out,
        sql![
            "SELECT format('CREATE DATABASE %I OWNER %I TEMPLATE template0', d.name, ",
            Literal(admin.as_str()),
            ") FROM (SELECT ",
            Literal(database.as_str()),
            "::text AS name) d WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = d.name)"
        ],
        " \\gexec",
    );
    note(&mut out, "Otherwise every tenant's login can connect to these.");
    for name in ["postgres", "template1"] {
        let name = Identifier::new(name)?;
        say(&mut out, sql!["REVOKE ALL ON DATABASE ", &name, " FROM PUBLIC"], ";");
    }
    say(
        &mut out,
        sql!["REVOKE ALL ON DATABASE ", &database, " FROM PUBLIC"],
        ";",
    );
    note(&mut out, "The operator itself needs them to create a database.");
    say(&mut out, sql!["GRANT CONNECT ON DATABASE postgres TO ", admin], ";");
    say(
        &mut out,
        sql!["GRANT CONNECT, CREATE ON DATABASE ", &database, " TO ", admin],
        ";",
    );
    let _ = writeln!(out, "\n\\connect {database}");
    note(&mut out, "Otherwise tenants can exchange objects there.");
    say(&mut out, sql!["REVOKE ALL ON SCHEMA public FROM PUBLIC"], ";");
    note(
        &mut out,
        "Otherwise every tenant can create large objects, which count towards no tenant's storage.",
    );
    say(
        &mut out,
        sql![
            "REVOKE EXECUTE ON FUNCTION pg_catalog.lo_create(oid), pg_catalog.lo_creat(integer), \
             pg_catalog.lo_from_bytea(oid, bytea) FROM PUBLIC"
        ],
        ";",
    );
    note(
        &mut out,
        "Otherwise every tenant with a schema sees the reads and writes of other tenants' tables; pg_monitor still does.",
    );
    say(&mut out, sql![CLOSE_STATISTICS], ";");
    note(
        &mut out,
        "Otherwise every tenant with a schema sees which of its neighbours' tables are locked; pg_monitor and the operator still do.",
    );
    say(&mut out, close_locks(admin), ";");
    note(
        &mut out,
        "From 16 on: the connections that ALTER SYSTEM SET reserved_connections = 8 and a restart keep for the operator.",
    );
    say(
        &mut out,
        sql![
            "SELECT format('GRANT pg_use_reserved_connections TO %I', ",
            Literal(admin.as_str()),
            ") FROM pg_roles WHERE rolname = 'pg_use_reserved_connections'"
        ],
        " \\gexec",
    );
    for tables in &server.spec.shared_tables {
        shared(tables, admin, &mut out)?;
    }
    Ok(out)
}

/// Row-level security is the table owner's to enable: the operator's role has to be a member.
fn shared(tables: &SharedTables, admin: &Identifier, out: &mut String) -> anyhow::Result<()> {
    let database = Identifier::new(tables.database.as_str()).context("sharedTables.database")?;
    let _ = writeln!(
        out,
        "\n\\connect {database}\n\n-- Only the owners of shared tables can enable row-level security, and policies name the roles of the application."
    );
    let mut say = |statement: Statement, end: &str| {
        let _ = writeln!(out, "{}{end}", statement.reveal());
    };
    say(sql!["GRANT CREATE ON DATABASE ", &database, " TO ", admin], ";");
    say(
        sql![
            "GRANT CONNECT ON DATABASE ",
            &database,
            " TO ",
            admin,
            " WITH GRANT OPTION"
        ],
        ";",
    );
    let tables_of = |what: Statement, superusers: &'static str| {
        what.join(sql![
            " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_roles r ON r.oid = c.relowner WHERE n.nspname = ",
            Literal(tables.schema.as_str()),
            " AND c.relkind IN ('r', 'p') AND ",
            superusers,
            "r.rolsuper AND r.rolname <> ",
            Literal(admin.as_str())
        ])
    };
    let grant = sql![
        "SELECT DISTINCT format('GRANT %I TO %I', r.rolname, ",
        Literal(admin.as_str()),
        ")"
    ];
    say(tables_of(grant, "NOT "), " \\gexec");
    // Membership in a superuser would make the operator one.
    if let Some(role) = &tables.migration_role {
        let hand_over = sql![
            "SELECT format('ALTER TABLE %I.%I OWNER TO %I', n.nspname, c.relname, ",
            Literal(role.as_str()),
            ")"
        ];
        say(tables_of(hand_over, ""), " \\gexec");
    }
    let schema = sql![
        "SELECT format('GRANT %I TO %I', r.rolname, ",
        Literal(admin.as_str()),
        ") FROM pg_namespace n JOIN pg_roles r ON r.oid = n.nspowner WHERE n.nspname = ",
        Literal(tables.schema.as_str()),
        " AND NOT r.rolsuper AND r.rolname NOT IN ('pg_database_owner', ",
        Literal(admin.as_str()),
        ")"
    ];
    say(schema, " \\gexec");
    Ok(())
}
