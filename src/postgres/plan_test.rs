//! Tests of the plan without a server.

use super::logins::CHANGING;
use super::*;
use crate::postgres::catalog::{
    Admin, DefaultGrant, Grant, Holding, Mark, MarkKey, Membership, Place as Found, Role, Setting,
};
use crate::postgres::password::Password;
use std::sync::Arc;

const ID: &str = "3f0c6a52-6a0e-4f6e-9a55-0f6a4f1c2d11";

pub(super) fn wanted(place: Place) -> Wanted {
    Wanted {
        tenant_id: ID.into(),
        names: Names::of(ID),
        place,
        logins: [
            Login {
                open: true,
                password: Some(Password::from_secret("a").verifier()),
            },
            Login::default(),
        ],
        connection_limit: 20,
        settings: vec![("statement_timeout", "30s".into()), ("work_mem", "16MB".into())],
        extensions: Vec::new(),
        writable: true,
        applications: None,
    }
}

/// A server of this version with nothing on it, to an admin with CREATEROLE and CREATEDB.
pub(super) fn empty(version: i32) -> Catalog {
    let mut catalog = Catalog {
        version,
        database: "tenants".into(),
        admin: Admin {
            name: "operator".into(),
            create_role: true,
            create_database: true,
            inherit: true,
            ..Admin::default()
        },
        ..Catalog::default()
    };
    catalog.databases.insert("tenants".into(), place("operator", &[]));
    catalog
}

fn place(owner: &str, grants: &[(&str, &str)]) -> Found {
    let grants = grants.iter().map(|(grantee, privilege)| Grant {
        grantee: Some((*grantee).into()),
        privilege: (*privilege).into(),
        grantable: false,
    });
    Found {
        oid: 7,
        owner: owner.into(),
        open: true,
        grants: grants.collect(),
        ..Found::default()
    }
}

pub(super) fn membership(role: &str, inherit: bool) -> Membership {
    Membership {
        role: role.into(),
        grantor: Some("operator".into()),
        admin: false,
        inherit,
        set: true,
    }
}

fn mark(catalog: &mut Catalog, kind: &str, name: &str) {
    let mark = Mark {
        oid: 7,
        tenant_id: ID.into(),
        revision: (kind == "database").then(|| "1 ".into()),
    };
    catalog.marks.insert((kind.into(), name.into()), mark);
}

/// A server on which everything is as wanted, the second login included.
pub(super) fn settled(wanted: &Wanted) -> Catalog {
    let mut catalog = empty(160_000);
    let names = &wanted.names;
    let owner = names.owner.as_str();
    let settings = [
        format!("role={owner}"),
        match wanted.place {
            Place::Database => "search_path=public".into(),
            _ => format!("search_path={owner}"),
        },
        "statement_timeout=30s".into(),
        "work_mem=16MB".into(),
    ];
    let by = membership("operator", true);
    for (i, login) in names.logins.iter().enumerate() {
        let role = Role {
            oid: 7,
            login: i == 0,
            connection_limit: 20,
            settings: settings
                .iter()
                .map(|setting| Setting {
                    database: None,
                    setting: setting.as_str().into(),
                })
                .collect(),
            member_of: vec![membership(owner, false)],
            members: vec![by.clone()],
            ..Role::default()
        };
        catalog.roles.insert(login.as_str().into(), Arc::new(role));
        mark(&mut catalog, "role", login.as_str());
    }
    let role = Role {
        oid: 7,
        inherit: true,
        members: vec![
            by,
            membership(names.logins[0].as_str(), false),
            membership(names.logins[1].as_str(), false),
        ],
        defaults: [('f', false), ('T', false)].into(),
        ..Role::default()
    };
    catalog.roles.insert(owner.into(), Arc::new(role));
    mark(&mut catalog, "role", owner);
    let grants = [
        (names.logins[0].as_str(), "CONNECT"),
        (names.logins[1].as_str(), "CONNECT"),
        (owner, "TEMPORARY"),
    ];
    let own = match wanted.place {
        Place::Database => owner,
        _ => "tenants",
    };
    catalog.databases.insert(own.into(), place("operator", &grants));
    match wanted.place {
        Place::Database => mark(&mut catalog, "database", owner),
        _ => {
            let grants = [(owner, "USAGE"), (owner, "CREATE")];
            catalog.schemas.insert(owner.into(), place("operator", &grants));
            mark(&mut catalog, "schema", owner);
        }
    }
    catalog
}

