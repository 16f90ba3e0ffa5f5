//! The SQL layer against real servers: `cargo test --test postgres [NAME]`. It runs on the versions that `servers.sh versions` prints, with a superuser and
//! with a role that has only CREATEROLE and CREATEDB.

mod proxy;
mod servers;
mod site;

mod attacks;
mod audit;
mod conflicts;
mod cost;
mod crash;
mod cross_tenant_access;
mod drift;
mod extensions;
mod faults;
mod grants;
mod hostile;
mod lifecycle;
mod members;
mod platform_logins;
mod quoting;
mod secrets;
mod shared;
mod tls;

use servers::Pg;
use shared::world::World;
use site::{Admin, Site};
use std::future::Future;
use std::pin::Pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tenant_operator::postgres::plan::Place;
use tokio::signal::unix::{SignalKind, signal};

/// No single test takes longer, on a busy machine either.
const LIMIT: Duration = Duration::from_secs(450);
/// The duration above which the end of the run names a test.
const SLOW: Duration = Duration::from_secs(10);
/// The most concurrent tests: more than there are cores, because some wait for a lock or for time to pass.
const AT_ONCE: usize = 4;

type Run = fn(Arc<Pg>, Admin, Place) -> Pin<Box<dyn Future<Output = ()> + Send>>;

/// The versions on which the run tries a subject. Every subject runs on `Every`, but for these:
///
/// | subject | on | because |
/// |---|---|---|
/// | `crash` | two | the operator sends one set of statements before 16 and another from 16 on |
/// | `quoting` | one | literals and identifiers are read alike since 9.1 |
/// | `tls` | one | the client judges the certificate |
/// | `faults` | one | the client gives up, tries again and bounds its connections; but `some_are_reserved`, which 16 brought |
/// | `secrets` | one | the operator sends verifiers only, so that no version has a password to log |
#[derive(Clone, Copy)]
enum On {
    Every,
    /// The distribution's and the newest.
    Two,
    /// The distribution's; every one where `PG_VERSIONS` names them.
    One,
}

/// One subject, and where it is tried.
struct Subject {
    name: &'static str,
    models: &'static [Place],
    on: On,
    admins: &'static [Admin],
    /// On a server that nothing else uses, just as it was installed.
    own: bool,
    run: Run,
}

const BOTH: &[Place] = &[Place::Schema, Place::Database];
const SCHEMA: &[Place] = &[Place::Schema];
const LIMITED: &[Admin] = &[Admin::CreateRole];

macro_rules! subject {
    (@ $name:expr, $models:expr, $own:expr, $run:expr $(, $field:ident: $value:expr)*) => {
        #[allow(clippy::needless_update)]
        Subject {
            $($field: $value,)*
            ..Subject {
                name: $name,
                models: $models,
                on: On::Every,
                admins: &[Admin::Superuser, Admin::CreateRole],
                own: $own,
                run: $run,
            }
        }
    };
    (shared::$module:ident::$name:ident $(, $field:ident: $value:expr)*) => {
        subject!(@ concat!("shared::", stringify!($module), "::", stringify!($name)), SCHEMA, true, |pg, admin, _| {
            Box::pin(async move { shared::$module::$name(World::new(pg, admin).await).await })
        } $(, $field: $value)*)
    };
    ($module:ident::$name:ident, $models:expr $(, $field:ident: $value:expr)*) => {
        subject!(@ concat!(stringify!($module), "::", stringify!($name)), $models, false, |pg, admin, place| {
            Box::pin(async move {
                let site = Site::new(&pg, admin).await;
                $module::$name(site.clone(), place).await;
                site.end().await;
            })
        } $(, $field: $value)*)
    };
}

