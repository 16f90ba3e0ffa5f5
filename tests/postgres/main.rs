//! The SQL layer against real servers: `cargo test --test postgres [NAME]`, of the versions in `PG_VERSIONS` (all: "13 15 16 17
//! 18"), each with a superuser and with a role that has CREATEROLE and CREATEDB only.

mod proxy;
mod servers;
mod site;

mod attacks;
mod audit;
mod beyond;
mod conflicts;
mod cost;
mod crash;
mod drift;
mod faults;
mod hostile;
mod lifecycle;
mod quoting;
mod secrets;
mod tls;

use servers::Pg;
use site::{Admin, Site};
use std::future::Future;
use std::pin::Pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tenant_operator::postgres::plan::Place;

/// No single test takes longer, on a busy machine either.
const LIMIT: Duration = Duration::from_secs(450);
/// How many run at once.
const AT_ONCE: usize = 4;

type Run = fn(Site, Place) -> Pin<Box<dyn Future<Output = ()> + Send>>;

/// One subject, and where it is tried.
struct Subject {
    name: &'static str,
    models: &'static [Place],
    versions: &'static [u32],
    admins: &'static [Admin],
    /// With nothing else on the server.
    alone: bool,
    run: Run,
}

const BOTH: &[Place] = &[Place::Schema, Place::Database];
const EVERY: &[u32] = &[13, 15, 16, 17, 18];

macro_rules! subject {
    ($module:ident::$name:ident, $models:expr $(, $field:ident: $value:expr)*) => {
        #[allow(clippy::needless_update)]
        Subject {
            $($field: $value,)*
            ..Subject {
                name: concat!(stringify!($module), "::", stringify!($name)),
                models: $models,
                versions: EVERY,
                admins: &[Admin::Superuser, Admin::CreateRole],
                alone: false,
                run: |site, place| Box::pin($module::$name(site, place)),
            }
        }
    };
}

fn subjects() -> Vec<Subject> {
    vec![
        // The longest first.
        subject!(crash::while_made, BOTH, versions: &[15, 18], admins: &[Admin::CreateRole]),
        subject!(crash::while_extended, BOTH, versions: &[15, 18], admins: &[Admin::CreateRole]),
        subject!(crash::while_removed, BOTH, versions: &[15, 18], admins: &[Admin::CreateRole]),
        subject!(crash::while_read_only, BOTH, versions: &[15, 18], admins: &[Admin::CreateRole]),
        // Roles are made and closed alike, whatever they are for.
        subject!(crash::while_rotated, &[Place::Schema], versions: &[15, 18], admins: &[Admin::CreateRole]),
        subject!(crash::while_closed, &[Place::Schema], versions: &[15, 18], admins: &[Admin::CreateRole]),
        subject!(lifecycle::comes_stays_and_goes, BOTH),
        subject!(drift::is_put_back, BOTH),
        subject!(attacks::open_doors_are_told, &[Place::Schema], alone: true),
        subject!(attacks::are_refused, BOTH),
        subject!(conflicts::are_left_alone, BOTH),
        subject!(beyond::is_seen, BOTH),
        subject!(cost::grows_with_the_number, &[Place::Schema], admins: &[Admin::Superuser], alone: true),
        subject!(audit::finds_what_was_granted, &[Place::Schema]),
        subject!(audit::usage_is_counted, BOTH),
        subject!(quoting::survives_the_server, &[Place::Schema], admins: &[Admin::Superuser]),
        subject!(hostile::traps_are_not_sprung, BOTH),
        subject!(hostile::names_and_numbers_hurt_nobody, BOTH, admins: &[Admin::CreateRole]),
        subject!(hostile::open_transactions_hold_nothing_up, BOTH),
        subject!(hostile::what_logins_own_is_found, BOTH),
        subject!(faults::are_said_and_survived, &[Place::Schema], admins: &[Admin::CreateRole]),
        subject!(faults::connections_are_bounded, BOTH, admins: &[Admin::CreateRole]),
        subject!(tls::trusts_as_it_is_told, &[Place::Schema], versions: &[15], admins: &[Admin::CreateRole]),
        subject!(secrets::stay_out_of_the_log, BOTH, admins: &[Admin::CreateRole]),
    ]
}

fn main() -> ExitCode {
    let filter = std::env::args()
        .skip(1)
        .find(|argument| !argument.starts_with('-'))
        .unwrap_or_default();
    let versions = std::env::var("PG_VERSIONS").unwrap_or_else(|_| "13 15 16 17 18".into());
    let versions: Vec<u32> = versions
        .split_whitespace()
        .map(|text| text.parse().expect("PG_VERSIONS"))
        .collect();
    let runtime = tokio::runtime::Runtime::new().expect("runtime");
    let servers: Vec<Arc<Pg>> = versions.iter().map(|major| Arc::new(Pg::start(*major, ""))).collect();
    let failed = runtime.block_on(async {
        tokio::select! {
            failed = all(&servers, &filter) => failed,
            _ = tokio::signal::ctrl_c() => vec!["interrupted".into()],
        }
    });
    runtime.shutdown_timeout(Duration::from_secs(5));
    drop(servers);
    for failure in &failed {
        println!("FAILED {failure}");
    }
    if failed.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

async fn all(servers: &[Arc<Pg>], filter: &str) -> Vec<String> {
    let mut failed = Vec::new();
    for alone in [true, false] {
        for pg in servers.iter().filter(|_| !alone) {
            site::harden(pg).await;
        }
        let room = Arc::new(tokio::sync::Semaphore::new(if alone { 1 } else { AT_ONCE }));
        let mut running = Vec::new();
        for subject in subjects().into_iter().filter(|s| s.alone == alone) {
            for pg in servers.iter().filter(|pg| subject.versions.contains(&pg.major)) {
                for &admin in subject.admins {
                    for place in subject.models {
                        let name = format!("{} {} {admin:?} {place:?}", subject.name, pg.major);
                        if !name.contains(filter) {
                            continue;
                        }
                        let (pg, place, room, run) = (pg.clone(), place.clone(), room.clone(), subject.run);
                        running.push((
                            name.clone(),
                            tokio::spawn(async move {
                                let _room = room.acquire().await;
                                let begun = Instant::now();
                                let site = Site::new(&pg, admin).await;
                                let done = tokio::time::timeout(LIMIT, run(site, place)).await;
                                assert!(done.is_ok(), "took longer than {LIMIT:?}");
                                println!("ok {name} ({:.1} s)", begun.elapsed().as_secs_f32());
                            }),
                        ));
                    }
                }
            }
        }
        for (name, task) in running {
            let Err(error) = task.await else { continue };
            let why = error.try_into_panic().map_or_else(
                |error| error.to_string(),
                |said| match said.downcast::<String>() {
                    Ok(text) => *text,
                    Err(said) => said
                        .downcast::<&str>()
                        .map_or_else(|_| "panicked".into(), |text| text.to_string()),
                },
            );
            println!("FAILED {name}: {why}");
            failed.push(format!("{name}: {why}"));
        }
    }
    failed
}