/// Returns the wanted state after a pass: no password to set.
pub(super) fn known(place: Place) -> Wanted {
    let mut wanted = wanted(place);
    wanted.logins[0].password = None;
    wanted
}

pub(super) fn shown(steps: &[Step]) -> String {
    let short = |step: &Step| {
        // The beginning of a code block is enough.
        let mut statement = step.statement.to_string();
        if statement.starts_with("DO ") {
            statement.truncate(150);
        }
        match &step.venue {
            Venue::Records => format!("{statement}\n"),
            Venue::Alone => format!("(alone) {statement}\n"),
            Venue::Inside(database) => format!("(in {database}) {statement}\n"),
            Venue::AloneInside(database) => format!("(alone in {database}) {statement}\n"),
        }
    };
    steps.iter().map(short).collect()
}

fn show(wanted: &Wanted, catalog: &Catalog) -> String {
    shown(&plan(wanted, catalog).expect("no conflict"))
}

fn role<'a>(catalog: &'a mut Catalog, name: &Identifier) -> &'a mut Role {
    Arc::make_mut(catalog.roles.get_mut(name.as_str()).expect("a role"))
}

#[test]
fn a_new_schema_tenant_on_15() {
    insta::assert_snapshot!(show(&wanted(Place::Schema), &empty(150_000)));
}

#[test]
fn a_new_schema_tenant_on_16() {
    let mut wanted = wanted(Place::Schema);
    wanted.extensions = vec![Identifier::new("pgcrypto").expect("valid")];
    insta::assert_snapshot!(show(&wanted, &empty(160_000)));
}

#[test]
fn a_new_database_tenant_comes_in_rounds() {
    let (new, name) = (wanted(Place::Database), Names::of(ID).place);
    let first = show(&new, &empty(160_000));
    let known = known(Place::Database);
    let mut catalog = settled(&known);
    let found = catalog.databases.remove(name.as_str()).expect("there");
    let mark = catalog
        .marks
        .remove(&("database".into(), name.as_str().into()))
        .expect("there");
    let intent = Intent {
        nonce: "5eed".into(),
        tenant_id: ID.into(),
    };
    catalog.intents.insert(name.as_str().into(), intent);
    let second = show(&known, &catalog);
    catalog.databases.insert("new_5eed".into(), place("operator", &[]));
    let third = show(&known, &catalog);
    catalog.databases.remove("new_5eed");
    catalog.intents.clear();
    let bare = Found {
        grants: Vec::new(),
        ..found
    };
    catalog.databases.insert(name.as_str().into(), bare);
    let mark = Mark { revision: None, ..mark };
    catalog.marks.insert(("database".into(), name.as_str().into()), mark);
    let fourth = show(&known, &catalog);
    insta::assert_snapshot!(format!("{first}\n{second}\n{third}\n{fourth}"));
}

#[test]
fn nothing_is_planned_where_all_is_as_wanted() {
    for place in [Place::Schema, Place::Database] {
        let wanted = known(place);
        assert_eq!(show(&wanted, &settled(&wanted)), "");
    }
}

#[test]
fn a_rotation_opens_one_login_and_then_closes_the_other() {
    let mut wanted = known(Place::Schema);
    let mut catalog = settled(&wanted);
    wanted.logins[1] = Login {
        open: true,
        password: Some(Password::from_secret("b").verifier()),
    };
    let opened = show(&wanted, &catalog);
    role(&mut catalog, &wanted.names.logins[1]).login = true;
    wanted.logins = [
        Login::default(),
        Login {
            open: true,
            password: None,
        },
    ];
    insta::assert_snapshot!(format!("{opened}\n{}", show(&wanted, &catalog)));
}