fn subjects() -> Vec<Subject> {
    vec![
        // The longest first.
        subject!(crash::while_made, BOTH, on: On::Two, admins: LIMITED),
        subject!(crash::while_extended, BOTH, on: On::Two, admins: LIMITED),
        subject!(crash::while_removed, BOTH, on: On::Two, admins: LIMITED),
        subject!(crash::while_read_only, BOTH, on: On::Two, admins: LIMITED),
        // Roles are made and closed alike, whatever they are for.
        subject!(crash::while_rotated, SCHEMA, on: On::Two, admins: LIMITED),
        subject!(crash::while_closed, SCHEMA, on: On::Two, admins: LIMITED),
        subject!(lifecycle::comes_stays_and_goes, BOTH),
        subject!(drift::is_put_back, BOTH),
        subject!(extensions::come_in_order, BOTH),
        subject!(attacks::open_doors_are_told, SCHEMA, own: true),
        subject!(attacks::are_refused, BOTH),
        subject!(attacks::statistics_are_closed, SCHEMA, admins: LIMITED),
        subject!(members::harm_nobody, BOTH, admins: LIMITED),
        subject!(platform_logins::become_one_tenant, BOTH),
        subject!(platform_logins::mighty_ones_are_refused, SCHEMA, admins: LIMITED),
        subject!(conflicts::are_left_alone, BOTH),
        subject!(conflicts::a_missing_place_is_told_from_a_renamed_one, BOTH, on: On::Two, admins: LIMITED),
        subject!(grants::hold_nothing_up, BOTH, on: On::Two, admins: LIMITED),
        subject!(grants::without_effect_hold_nothing_up, SCHEMA, on: On::Two, admins: LIMITED),
        subject!(grants::keep_no_role, BOTH),
        subject!(cross_tenant_access::is_seen, BOTH),
        subject!(cost::grows_with_the_number, SCHEMA, admins: &[Admin::Superuser], own: true),
        subject!(audit::finds_what_was_granted, SCHEMA),
        subject!(audit::usage_is_counted, BOTH),
        subject!(quoting::survives_the_server, SCHEMA, on: On::One, admins: &[Admin::Superuser]),
        subject!(hostile::traps_are_not_sprung, BOTH),
        subject!(hostile::names_and_numbers_hurt_nobody, BOTH, admins: LIMITED, own: true),
        subject!(hostile::open_transactions_hold_nothing_up, BOTH),
        subject!(hostile::what_logins_own_is_found, BOTH),
        subject!(faults::are_said_and_survived, SCHEMA, on: On::One, admins: LIMITED, own: true),
        subject!(faults::some_are_reserved, SCHEMA, on: On::Two, admins: LIMITED, own: true),
        subject!(faults::connections_are_bounded, BOTH, on: On::One, admins: LIMITED),
        subject!(tls::trusts_as_it_is_told, SCHEMA, on: On::One, admins: LIMITED, own: true),
        subject!(secrets::stay_out_of_the_log, BOTH, on: On::One, admins: LIMITED, own: true),
        subject!(shared::applications::the_tenant_that_it_names),
        subject!(shared::applications::one_backend_serves_two),
        subject!(shared::applications::one_of_several_applications),
        subject!(shared::drift::defaults_are_taken_back),
        subject!(shared::drift::comes_back),
        subject!(shared::drift::stays_closed),
        subject!(shared::drift::new_tables),
        subject!(shared::drift::the_group),
        subject!(shared::drift::what_the_spec_drops),
        subject!(shared::drift::not_ours),
        subject!(shared::findings::tables),
        subject!(shared::findings::roles),
        subject!(shared::findings::around),
        subject!(shared::findings::the_script, admins: LIMITED, run: |pg, admin, _| {
            Box::pin(async move { shared::findings::the_script(World::bare(pg, admin).await).await })
        }),
        subject!(shared::groups::of_two_records),
        subject!(shared::groups::of_a_former_release),
        subject!(shared::members::harm_nobody),
        subject!(shared::members::others_policies, admins: LIMITED),
        subject!(shared::members::former_policies, admins: LIMITED),
        subject!(shared::quiet::one_statement_that_reads),
        subject!(shared::quiet::a_thousand_tenants),
        subject!(shared::removal::nothing_is_left),
        subject!(shared::removal::what_stands_in_the_way),
        subject!(shared::subtenants::each_sees_what_is_below_it),
        subject!(shared::subtenants::a_subtenants_rows_go_with_it),
        subject!(shared::tenants::its_own_rows_only),
        subject!(shared::tenants::nothing_goes_around),
        subject!(shared::tenants::the_registry),
        subject!(shared::tenants::details_and_numbers),
    ]
}

