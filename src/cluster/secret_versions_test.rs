//! Versions as watches, reads and writes show them.

use super::*;
use crate::cluster::watch::player::object;
use serde_json::json;

const NAME: &str = "tenant-database";

fn secret(namespace: &str, uid: &str, version: u64) -> DynamicObject {
    object(NAME, uid, version, json!({"metadata": {"namespace": namespace}}))
}

fn at(uid: &str, version: u64) -> Version {
    Version::of(&secret("acme", uid, version))
}

fn list(versions: &SecretVersions, secrets: impl IntoIterator<Item = DynamicObject>) -> Vec<String> {
    let mut changed = versions.observe(NAME, &Event::Init);
    for secret in secrets {
        changed.extend(versions.observe(NAME, &Event::InitApply(secret)));
    }
    changed.extend(versions.observe(NAME, &Event::InitDone));
    changed
}

#[test]
fn nothing_is_known_of_a_name_that_no_watch_has_listed() {
    let versions = SecretVersions::default();
    versions.note("acme", NAME, Some(at("1", 5)));
    let is_shown = || versions.shows("acme", NAME, Some(&at("1", 5)));
    assert!(!is_shown() && !versions.shows("acme", NAME, None));
    versions.observe(NAME, &Event::Init);
    versions.observe(NAME, &Event::InitApply(secret("acme", "1", 5)));
    assert!(!is_shown(), "the list is not whole");
    versions.observe(NAME, &Event::InitDone);
    assert!(is_shown() && !versions.shows("acme", NAME, None));
    assert!(versions.shows("globex", NAME, None), "it has none");
    assert!(!versions.shows("acme", "tenant-api-keys", None), "of other names too");
    versions.doubt(NAME);
    assert!(!is_shown() && !versions.shows("globex", NAME, None));
    assert_eq!(list(&versions, [secret("acme", "1", 5)]), [""; 0]);
    assert!(is_shown());
}

#[test]
fn what_others_change_is_told_and_what_the_operator_wrote_is_not() {
    let versions = SecretVersions::default();
    versions.note("acme", NAME, Some(at("1", 5)));
    // Of `globex` no pass has read anything.
    let first = [secret("acme", "1", 5), secret("globex", "2", 4)];
    assert_eq!(list(&versions, first), [""; 0]);

    versions.note("acme", NAME, Some(at("1", 8)));
    for (event, changed) in [
        (Event::Apply(secret("acme", "1", 7)), ""),
        (Event::Apply(secret("acme", "1", 8)), ""),
        (Event::Apply(secret("acme", "1", 9)), "acme"),
        (Event::Apply(secret("initech", "3", 10)), "initech"),
        (Event::Delete(secret("acme", "1", 11)), "acme"),
        (Event::Delete(secret("acme", "1", 11)), ""),
        (Event::Apply(secret("acme", "4", 12)), "acme"),
        // Late, of the one before.
        (Event::Delete(secret("acme", "1", 11)), ""),
    ] {
        let case = format!("{event:?}");
        assert_eq!(versions.observe(NAME, &event).concat(), changed, "{case}");
    }
    assert!(versions.shows("acme", NAME, Some(&at("4", 12))));
    assert!(!versions.shows("acme", NAME, Some(&at("1", 12))), "another object");

    // While there was no watch, one changed, one was deleted, one was created.
    let second = [
        secret("acme", "4", 13),
        secret("globex", "2", 4),
        secret("umbrella", "5", 14),
    ];
    assert_eq!(list(&versions, second), ["acme", "umbrella", "initech"]);
    assert!(versions.shows("initech", NAME, None));
}

#[test]
fn a_secret_that_is_written_during_a_list_stays() {
    let versions = SecretVersions::default();
    list(&versions, []);
    versions.observe(NAME, &Event::Init);
    versions.note("acme", NAME, Some(at("1", 5)));
    versions.observe(NAME, &Event::InitDone);
    assert!(versions.shows("acme", NAME, Some(&at("1", 5))));
}

#[tokio::test(start_paused = true)]
async fn a_name_is_used_once_a_pass_asks_for_it() {
    let versions = SecretVersions::default();
    let is_used = async |name: &str| {
        let used = versions.used(name);
        tokio::time::timeout(std::time::Duration::from_secs(1), used)
            .await
            .is_ok()
    };
    assert!(!is_used(NAME).await);
    versions.note("acme", NAME, None);
    assert!(is_used(NAME).await && !is_used("tenant-api-keys").await);
}