#[test]
fn drift_is_put_back() {
    let wanted = known(Place::Schema);
    let mut catalog = settled(&wanted);
    let names = wanted.names.clone();
    let login = role(&mut catalog, &names.logins[0]);
    (
        login.create_role,
        login.expires,
        login.connection_limit,
        login.superuser,
    ) = (true, true, 99, true);
    login.settings[1].setting = "search_path=elsewhere".into();
    login.settings.push(Setting {
        database: Some("tenants".into()),
        setting: "work_mem=1GB".into(),
    });
    login.member_of.push(membership("stranger", true));
    login.holdings = vec![Holding {
        database: "tenants".into(),
        owns: true,
    }];
    let owner = role(&mut catalog, &names.owner);
    owner.members.push(membership("stranger", true));
    owner.members.push(Membership {
        grantor: Some("postgres".into()),
        ..membership("guest", true)
    });
    owner.defaults.insert('f', true);
    owner.given.push(DefaultGrant {
        schema: None,
        kind: "r".into(),
        grantee: Some("stranger".into()),
    });
    let schema = catalog.schemas.get_mut(names.place.as_str()).expect("there");
    schema.grants.push(Grant {
        grantee: None,
        privilege: "USAGE".into(),
        grantable: false,
    });
    let database = catalog.databases.get_mut("tenants").expect("there");
    database.grants.retain(|grant| grant.privilege != "TEMPORARY");
    database.grants.push(Grant {
        grantee: Some(names.owner.as_str().into()),
        privilege: "CREATE".into(),
        grantable: false,
    });
    insta::assert_snapshot!(show(&wanted, &catalog));
}

#[test]
fn who_may_not_write_reads() {
    let mut wanted = known(Place::Schema);
    let catalog = settled(&wanted);
    wanted.writable = false;
    insta::assert_snapshot!(show(&wanted, &catalog));
}

#[test]
fn a_change_of_hands_that_was_cut_off_goes_on() {
    let wanted = known(Place::Schema);
    let mut catalog = settled(&wanted);
    let mark = catalog
        .marks
        .get_mut(&("role".into(), wanted.names.owner.as_str().into()));
    mark.expect("there").revision = Some(CHANGING.into());
    let steps = show(&wanted, &catalog);
    assert!(
        steps.contains("pg_terminate_backend") && steps.contains("SET revision = NULL"),
        "{steps}"
    );
}

#[test]
fn a_database_that_is_shared_no_more_is_closed_again() {
    let shared = |databases: &[&str]| {
        Place::Shared(Shared {
            group: well_known("tenants"),
            databases: databases
                .iter()
                .map(|name| Identifier::new(*name).expect("a name"))
                .collect(),
            search_path: vec![well_known(PUBLIC)],
        })
    };
    let wanted = known(shared(&["app"]));
    let mut catalog = settled(&wanted);
    let login = wanted.names.logins[0].as_str();
    for name in ["app", "former"] {
        let open = place("operator", &[(login, "CONNECT")]);
        catalog.databases.insert(name.into(), open);
    }
    let steps = show(&wanted, &catalog);
    let revoked = format!("REVOKE ALL ON DATABASE \"former\" FROM \"{login}\" CASCADE");
    assert!(
        steps.contains(&revoked) && !steps.contains("REVOKE ALL ON DATABASE \"app\""),
        "{steps}"
    );
}

#[test]
fn nothing_is_left_after_a_removal() {
    let mut text = String::new();
    for place in [Place::Schema, Place::Database] {
        let wanted = known(place);
        let mut catalog = settled(&wanted);
        for schema in catalog.schemas.values_mut() {
            schema.objects = Some(12);
        }
        role(&mut catalog, &wanted.names.owner).holdings = vec![Holding {
            database: "elsewhere".into(),
            owns: true,
        }];
        text += &shown(&removal(&wanted.names, ID, &catalog).expect("no conflict"));
        text += "\n";
    }
    insta::assert_snapshot!(text);
    assert_eq!(removal(&Names::of(ID), ID, &empty(160_000)), Ok(Vec::new()));
}

#[test]
fn what_is_not_marked_is_left_alone() {
    let wanted = known(Place::Schema);
    for key in settled(&wanted).marks.keys() {
        // No mark, another object's, and another tenant's.
        let spoil: [fn(&mut Catalog, &MarkKey); 3] = [
            |catalog, key| drop(catalog.marks.remove(key)),
            |catalog, key| catalog.marks.get_mut(key).expect("there").oid = 8,
            |catalog, key| catalog.marks.get_mut(key).expect("there").tenant_id = "other".into(),
        ];
        for spoil in spoil {
            let mut catalog = settled(&wanted);
            spoil(&mut catalog, key);
            let kind = &*key.0;
            for result in [
                plan(&wanted, &catalog),
                removal(&wanted.names, ID, &catalog),
                retention(&wanted.names, ID, &catalog),
            ] {
                assert_eq!(result.expect_err(kind).kind, kind);
            }
        }
    }
}
