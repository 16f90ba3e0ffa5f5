//! Questions about identities and places, and the reported findings.

use super::*;
use crate::api::{Owner, OwnerKind, OwnerRole};
use crate::isolation::access::rbac::Discovered;

const AGAIN: Duration = Duration::from_secs(30);

fn holder(name: &str, namespaces: &[&str], owners: &[(OwnerKind, &str)]) -> TenantSubjects {
    let owner = |(kind, name): &(OwnerKind, &str)| Owner {
        kind: *kind,
        api_group: None,
        name: name.to_string(),
        namespace: (*kind == OwnerKind::ServiceAccount).then(|| "tools".to_string()),
        role: OwnerRole::Admin,
    };
    TenantSubjects {
        name: name.into(),
        namespaces: namespaces.iter().map(ToString::to_string).collect(),
        owners: owners.iter().map(owner).collect(),
    }
}

/// Two tenants: alice owns one, a machine the other, and carol both.
fn holders() -> BTreeMap<String, TenantSubjects> {
    let carol = (OwnerKind::User, "carol");
    [
        holder("acme", &["acme", "acme-test"], &[(OwnerKind::User, "alice"), carol]),
        holder("globex", &["globex"], &[(OwnerKind::ServiceAccount, "deployer"), carol]),
    ]
    .map(|holder| (holder.name.clone(), holder))
    .into()
}

fn attempts() -> Attempts {
    let verbs = |list: &[&str]| list.iter().map(ToString::to_string).collect();
    Attempts::of(&Discovered {
        resources: [("/secrets".to_string(), true)].into(),
        verbs: [("/secrets".to_string(), verbs(&["get", "list"]))].into(),
    })
}

const VAULT: &str = "tenant-operator-system";

/// Returns a question about alice and globex.
fn asked(verb: &str) -> Asked {
    Asked {
        identity: Identity::new("acme", Party::User("alice".into()), "alice"),
        place: Some("globex".into()),
        counterpart: "globex".into(),
        attempt: Attempt {
            verb: verb.into(),
            group: String::new(),
            resource: "secrets".into(),
            name: String::new(),
        },
    }
}

fn yes(reason: &str) -> Yes {
    Yes {
        reason: reason.into(),
        is_everybodys: false,
    }
}

fn age(survey: &Survey) {
    let before = Instant::now().checked_sub(AGAIN).expect("a clock that runs");
    lock(&survey.found)
        .values_mut()
        .for_each(|finding| finding.asked = before);
}

/// Allowed once, and once more half a minute later.
fn stands(survey: &Survey, asked: &Asked, yes: Yes) {
    assert!(!survey.allowed(asked, yes.clone()), "it may pass");
    age(survey);
    assert!(survey.allowed(asked, yes));
}

#[test]
fn everybody_of_a_tenant_is_asked_about_where_he_has_no_business() {
    let (holders, operator_namespaces, attempts) = (holders(), [VAULT.to_string()], attempts());
    let of = |tenant: &str, accounts: &[(&'static str, &'static str)]| {
        Identity::all(&holders[tenant], accounts.iter().copied())
    };
    let title = |identity: &Identity| {
        let places: Vec<&str> = identity.places(&holders, &operator_namespaces).into_keys().collect();
        format!("{} ({}): {}", identity.who.title, identity.who.user, places.join(" "))
    };
    let mut acme: Vec<String> = of("acme", &[("acme", "web")]).iter().map(title).collect();
    acme.sort();
    assert_eq!(
        acme,
        [
            "ServiceAccount acme/web (system:serviceaccount:acme:web): globex tenant-operator-system",
            "User alice (alice): globex tenant-operator-system",
            "User carol (carol): tenant-operator-system",
            "every ServiceAccount of acme (system:serviceaccount:acme:default): globex tenant-operator-system",
            "every ServiceAccount of acme-test (system:serviceaccount:acme-test:default): globex tenant-operator-system",
        ]
    );
    let globex: Vec<String> = of("globex", &[]).iter().map(title).collect();
    assert!(
        globex.contains(
            &"ServiceAccount tools/deployer (system:serviceaccount:tools:deployer): acme acme-test tenant-operator-system"
                .to_string()
        ),
        "{globex:?}"
    );
    // Over enough turns everything is asked.
    for identity in of("acme", &[]) {
        let turns = identity.questions(0, &attempts, &holders, &operator_namespaces).1 * 2;
        let asked: BTreeSet<(Option<String>, String)> = (0..turns)
            .flat_map(|turn| identity.questions(turn, &attempts, &holders, &operator_namespaces).0)
            .map(|asked| (asked.place, asked.attempt.title()))
            .collect();
        for place in identity.places(&holders, &operator_namespaces).into_keys() {
            assert!(
                asked.contains(&(Some(place.to_string()), "list secrets".into())),
                "{place} {asked:?}"
            );
        }
        assert!(asked.contains(&(None, "impersonate users".into())), "{asked:?}");
    }
}