fn main() -> ExitCode {
    let filter = std::env::args()
        .skip(1)
        .find(|argument| !argument.starts_with('-'))
        .unwrap_or_default();
    servers::sweep();
    let runtime = tokio::runtime::Runtime::new().expect("runtime");
    let result = runtime.block_on(async {
        let mut ended = signal(SignalKind::terminate()).expect("signals");
        tokio::select! {
            result = all(&filter) => Some(result),
            _ = tokio::signal::ctrl_c() => None,
            _ = ended.recv() => None,
        }
    });
    // Servers end with the tests that use them.
    runtime.shutdown_timeout(Duration::from_secs(30));
    let Some((passed, failed)) = result else {
        println!("FAILED interrupted");
        return ExitCode::FAILURE;
    };
    println!("{passed} passed, {failed} failed");
    if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// Runs all tests; returns the numbers of passed and failed ones.
async fn all(filter: &str) -> (usize, usize) {
    let (versions, distribution) = servers::versions();
    let asked = std::env::var("PG_VERSIONS").is_ok_and(|versions| !versions.is_empty());
    let newest = versions.last().copied();
    let mut cases = Vec::new();
    for subject in subjects() {
        for &major in &versions {
            let tried = match subject.on {
                On::Every => true,
                On::Two => major == distribution || Some(major) == newest,
                On::One => major == distribution || asked,
            };
            if tried {
                cases.extend(cases_of(&subject, major).filter(|case| case.name.contains(filter)));
            }
        }
    }
    let used = |major: &&u32| cases.iter().any(|case: &Case| !case.own && case.major == **major);
    let starting = futures::future::join_all(versions.iter().filter(used).map(|major| Pg::start(*major))).await;
    let servers: Arc<[Arc<Pg>]> = starting.into();
    for pg in &*servers {
        site::harden(pg).await;
    }
    let room = Arc::new(tokio::sync::Semaphore::new(AT_ONCE));
    let running: Vec<_> = cases
        .into_iter()
        .map(|case| {
            let (room, servers) = (room.clone(), servers.clone());
            (
                case.name.clone(),
                tokio::spawn(async move {
                    let _room = room.acquire().await;
                    case.run(&servers).await
                }),
            )
        })
        .collect();
    drop(servers);
    let (mut slow, mut failures, mut passed) = (Vec::new(), Vec::new(), 0);
    for (name, task) in running {
        match task.await {
            Ok(took) => {
                passed += 1;
                if took > SLOW {
                    slow.push(format!("slow: {name} ({:.1} s)", took.as_secs_f32()));
                }
            }
            Err(error) => {
                let failure = format!("FAILED {name}: {}", reason(error));
                println!("{failure}");
                failures.push(failure);
            }
        }
    }
    for line in slow.iter().chain(&failures) {
        println!("{line}");
    }
    (passed, failures.len())
}

/// A subject in one place.
struct Case {
    name: String,
    major: u32,
    admin: Admin,
    place: Place,
    own: bool,
    run: Run,
}

fn cases_of(subject: &Subject, major: u32) -> impl Iterator<Item = Case> {
    let models = subject.models;
    subject.admins.iter().flat_map(move |&admin| {
        models.iter().map(move |place| Case {
            name: match models.len() {
                1 => format!("{} {major} {admin:?}", subject.name),
                _ => format!("{} {major} {admin:?} {place:?}", subject.name),
            },
            major,
            admin,
            place: place.clone(),
            own: subject.own,
            run: subject.run,
        })
    })
}

impl Case {
    /// Runs the test and returns its duration.
    async fn run(self, servers: &[Arc<Pg>]) -> Duration {
        let begun = Instant::now();
        let shared = servers.iter().find(|pg| !self.own && pg.major == self.major);
        let pg = match shared {
            Some(pg) => pg.clone(),
            None => Pg::start(self.major).await,
        };
        let done = tokio::time::timeout(LIMIT, (self.run)(pg, self.admin, self.place)).await;
        assert!(done.is_ok(), "took longer than {LIMIT:?}");
        let took = begun.elapsed();
        println!("ok {} ({:.1} s)", self.name, took.as_secs_f32());
        took
    }
}

/// Returns the reason why a test ended early.
fn reason(error: tokio::task::JoinError) -> String {
    error.try_into_panic().map_or_else(
        |error| error.to_string(),
        |said| match said.downcast::<String>() {
            Ok(text) => *text,
            Err(said) => said
                .downcast::<&str>()
                .map_or_else(|_| "panicked".into(), |text| text.to_string()),
        },
    )
}
