//! Rows that are written, and those that are not.

use super::*;
use crate::postgres::Names;
use crate::postgres::shared::{Details, Settings};

const A: &str = "3f0c6a52-6a0e-4f6e-9a55-0f6a4f1c2d11";
const B: &str = "90c1b9be-51a6-4c6f-8a40-3dd6a5b0c222";

fn row(id: &str, name: &str, number: Option<i64>) -> RegistryRow {
    RegistryRow {
        id: id.into(),
        number,
        name: name.into(),
        parent: None,
        root: None,
        members: Vec::new(),
        tier: "starter".into(),
        owner_role: Names::of(id).owner,
        details: None,
    }
}

fn found(row: &RegistryRow, number: i64) -> (String, Tenant) {
    let tenant = Tenant {
        name: row.name.clone(),
        parent: row.parent.clone(),
        root: row.root.clone(),
        members: row.members.clone(),
        tier: Some(row.tier.clone()),
        number: Some(number),
        details: row.details.as_ref().map(TenantDetails::written).unwrap_or_default(),
    };
    (row.id.clone(), tenant)
}

/// A registry with these rows and their logins.
fn registry(rows: &[(&RegistryRow, i64)]) -> ObservedDatabase {
    ObservedDatabase {
        tenants: rows.iter().map(|(row, number)| found(row, *number)).collect(),
        logins: rows
            .iter()
            .map(|(row, _)| (row.owner_role.as_str().to_string(), row.id.clone()))
            .collect(),
        ..ObservedDatabase::default()
    }
}

fn planned(observed: &ObservedDatabase, wanted: &[RegistryRow]) -> Plan {
    let mut plan = Plan::default();
    rows("app", observed, wanted, &Catalog::default(), &mut plan);
    plan
}

fn statements(plan: &Plan) -> Vec<String> {
    let all = plan.works.iter().flat_map(|work| &work.statements);
    all.map(ToString::to_string).collect()
}

#[test]
fn a_number_of_the_platforms_is_entered_by_itself() {
    let wanted = [row(A, "a", Some(7)), row(B, "b", None)];
    let plan = planned(&ObservedDatabase::default(), &wanted);
    let [others, own] = plan.works.as_slice() else {
        panic!("{plan:?}")
    };
    assert_eq!((&others.tenant, own.tenant.as_deref()), (&None, Some(A)));
    let [insert, follow, login] = own.statements.as_slice() else {
        panic!("{own:?}")
    };
    let insert = insert.to_string();
    assert!(
        insert.contains("OVERRIDING SYSTEM VALUE") && insert.ends_with("'starter', 7)"),
        "{insert}"
    );
    assert!(
        follow.to_string().starts_with("SELECT setval(s.name, greatest(7, "),
        "{follow}"
    );
    assert!(login.to_string().contains("tenant_registry.login"), "{login}");
    assert!(
        !others
            .statements
            .iter()
            .any(|statement| statement.to_string().contains(A)),
        "{others:?}"
    );
    let settled = registry(&[(&wanted[0], 7), (&wanted[1], 8)]);
    assert_eq!(statements(&planned(&settled, &wanted)), [""; 0]);
}

#[test]
fn a_number_is_one_tenants_and_stays() {
    let (a, b) = (row(A, "a", None), row(B, "b", Some(7)));
    let plan = planned(&registry(&[(&a, 7)]), &[a.clone(), b.clone()]);
    assert_eq!(statements(&plan), [""; 0], "nobody is entered under another number");
    assert_eq!(plan.conflicts.keys().collect::<Vec<_>>(), [B]);
    assert!(
        plan.conflicts[B].contains("7 belongs to tenant a in database app"),
        "{plan:?}"
    );
    // Two in one call.
    let plan = planned(&ObservedDatabase::default(), &[row(A, "a", Some(7)), b.clone()]);
    assert!(plan.conflicts[B].contains("belongs to tenant a"), "{plan:?}");
    assert!(!statements(&plan).concat().contains(B), "{plan:?}");
    // Another one than it has.
    let plan = planned(&registry(&[(&b, 5)]), std::slice::from_ref(&b));
    assert!(
        plan.conflicts[B].contains("has the number 5") && plan.works.is_empty(),
        "{plan:?}"
    );
}

#[test]
fn details_are_written_once_and_settings_are_shown_to_nobody() {
    let settings = |json: &str| Settings {
        json: json.into(),
        digest: crate::names::sha256(json),
    };
    let details = TenantDetails {
        display_name: Some("It's\0 A".into()),
        domain: Some("a.example.com".into()),
        created_at: Some("2026-01-01T00:00:00Z".into()),
        settings: Some(settings(r#"{"secret":"it's"}"#)),
    };
    let bare = row(A, "a", None);
    let whole = RegistryRow {
        details: Some(details.clone()),
        ..bare.clone()
    };
    let before = registry(&[(&bare, 1)]);
    let plan = planned(&before, std::slice::from_ref(&whole));
    let [work] = plan.works.as_slice() else {
        panic!("{plan:?}")
    };
    assert_eq!((work.tenant.as_deref(), work.severity()), (Some(A), Severity::Hint));
    let [update] = work.statements.as_slice() else {
        panic!("{work:?}")
    };
    assert!(!update.to_string().contains("secret"), "{update}");
    assert!(
        update.reveal().contains(r#"settings = '{"secret":"it''s"}'::jsonb"#),
        "{}",
        update.reveal()
    );
    assert!(
        update
            .reveal()
            .contains("display_name = 'It''s A', domain = 'a.example.com'"),
        "{}",
        update.reveal()
    );
    let after = registry(&[(&whole, 1)]);
    assert_eq!(statements(&planned(&after, std::slice::from_ref(&whole))), [""; 0]);
    assert_eq!(
        statements(&planned(&after, std::slice::from_ref(&bare))),
        [""; 0],
        "they stay"
    );
    for other in [
        TenantDetails {
            settings: Some(settings("{}")),
            ..details.clone()
        },
        TenantDetails {
            settings: None,
            ..details.clone()
        },
        TenantDetails {
            domain: None,
            ..details.clone()
        },
        TenantDetails {
            display_name: None,
            ..details
        },
    ] {
        let changed = RegistryRow {
            details: Some(other),
            ..bare.clone()
        };
        assert_eq!(
            planned(&after, std::slice::from_ref(&changed)).works.len(),
            1,
            "{changed:?}"
        );
    }
    assert_eq!(after.tenants[A].details.display_name.as_deref(), Some("It's A"));
    assert_ne!(after.tenants[A].details, Details::default());
}