#[test]
fn what_another_authorizer_allows_is_told_to_both_until_it_is_refused() {
    let survey = Survey::new(AGAIN);
    let of = |tenant: &str| survey.violations(tenant, &[]);
    assert!(!survey.allowed(&asked("get"), yes("the hook likes alice")));
    assert_eq!(of("acme"), [], "it may pass");
    assert_eq!(survey.due(), []);
    age(&survey);
    assert_eq!(survey.due(), [asked("get")]);
    // Another question about the same place does not confirm this one.
    assert!(!survey.refused(&asked("list")));
    assert_eq!(survey.due(), [asked("get")]);
    assert!(survey.allowed(&asked("get"), yes("the hook likes alice")));
    assert!(
        !survey.allowed(&asked("get"), yes("the hook likes alice")),
        "it is known"
    );
    let message = "the API server lets User alice get secrets in namespace globex (its reason: the hook likes alice)";
    let violation = |direction, counterpart: &str| Violation {
        direction,
        opened_by: Opener::Platform,
        counterpart: counterpart.into(),
        message: message.into(),
    };
    assert_eq!(of("acme"), [violation(Direction::Outward, "globex")]);
    assert_eq!(of("globex"), [violation(Direction::Inward, "acme")]);
    assert_eq!(of("other"), []);
    assert!(survey.refused(&asked("get")) && !survey.refused(&asked("get")));
    assert_eq!(of("acme"), []);
}

#[test]
fn of_many_findings_a_few_are_asked_about_again_in_one_turn() {
    let survey = Survey::new(AGAIN);
    for number in 0..20 {
        let mut asked = asked("get");
        asked.identity.tenant = format!("invited-{number:02}");
        survey.allowed(&asked, yes(""));
    }
    age(&survey);
    let mut tenants = BTreeSet::new();
    while let due @ [_, ..] = &*survey.due() {
        assert!(due.len() as u64 <= QUESTIONS_PER_TURN);
        for asked in due {
            survey.allowed(asked, yes(""));
            assert!(tenants.insert(asked.identity.tenant.clone()), "{asked:?} came twice");
        }
    }
    assert_eq!(tenants.len(), 20);
}

#[test]
fn what_everybody_may_do_is_nobodys_own_reach() {
    let survey = Survey::new(AGAIN);
    let everybodys = Yes {
        is_everybodys: true,
        ..yes("")
    };
    stands(&survey, &asked("get"), yes("hook"));
    assert!(survey.allowed(&asked("get"), everybodys), "that is another matter");
    let violations = survey.violations("acme", &[]);
    assert_eq!(violations[0].direction, Direction::Inward);
    assert!(
        violations[0].message.contains("everybody with credentials get secrets"),
        "{violations:?}"
    );
}

