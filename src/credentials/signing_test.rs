use super::*;
use std::time::Duration;

fn at(text: &str) -> Timestamp {
    format!("2026-01-{text}Z").parse().expect("a time")
}

fn owner() -> Identity {
    Identity {
        tenant: "acme".into(),
        id: "id-1".into(),
    }
}

fn rotation(request: Option<&str>) -> Rotation {
    Rotation {
        interval: Duration::from_hours(240),
        overlap: Duration::from_hours(24),
        request: request.map(String::from),
    }
}

/// A turn in which everybody has heard of every key.
fn turned(found: Option<&Secret>, rotation: &Rotation, now: &str) -> Signing {
    turn(&owner(), found, rotation, at(now), |_, _| true, KeyPair::random)
}

fn private(secret: &Secret, entry: &str) -> Option<KeyPair> {
    KeyPair::from_pem(text(secret, entry)?)
}

fn signs(turn: &Signing) -> Jwk {
    private(&turn.secret, PRIVATE_KEY).expect("a key").public
}

#[test]
fn the_secret_says_with_which_key_to_sign_and_how() {
    let first = turned(None, &rotation(None), "01T00:00:00");
    let entry = |entry: &str| text(&first.secret, entry).expect("an entry").to_string();
    assert_eq!(
        (entry("type").as_str(), entry("algorithm").as_str()),
        ("signing-key", "ES256")
    );
    assert_eq!(entry("kid"), signs(&first).kid);
    assert_eq!(first.status.key_id, entry("kid"));
    assert_eq!(first.set.keys, [signs(&first)]);
    assert_eq!(JwkSet::parse(&entry("jwks.json")), Some(first.set.clone()));
    assert_eq!(first.status.next_rotation_at, at("11T00:00:00").to_string());
    let given = first.secret.data.clone().unwrap_or_default();
    assert!(
        given.keys().all(|entry| ENTRIES.contains(&entry.as_str())),
        "{:?}",
        given.keys()
    );

    let again = turned(Some(&first.secret), &rotation(None), "02T00:00:00");
    assert_eq!(again.secret, first.secret, "nothing changes by itself");
}

#[test]
fn a_key_is_published_before_it_signs_and_after() {
    let first = turned(None, &rotation(None), "01T00:00:00");
    let old = signs(&first);
    let coming = turned(Some(&first.secret), &rotation(None), "11T00:00:00");
    assert_eq!(signs(&coming), old);
    let next = private(&coming.secret, NEXT).expect("a key to come").public;
    assert_eq!(coming.set.keys, [old.clone(), next.clone()]);
    assert_eq!(coming.next, at("11T00:10:00"));
    assert!(!ENTRIES.contains(&NEXT), "workloads must not sign with it");

    let early = turned(Some(&coming.secret), &rotation(None), "11T00:09:59");
    assert_eq!(early.secret, coming.secret);
    let second = turned(Some(&coming.secret), &rotation(None), "11T00:10:00");
    assert_eq!(signs(&second), next);
    assert_eq!(second.set.keys, [next.clone(), old.clone()]);
    assert!(private(&second.secret, NEXT).is_none());
    assert_eq!(second.next, at("12T00:10:00"), "when the one before goes");

    let during = turned(Some(&second.secret), &rotation(None), "12T00:09:59");
    assert_eq!(during.secret, second.secret);
    let after = turned(Some(&second.secret), &rotation(None), "12T00:10:00");
    assert_eq!(after.set.keys, [next]);
    let shown = serde_json::to_string(&after.secret).expect("JSON");
    assert!(!shown.contains(&old.kid), "the one before is forgotten");
}

#[test]
fn a_key_that_somebody_was_not_told_of_does_not_sign() {
    let first = turned(None, &rotation(None), "01T00:00:00");
    let coming = turned(Some(&first.secret), &rotation(Some("now")), "02T00:00:00");
    let asked = |now: &str, found: &Secret, known: bool| {
        turn(
            &owner(),
            Some(found),
            &rotation(Some("now")),
            at(now),
            |_, _| known,
            KeyPair::random,
        )
    };
    let late = asked("02T00:10:00", &coming.secret, false);
    assert_eq!((signs(&late), &late.set), (signs(&first), &coming.set));
    assert_eq!(late.next, at("02T00:20:00"), "the time to hear of it begins anew");
    let early = asked("02T00:15:00", &late.secret, true);
    assert_eq!(signs(&early), signs(&first));
    let second = asked("02T00:20:00", &late.secret, true);
    assert_eq!(Some(signs(&second)), coming.set.keys.last().cloned());
    let done = asked("02T00:30:00", &second.secret, true);
    assert_eq!(done.secret, second.secret, "a request is answered once");
}

#[test]
fn without_an_overlap_the_one_before_is_not_published() {
    let rotation = Rotation {
        overlap: Duration::ZERO,
        ..rotation(Some("now"))
    };
    let first = turned(None, &self::rotation(None), "01T00:00:00");
    let coming = turned(Some(&first.secret), &rotation, "02T00:00:00");
    assert_eq!(coming.next, at("02T00:00:05"), "the gateway needs a moment");
    let second = turned(Some(&coming.secret), &rotation, "02T00:00:05");
    assert_eq!(second.set.keys, [signs(&second)]);
}

#[test]
fn what_is_lost_is_made_anew_and_the_lost_one_trusted_no_more() {
    let first = turned(None, &rotation(None), "01T00:00:00");
    let broken: [fn(&mut Secret); 3] = [
        |secret| secret.metadata.annotations = None,
        |secret| secret.data = None,
        |secret| {
            let data = secret.data.get_or_insert_default();
            data.insert(
                PRIVATE_KEY.into(),
                bytes("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"),
            );
        },
    ];
    for damage in broken {
        let mut secret = first.secret.clone();
        damage(&mut secret);
        let second = turned(Some(&secret), &rotation(None), "02T00:00:00");
        assert_eq!(second.set.keys, [signs(&second)]);
        assert_ne!(signs(&second), signs(&first));
    }
}

#[test]
fn no_private_key_is_told_of_anywhere_but_in_the_secrets_data() {
    let first = turned(None, &rotation(None), "01T00:00:00");
    let coming = turned(Some(&first.secret), &rotation(None), "11T00:00:00");
    let told = format!("{:?} {:?} {:?}", coming.set, coming.status, coming.secret.metadata);
    for entry in [PRIVATE_KEY, NEXT] {
        let pem = text(&coming.secret, entry).expect("a key");
        let line = pem.lines().nth(1).expect("PEM");
        assert!(!told.contains(line), "{told}");
    }
}
