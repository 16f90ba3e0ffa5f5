//! The floor of a tenant's part of PostgreSQL: a script with one connection that knows its statements beforehand. It checks only that the tenant's login works,
//! and waits for each answer before it sends the next statement.

use crate::database::Site;
use crate::say;
use anyhow::{Result, anyhow};
use std::time::{Duration, Instant};
use tenant_operator::database::ValidDatabase;
use tenant_operator::postgres::client::Server;
use tenant_operator::postgres::password::Password;
use tenant_operator::postgres::plan::{Login, Place, Venue, Wanted};
use tenant_operator::postgres::{Identifier, Names, preview};

const DATABASE: &str = "floor";
/// The records of the owner of each object.
const RECORDS: &str = "CREATE SCHEMA tenant_operator; CREATE TABLE tenant_operator.object (kind text, oid oid, name text, \
                       tenant_id text, revision text, created_at timestamptz DEFAULT now(), PRIMARY KEY (kind, name)); \
                       CREATE INDEX ON tenant_operator.object (tenant_id)";
/// The number of tenants whose roles are dropped at once.
const BATCH: usize = 50;

/// The results of the floor.
#[derive(Clone, Debug)]
pub struct SqlFloor {
    pub total: Duration,
    pub statements: u64,
}

/// Makes the roles and schemas of `count` tenants in a database of their own, and removes them.
pub async fn run(site: &Site, database: &ValidDatabase, count: usize) -> Result<SqlFloor> {
    site.create(DATABASE).await?;
    let server = Server::new(site.address(DATABASE), tenant_operator::term::Term::unlimited())?;
    let client = server.connect_to(DATABASE).await?;
    // The one connection of the script is held all the time.
    let door = Server::new(site.address(DATABASE), tenant_operator::term::Term::unlimited())?;
    client.batch_execute(RECORDS).await?;
    let catalog = preview::empty(&Identifier::new(DATABASE)?);
    let mut statements = 0;
    let started = Instant::now();
    for index in 0..count {
        let password = Password::random();
        let wanted = wanted(index, database, &password);
        let steps = preview::statements(&wanted, catalog.clone()).map_err(|error| anyhow!("{error}"))?;
        for group in steps.chunk_by(|a, b| a.venue == b.venue && a.venue != Venue::Alone) {
            let mut texts: Vec<String> = group.iter().map(|step| step.statement.reveal()).collect();
            if group[0].venue != Venue::Alone {
                texts.insert(0, "BEGIN".into());
                texts.push("COMMIT".into());
            }
            for text in &texts {
                client.batch_execute(text).await?;
                statements += 1;
            }
        }
        // A Secret that was never tried is not what is asked for.
        drop(
            door.log_in(wanted.names.logins[0].as_str(), &password, DATABASE)
                .await?,
        );
        statements += 1;
    }
    let total = started.elapsed();
    drop(client);
    say(format_args!(
        "SQL floor: {statements} statements, {:.1} s",
        total.as_secs_f64()
    ));
    drop((server, door));
    remove(site, count).await?;
    Ok(SqlFloor { total, statements })
}

fn wanted(index: usize, database: &ValidDatabase, password: &Password) -> Wanted {
    let tenant_id = format!("floor-{index}");
    Wanted {
        names: Names::of(&tenant_id),
        tenant_id,
        place: Place::Schema,
        logins: [
            Login {
                open: true,
                password: Some(password.verifier()),
            },
            Login::default(),
        ],
        connection_limit: database.connection_limit,
        settings: database.settings.clone(),
        extensions: Vec::new(),
        writable: true,
        applications: None,
    }
}

async fn remove(site: &Site, count: usize) -> Result<()> {
    let root = site.root().await?;
    root.batch_execute(&format!("DROP DATABASE {DATABASE} WITH (FORCE)"))
        .await?;
    let roles: Vec<String> = (0..count)
        .flat_map(|index| {
            let names = Names::of(&format!("floor-{index}"));
            names.roles().map(|role| role.as_str().to_string())
        })
        .collect();
    for batch in roles.chunks(BATCH) {
        root.batch_execute(&format!("DROP ROLE IF EXISTS {}", batch.join(", ")))
            .await?;
    }
    Ok(())
}
