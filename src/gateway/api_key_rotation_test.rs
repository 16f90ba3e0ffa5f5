//! API keys over time.

use super::*;
use crate::gateway::fixtures::key;
use crate::rotation::fixtures::rotation;

const NOW: &str = "2026-01-10T00:00:00Z";

fn at(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

fn owner() -> Identity {
    Identity {
        tenant: "acme".into(),
        id: "id-1".into(),
    }
}

/// A rotation whose new keys are `new-1`, `new-2`…
fn rotated(wanted: &[ValidApiKey], found: Option<&Secret>, rotation: &Rotation, now: &str) -> Keyring {
    let mut made = 0;
    rotate(&owner(), wanted, found, rotation, at(now), || {
        made += 1;
        format!("{now}/{made}")
    })
}

/// Returns the keys' values by client.
fn opens(ring: &Keyring) -> BTreeMap<String, String> {
    let data = ring.secret.data.clone().unwrap_or_default();
    let text = |(client, key): (String, ByteString)| (client, String::from_utf8(key.0).expect("text"));
    data.into_iter().map(text).collect()
}

fn clients(ring: &Keyring) -> Vec<String> {
    opens(ring).into_keys().collect()
}

#[test]
fn each_key_is_made_once() {
    let wanted = [key("ci"), key("web")];
    let first = rotated(&wanted, None, &rotation(None), NOW);
    assert_eq!(clients(&first), ["ci", "web"]);
    assert_ne!(opens(&first)["ci"], opens(&first)["web"]);
    let later = rotated(&wanted, Some(&first.secret), &rotation(None), "2026-01-11T00:00:00Z");
    assert_eq!(later.secret, first.secret, "nothing is written");
    assert_eq!(later.next, Some(at("2026-01-20T00:00:00Z")));
    assert_eq!(
        later.status[0].next_rotation_at.as_deref(),
        Some("2026-01-20T00:00:00Z")
    );
}

/// Returns the key ring after a renewal: the gateway gets the key first.
fn renewed(wanted: &[ValidApiKey], found: &Secret, rotation: &Rotation, now: &str) -> Keyring {
    let staged = rotated(wanted, Some(found), rotation, now);
    let then = (at(now) + Duration::from_secs(5)).to_string();
    rotated(wanted, Some(&staged.secret), rotation, &then)
}

#[test]
fn the_gateway_knows_a_key_before_any_client_can() {
    let wanted = [key("ci")];
    let first = rotated(&wanted, None, &rotation(None), NOW);
    let staged = rotated(&wanted, Some(&first.secret), &rotation(None), "2026-01-20T00:00:00Z");
    assert_eq!(clients(&staged), ["ci", "ci.next"]);
    assert_eq!(opens(&staged)["ci"], opens(&first)["ci"], "what clients read stays");
    assert_eq!(staged.next, Some(at("2026-01-20T00:00:05Z")));
    let early = rotated(&wanted, Some(&staged.secret), &rotation(None), "2026-01-20T00:00:04Z");
    assert_eq!(early.secret, staged.secret);
    let reported = rotated(&wanted, Some(&staged.secret), &rotation(None), "2026-01-20T00:00:05Z");
    assert_eq!(clients(&reported), ["ci", "ci.previous"]);
    assert_eq!(opens(&reported)["ci"], opens(&staged)["ci.next"]);
    assert_eq!(opens(&reported)["ci.previous"], opens(&first)["ci"]);
}

#[test]
fn a_ring_is_never_empty() {
    let ended = ValidApiKey {
        expires_at: Some(at(NOW)),
        ..key("ci")
    };
    let none = rotated(std::slice::from_ref(&ended), None, &rotation(None), NOW);
    assert_eq!(clients(&none), [NOBODY]);
    let still = rotated(&[ended], Some(&none.secret), &rotation(None), "2026-01-11T00:00:00Z");
    assert_eq!(still.secret, none.secret, "and is not written again");
    let again = rotated(&[key("ci")], Some(&none.secret), &rotation(None), NOW);
    assert_eq!(clients(&again), ["ci"]);
}

#[test]
fn what_is_not_named_is_taken_out_and_nothing_else() {
    let wanted = [key("ci"), key("web")];
    let first = rotated(&wanted, None, &rotation(None), NOW);
    let second = renewed(&wanted, &first.secret, &rotation(Some("now")), "2026-01-12T00:00:00Z");
    let named = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
    let random_key = || "unknown".to_string();
    assert_eq!(without(&second.secret, &named(&["ci", "web"]), random_key), None);
    let left = without(&second.secret, &named(&["web", "new"]), random_key).expect("a change");
    let left: Vec<String> = left.data.expect("data").into_keys().collect();
    assert_eq!(left, ["web", "web.previous"]);
    let none = without(&second.secret, &[], random_key).expect("a change");
    assert_eq!(none.data.expect("data").into_keys().collect::<Vec<_>>(), [NOBODY]);
}

#[test]
fn former_keys_die_at_their_time_and_nothing_else() {
    let wanted = [key("ci"), key("web")];
    let first = rotated(&wanted, None, &rotation(None), NOW);
    assert_eq!(
        without_expired(&first.secret, at("2027-01-01T00:00:00Z")),
        None,
        "there are none"
    );
    let second = renewed(&wanted, &first.secret, &rotation(Some("now")), "2026-01-12T00:00:00Z");
    let until = second.next.expect("the end of the overlap");
    assert_eq!(
        without_expired(&second.secret, until - Duration::from_secs(1)),
        None,
        "not yet"
    );
    let left = without_expired(&second.secret, until).expect("a change");
    let (kept, before) = (left.data.clone().expect("data"), second.secret.data.expect("data"));
    assert_eq!(kept.keys().collect::<Vec<_>>(), ["ci", "web"]);
    assert!(kept.iter().all(|(client, key)| before[client] == *key));
    assert_eq!(without_expired(&left, until), None, "once");
}

#[test]
fn old_and_new_open_during_the_overlap_and_then_the_new_alone() {
    let wanted = [key("ci")];
    let first = rotated(&wanted, None, &rotation(None), NOW);
    let due = renewed(&wanted, &first.secret, &rotation(None), "2026-01-20T00:00:00Z");
    let opened = opens(&due);
    assert_eq!(opened["ci.previous"], opens(&first)["ci"]);
    assert_ne!(opened["ci"], opens(&first)["ci"]);
    assert_eq!(due.next, Some(at("2026-01-21T00:00:05Z")));
    let within = rotated(&wanted, Some(&due.secret), &rotation(None), "2026-01-20T23:59:59Z");
    assert_eq!(opens(&within), opened);
    let after = rotated(&wanted, Some(&within.secret), &rotation(None), "2026-01-21T00:00:05Z");
    assert_eq!(clients(&after), ["ci"]);
    assert_eq!(opens(&after)["ci"], opened["ci"]);
}

#[test]
fn a_request_renews_every_key_once() {
    let wanted = [key("ci"), key("web")];
    let first = rotated(&wanted, None, &rotation(None), NOW);
    let asked = rotation(Some("now"));
    let second = renewed(&wanted, &first.secret, &asked, "2026-01-12T00:00:00Z");
    assert_eq!(clients(&second), ["ci", "ci.previous", "web", "web.previous"]);
    let third = rotated(&wanted, Some(&second.secret), &asked, "2026-01-12T00:00:06Z");
    assert_eq!(third.secret, second.secret);
}

#[test]
fn what_is_taken_out_or_expired_is_dead_at_once_with_the_key_before_it() {
    let mut wanted = vec![key("ci"), key("web")];
    let first = rotated(&wanted, None, &rotation(None), NOW);
    let asked = rotation(Some("now"));
    let second = renewed(&wanted, &first.secret, &asked, "2026-01-12T00:00:00Z");
    let without = rotated(&wanted[1..], Some(&second.secret), &asked, "2026-01-12T00:00:06Z");
    assert_eq!(clients(&without), ["web", "web.previous"]);
    wanted[0].expires_at = Some(at("2026-01-12T06:00:00Z"));
    let before = rotated(&wanted, Some(&second.secret), &asked, "2026-01-12T05:59:59Z");
    assert_eq!(before.next, Some(at("2026-01-12T06:00:00Z")));
    assert_eq!(clients(&before).len(), 4);
    let expired = rotated(&wanted, Some(&second.secret), &asked, "2026-01-12T06:00:00Z");
    assert_eq!(clients(&expired), ["web", "web.previous"]);
    let reported = &expired.status[0];
    assert_eq!(
        (reported.name.as_str(), &reported.issued_at),
        ("ci", &None),
        "it is reported as long as it is asked for"
    );
    assert_eq!(reported.expires_at.as_deref(), Some("2026-01-12T06:00:00Z"));
}

#[test]
fn a_key_that_comes_back_is_another() {
    let first = rotated(&[key("ci")], None, &rotation(None), NOW);
    let without = rotated(&[], Some(&first.secret), &rotation(None), NOW);
    let again = rotated(
        &[key("ci")],
        Some(&without.secret),
        &rotation(None),
        "2026-01-11T00:00:00Z",
    );
    assert_ne!(opens(&again)["ci"], opens(&first)["ci"]);
}

#[test]
fn what_somebody_wrote_into_the_secret_opens_nothing() {
    let first = rotated(&[key("ci")], None, &rotation(None), NOW);
    let mut meddled = first.secret.clone();
    let data = meddled.data.get_or_insert_default();
    data.insert("mallory".into(), ByteString(b"mine".to_vec()));
    data.insert("ci.previous".into(), ByteString(b"mine too".to_vec()));
    let mended = rotated(&[key("ci")], Some(&meddled), &rotation(None), NOW);
    assert_eq!(mended.secret, first.secret);
}

#[test]
fn a_secret_of_which_nothing_is_known_is_made_anew() {
    let first = rotated(&[key("ci")], None, &rotation(None), NOW);
    let mut meddled = first.secret.clone();
    meddled.metadata.annotations = None;
    let mended = rotated(&[key("ci")], Some(&meddled), &rotation(None), "2026-01-11T00:00:00Z");
    assert_ne!(opens(&mended)["ci"], opens(&first)["ci"]);
    assert_eq!(clients(&mended), ["ci"]);
}