#[test]
fn what_a_former_process_told_is_asked_about_again_before_anything_else_is_said() {
    let (attempts, holders) = (attempts(), holders());
    let first = Survey::new(AGAIN);
    for verb in ["get", "list"] {
        first.allowed(&asked(verb), yes("hook"));
    }
    stands(&first, &asked("get"), yes("hook"));
    let told: Vec<String> = first
        .violations("acme", &[])
        .into_iter()
        .map(|found| found.message)
        .collect();

    let second = Survey::new(AGAIN);
    assert!(second.recall("globex", std::iter::empty()), "nothing was told of it");
    assert!(!second.recall("acme", told.iter().map(String::as_str)));
    assert_eq!(second.waiting(), ["acme".to_string()].into());
    let alice = asked("get").identity;
    assert_eq!(
        second.recalled("acme", &alice, &attempts, &holders),
        [asked("get"), asked("list")]
    );
    let other = Identity::new("acme", Party::User("bob".into()), "bob");
    assert_eq!(second.recalled("acme", &other, &attempts, &holders), []);
    second.refused(&asked("list"));
    second.allowed(&asked("get"), yes("hook"));
    let both = ["acme", "globex"].map(str::to_string);
    assert_eq!(second.settled("acme"), both.clone().into());
    assert!(second.recall("acme", told.iter().map(String::as_str)));
    assert_eq!(second.violations("acme", &[]).len(), 1);

    // It was told of whom he reaches too, and there it is asked about him as well.
    let reached = Survey::new(AGAIN);
    reached.recall("globex", told.iter().map(String::as_str));
    assert_eq!(
        reached.recalled("globex", &alice, &attempts, &holders),
        [asked("get"), asked("list")]
    );
    reached.allowed(&asked("get"), yes("hook"));
    assert_eq!(reached.settled("globex"), both.into());
    assert_eq!(reached.violations("globex", &[]).len(), 1);

    let everywhere = Asked {
        place: None,
        counterpart: String::new(),
        ..asked("list")
    };
    let third = Survey::new(AGAIN);
    let everybodys = Yes {
        is_everybodys: true,
        ..yes("hook")
    };
    stands(&third, &everywhere, everybodys);
    let told = third.violations("acme", &[]);
    let fourth = Survey::new(AGAIN);
    fourth.recall("acme", told.iter().map(|found| found.message.as_str()));
    assert_eq!(fourth.recalled("acme", &alice, &attempts, &holders), [everywhere]);
    let stranger = Identity::new("globex", Party::User("bob".into()), "bob");
    assert_eq!(fourth.recalled("acme", &stranger, &attempts, &holders), []);
}

#[test]
fn what_rbac_allows_is_told_only_where_it_stands_and_nobody_else_tells_it() {
    let survey = Survey::new(AGAIN);
    let reason = r#"RBAC: allowed by RoleBinding "door/globex" of ClusterRole "reader" to User "alice""#;
    stands(&survey, &asked("get"), yes(reason));
    let violations = survey.violations("acme", &[]);
    assert_eq!(violations.len(), 1);
    // A right that a tenant's users can grant is no reason for quarantine.
    assert_eq!(violations[0].opened_by, Opener::Counterpart);
    let opening = Opening {
        opened_by: Opener::Counterpart,
        direction: Direction::Outward,
        counterpart: "globex".into(),
        binding: "RoleBinding globex/door".into(),
        who: asked("get").identity.who,
        namespace: Some("globex".into()),
        attempts: vec![asked("get").attempt],
    };
    assert_eq!(survey.violations("acme", std::slice::from_ref(&opening)), []);
    let other = Opening {
        binding: "RoleBinding globex/window".into(),
        ..opening
    };
    assert_eq!(survey.violations("acme", &[other]).len(), 1);
}

#[test]
fn what_is_told_is_bounded_and_forgotten_with_whom_it_concerns() {
    let survey = Survey::new(AGAIN);
    stands(&survey, &asked("get"), yes("hook"));
    for verb in ["list", "watch", "delete"] {
        survey.allowed(&asked(verb), yes("hook"));
    }
    let told = survey.violations("acme", &[]);
    assert_eq!(told.len(), 1);
    assert!(
        told[0].message.contains("get secrets, list secrets, watch secrets in"),
        "{told:?}"
    );
    let elsewhere = |number: usize| Asked {
        place: Some(format!("place-{number}")),
        ..asked("get")
    };
    let invited = r#"RBAC: allowed by RoleBinding "x/y" of ClusterRole "z" to User "alice""#;
    for number in 0..2 * PLACES {
        survey.allowed(&elsewhere(number), yes(invited));
    }
    // Those take no room from what no tenant can have given.
    for number in 2 * PLACES..4 * PLACES {
        survey.allowed(&elsewhere(number), yes("hook"));
    }
    survey.settled("acme");
    let by = |opener| {
        survey
            .violations("acme", &[])
            .iter()
            .filter(|found| found.opened_by == opener)
            .count()
    };
    assert_eq!((by(Opener::Counterpart), by(Opener::Platform)), (PLACES, PLACES));
    age(&survey);
    assert_eq!(survey.due().len() as u64, QUESTIONS_PER_TURN, "no more at once");

    let (holders, operator_namespaces) = (holders(), []);
    let concerned = survey.tidy(|_| true, &holders, &operator_namespaces);
    assert_eq!(concerned, ["acme", "globex"].map(str::to_string).into());
    assert_eq!(survey.violations("acme", &[]).len(), 1, "the places that there are");
    survey.tidy(|_| false, &holders, &operator_namespaces);
    assert_eq!(survey.violations("acme", &[]), []);
}
