//! Assignment of Secrets as keys come and go, and their content.

use super::*;
use crate::gateway::fixtures::key;

fn keys(names: &[&str]) -> Vec<ValidApiKey> {
    names.iter().map(|name| key(name)).collect()
}

fn map(pairs: &[(&str, usize)]) -> Slots {
    pairs.iter().map(|(name, slot)| (name.to_string(), *slot)).collect()
}

#[test]
fn a_key_keeps_its_secret_and_another_gets_one_that_was_nobodys() {
    let first = slots(&keys(&["a", "b"]), &Slots::new());
    assert_eq!(first, map(&[("a", 1), ("b", 2)]));
    assert_eq!(slots(&keys(&["b"]), &first), map(&[("b", 2)]));
    assert_eq!(slots(&keys(&["c", "b"]), &first), map(&[("b", 2), ("c", 3)]), "not a's");
    assert_eq!(slots(&keys(&["b", "a"]), &first), first, "in any order");
    assert_eq!(
        slots(&keys(&["a"]), &map(&[("a", 99)])),
        map(&[("a", 1)]),
        "what somebody wrote there"
    );
}

#[test]
fn there_are_as_many_as_there_can_be_keys() {
    let names: Vec<String> = (0..names::MOST_API_KEYS).map(|i| format!("k{i}")).collect();
    let all: Vec<&str> = names.iter().map(String::as_str).collect();
    let first = slots(&keys(&all), &Slots::new());
    assert_eq!(
        first.values().collect::<std::collections::BTreeSet<_>>().len(),
        names::MOST_API_KEYS
    );
    let mut next = all.clone();
    next[0] = "new";
    assert_eq!(slots(&keys(&next), &first)["new"], first["k0"], "there is no other");
}

#[test]
fn what_is_told_is_found_again() {
    let mut secret = Secret::default();
    record(&mut secret, &Slots::new());
    assert_eq!(secret, Secret::default(), "nothing to say");
    let slots = map(&[("a", 3)]);
    record(&mut secret, &slots);
    assert_eq!(recorded(Some(&secret)), slots);
    assert_eq!(recorded(None), Slots::new());
}

#[test]
fn where_no_key_opens_there_is_one_that_nobody_knows() {
    let owner = Identity {
        tenant: "acme".into(),
        id: "id-1".into(),
    };
    let known = ByteString(b"told".to_vec());
    let value = |secret: &Secret| String::from_utf8(secret.data.clone().expect("data")[KEY].0.clone()).expect("text");
    let open = secret(&owner, "tenant-api-key-1", Some(&known), None, || panic!("not needed"));
    assert_eq!(value(&open), "told");
    let closed = secret(&owner, "tenant-api-key-1", None, Some(&open), || "new".into());
    assert_eq!(value(&closed), "new", "the key that opened is dead");
    let again = secret(&owner, "tenant-api-key-1", None, Some(&closed), || panic!("quiet"));
    assert_eq!(again, closed);
    let reopened = secret(&owner, "tenant-api-key-1", Some(&known), Some(&closed), || {
        panic!("not needed")
    });
    assert_eq!(reopened, open);
}
