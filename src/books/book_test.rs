use super::*;

fn amounts(list: &[(&str, &str)]) -> Amounts {
    let amount = |(key, text): &(&str, &str)| (key.to_string(), Amount::parse(text).expect("an amount"));
    list.iter().map(amount).collect()
}

fn amount(text: &str) -> Amount {
    Amount::parse(text).expect("an amount")
}

fn eu() -> String {
    tenant(&Identity {
        tenant: "eu".into(),
        id: "1".into(),
    })
}

fn book() -> Book {
    let mut book = Book::sealed();
    book.open(
        [
            (namespace("acme"), amounts(&[("pods", "2"), ("requests.memory", "2Gi")])),
            (eu(), amounts(&[("pods", "3")])),
        ]
        .into(),
    );
    book.follow(&amounts(&[("pods", "6"), ("requests.memory", "4Gi")]));
    book
}

#[test]
fn a_holder_gets_what_no_other_has_reserved() {
    let book = book();
    for (holder, key, wanted, expected) in [
        (namespace("acme"), "pods", "2", "2"),
        (namespace("acme"), "pods", "9", "3"),
        (eu(), "pods", "4", "4"),
        ("tenant/us/2".into(), "pods", "4", "1"),
        ("tenant/us/2".into(), "requests.memory", "1Gi", "1Gi"),
        ("tenant/us/2".into(), "requests.cpu", "1", "0"),
    ] {
        assert_eq!(
            book.raised(&holder, key, amount(wanted)),
            amount(expected),
            "{holder} {key}"
        );
    }
}

#[test]
fn a_reservation_shrinks_by_a_release_alone() {
    let mut book = book();
    let acme = namespace("acme");
    book.reserve(&acme, &amounts(&[("pods", "1"), ("requests.memory", "3Gi")]));
    assert_eq!(book.of(&acme, "pods"), amount("2"));
    assert_eq!(book.of(&acme, "requests.memory"), amount("3Gi"));
    book.release(&acme, &amounts(&[("pods", "1")]));
    assert_eq!((book.of(&acme, "pods"), book.sum("pods")), (amount("1"), amount("4")));
    assert_eq!(book.of(&acme, "requests.memory"), Amount::ZERO);
    book.release(&acme, &Amounts::new());
    assert!(!book.reserved.contains_key(&acme), "it is gone");
}

#[test]
fn the_grant_follows_the_quota_down_to_what_is_reserved() {
    let mut book = book();
    for (asked, expected) in [
        (
            amounts(&[("pods", "9")]),
            amounts(&[("pods", "9"), ("requests.memory", "2Gi")]),
        ),
        (
            amounts(&[("pods", "1")]),
            amounts(&[("pods", "5"), ("requests.memory", "2Gi")]),
        ),
        (amounts(&[]), amounts(&[("pods", "5"), ("requests.memory", "2Gi")])),
    ] {
        book.follow(&asked);
        assert_eq!(book.granted, expected);
    }
    book.release(&namespace("acme"), &Amounts::new());
    book.follow(&Amounts::new());
    assert_eq!(
        book.granted,
        amounts(&[("pods", "3")]),
        "a key of which nothing is reserved goes"
    );
}

#[test]
fn a_tenant_holds_what_it_was_granted_and_what_it_has_reserved_beyond() {
    let mut book = book();
    book.reserve(&eu(), &amounts(&[("pods", "9")]));
    assert_eq!(book.all_held(), amounts(&[("pods", "11"), ("requests.memory", "4Gi")]));
    assert_eq!(book.without_amounts().all_held(), Amounts::new());
    assert_eq!(
        (title(&eu()), title(&namespace("acme"))),
        ("tenant eu".into(), "namespace acme".into())
    );
}

#[test]
fn a_text_gives_the_book_back() {
    let mut book = book();
    book.writes = 7;
    book.parent = Some("acme/0".into());
    assert_eq!(book.parent().map(|parent| parent.tenant), Some("acme".into()));
    assert_eq!(Book::parse(&book.text()), Some(book));
    for text in [
        "",
        "{}",
        r#"{"open": true, "granted": {"pods": "x"}, "reserved": {}, "writes": 1}"#,
    ] {
        assert_eq!(Book::parse(text), None, "{text}");
    }
}
