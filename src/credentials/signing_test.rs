use super::*;
use crate::credentials::trust::tests::ObservedKeys;
use crate::rotation::fixtures::{at, rotation};
use std::time::Duration;

fn owner() -> Identity {
    Identity {
        tenant: "acme".into(),
        id: "id-1".into(),
    }
}

/// A turn in which everybody has heard of every key.
fn turned(found: Option<&Secret>, rotation: &Rotation, now: &str) -> Signing {
    rotate(
        &owner(),
        found,
        rotation,
        at(now),
        |_, _| true,
        &ObservedKeys::default(),
        KeyPair::random,
    )
}

fn private(secret: &Secret, entry: &str) -> Option<KeyPair> {
    KeyPair::from_pem(text(secret, entry)?)
}

fn signs(rotated: &Signing) -> Jwk {
    private(&rotated.secret, PRIVATE_KEY).expect("a key").public
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
    assert_eq!(first.keys.published.keys, [signs(&first)]);
    assert_eq!(JwkSet::parse(&entry("jwks.json")), Some(first.keys.published.clone()));
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
    assert_eq!(coming.keys.published.keys, [old.clone(), next.clone()]);
    assert_eq!(coming.next, at("11T00:10:00"));
    assert!(!ENTRIES.contains(&NEXT), "workloads must not sign with it");

    let early = turned(Some(&coming.secret), &rotation(None), "11T00:09:59");
    assert_eq!(early.secret, coming.secret);
    let second = turned(Some(&coming.secret), &rotation(None), "11T00:10:00");
    assert_eq!(signs(&second), next);
    assert_eq!(second.keys, coming.keys, "nobody need be told of anything");
    assert!(private(&second.secret, NEXT).is_none());
    assert_eq!(second.next, at("12T00:06:40"), "when the one before is about to go");

    let during = turned(Some(&second.secret), &rotation(None), "12T00:09:59");
    assert_eq!(during.secret, second.secret);
    let after = turned(Some(&second.secret), &rotation(None), "12T00:10:00");
    assert_eq!(after.keys.published.keys, [next]);
    let shown = serde_json::to_string(&after.secret).expect("JSON");
    assert!(!shown.contains(&old.kid), "the one before is forgotten");
}

#[test]
fn a_key_that_somebody_was_not_told_of_does_not_sign() {
    let first = turned(None, &rotation(None), "01T00:00:00");
    let coming = turned(Some(&first.secret), &rotation(Some("now")), "02T00:00:00");
    let asked = |now: &str, found: &Secret, known: bool| {
        rotate(
            &owner(),
            Some(found),
            &rotation(Some("now")),
            at(now),
            |_, _| known,
            &ObservedKeys::default(),
            KeyPair::random,
        )
    };
    let late = asked("02T00:10:00", &coming.secret, false);
    assert_eq!((signs(&late), &late.keys), (signs(&first), &coming.keys));
    assert_eq!(late.next, at("02T00:20:00"), "the time to hear of it begins anew");
    let early = asked("02T00:15:00", &late.secret, true);
    assert_eq!(signs(&early), signs(&first));
    let second = asked("02T00:20:00", &late.secret, true);
    assert_eq!(Some(signs(&second)), coming.keys.published.keys.last().cloned());
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
    assert_eq!(second.keys.published.keys, [signs(&second)]);
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
        assert_eq!(second.keys.published.keys, [signs(&second)]);
        assert_ne!(signs(&second), signs(&first));
    }
}

#[test]
fn no_private_key_is_told_of_anywhere_but_in_the_secrets_data() {
    let first = turned(None, &rotation(None), "01T00:00:00");
    let coming = turned(Some(&first.secret), &rotation(None), "11T00:00:00");
    let shown = format!("{:?} {:?} {:?}", coming.keys, coming.status, coming.secret.metadata);
    for entry in [PRIVATE_KEY, NEXT] {
        let pem = text(&coming.secret, entry).expect("a key");
        let line = pem.lines().nth(1).expect("PEM");
        assert!(!shown.contains(line), "{shown}");
    }
}

/// A tenant whose gateway asks for its keys.
struct Life {
    secret: Option<Secret>,
    observed: ObservedKeys,
    rotation: Rotation,
}

impl Life {
    /// One pass; where it `fails`, no more than the Secret is written.
    fn pass(&mut self, now: Timestamp, fails: bool) -> Signing {
        let observed = &self.observed;
        let rotated = rotate(
            &owner(),
            self.secret.as_ref(),
            &self.rotation,
            now,
            |_, next| observed.asked.as_ref().is_none_or(|set| set.keys.contains(next)),
            observed,
            KeyPair::random,
        );
        self.secret = Some(rotated.secret.clone());
        if !fails {
            self.observed = ObservedKeys {
                asked: Some(rotated.keys.trusted.clone()),
                preloaded: rotated.keys.preloaded.clone(),
            };
        }
        rotated
    }
}

fn set(keys: &[&Jwk]) -> JwkSet {
    JwkSet {
        keys: keys.iter().map(|key| (*key).clone()).collect(),
    }
}

#[test]
fn a_gateway_is_led_from_one_set_to_the_next_and_woken_at_each_step() {
    let mut life = Life {
        secret: None,
        observed: ObservedKeys::default(),
        rotation: rotation(None),
    };
    let first = life.pass(at("01T00:00:00"), false);
    let a = signs(&first);
    assert_eq!((&first.keys.trusted, first.keys.preloaded.len()), (&set(&[&a]), 0));

    let mut rotated = life.pass(at("11T00:00:00"), false);
    let b = rotated.keys.published.keys.last().cloned().expect("a key to come");
    let ([alone, both], last) = ([&[&a][..], &[&a, &b]].map(set), set(&[&b]));
    // Published, asked for, known beside; and when to look again.
    let steps = [
        ("11T00:03:20", &both, &alone, vec![&alone, &both]),
        ("11T00:06:40", &both, &both, vec![&both, &alone]),
        ("11T00:10:00", &both, &both, vec![]),
        ("12T00:06:40", &both, &both, vec![]),
        ("12T00:10:00", &both, &both, vec![&both, &last]),
        ("12T00:13:20", &last, &last, vec![&last, &both]),
        ("21T00:10:00", &last, &last, vec![]),
    ];
    for (next, published, trusted, preloaded) in steps {
        let PublicKeys {
            published: shown,
            trusted: asked,
            preloaded: beside,
        } = &rotated.keys;
        assert_eq!((shown, asked), (published, trusted), "before {next}");
        assert_eq!(beside.iter().collect::<Vec<_>>(), preloaded, "before {next}");
        assert_eq!(rotated.next, at(next));
        rotated = life.pass(rotated.next, false);
    }
    let annotations = life.secret.and_then(|secret| secret.metadata.annotations);
    assert!(
        !format!("{annotations:?}").contains(&a.kid),
        "the one before is forgotten"
    );
}

#[test]
fn no_living_key_is_refused_whatever_fails_and_however_long() {
    let overlap = Duration::from_mins(30);
    let pause = head_start(overlap) / 3;
    for seed in 0..40 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut life = Life {
            secret: None,
            observed: ObservedKeys::default(),
            rotation: Rotation {
                interval: Duration::from_hours(2),
                overlap,
                request: None,
            },
        };
        let mut now = at("01T00:00:00");
        let mut signing = signs(&life.pass(now, false));
        // Since when the gateway asks for what it asks for, and knows of what it knows beside.
        let (mut asks, mut carries) = (now, now);
        let mut renewals = 0;
        for _ in 0..400 {
            let before = life.observed.clone();
            let rotated = life.pass(now, random.u8(..4) == 0);
            let published = &rotated.keys.published;
            assert!(
                rotated.keys.trusted.keys.iter().all(|key| published.keys.contains(key)),
                "seed {seed}: a dead key is asked for"
            );
            let was = before.asked.clone().unwrap_or_default();
            if signs(&rotated) != signing {
                signing = signs(&rotated);
                renewals += 1;
                assert!(
                    was.keys.contains(&signing) && now >= after(asks, pause),
                    "seed {seed}: a key signs that the gateway was not told of in time"
                );
            }
            let has_more = |these: &ObservedKeys, than: &ObservedKeys| {
                these.preloaded.iter().any(|set| !than.preloaded.contains(set))
            };
            assert!(
                !has_more(&before, &life.observed) || now >= after(asks, pause),
                "seed {seed}: a former set is gone too soon"
            );
            let set = life.observed.asked.clone().unwrap_or_default();
            let lives = was.keys.iter().all(|key| published.keys.contains(key));
            if set != was {
                let is_led = [&was, &set].iter().all(|set| before.preloaded.contains(set));
                assert!(
                    !lives || (is_led && now >= after(carries, pause)),
                    "seed {seed}: what is asked for changes unprepared"
                );
                asks = now;
            }
            if has_more(&life.observed, &before) {
                carries = now;
            }
            assert!(rotated.next > now, "seed {seed}: it would never rest");
            now = match random.u8(..8) {
                // Nobody is there for a while.
                0 => after(now, Duration::from_secs(random.u64(..5000))),
                1 => after(now, Duration::from_secs(random.u64(1..60))),
                _ => rotated.next.min(after(now, Duration::from_mins(5))),
            };
            if random.u8(..20) == 0 {
                life.rotation.request = Some(random.u8(..).to_string());
            }
        }
        assert!(renewals > 2, "seed {seed}: {renewals}");
    }
}

#[test]
fn a_request_that_waits_for_an_overlap_to_end_begins_when_the_gateway_is_at_rest() {
    let mut life = Life {
        secret: None,
        observed: ObservedKeys::default(),
        rotation: rotation(None),
    };
    life.pass(at("01T00:00:00"), false);
    for now in [
        "11T00:00:00",
        "11T00:03:20",
        "11T00:06:40",
        "11T00:10:00",
        "12T00:06:40",
    ] {
        life.pass(at(now), false);
    }
    life.rotation.request = Some("now".into());
    let over = life.pass(at("12T00:10:00"), false);
    let [b, c] = &over.keys.published.keys[..] else {
        panic!("{:?}", over.keys.published);
    };
    assert_eq!(over.keys.trusted, set(&[b]), "the former is dead");
    let mut rotated = over.clone();
    for next in ["12T00:13:20", "12T00:16:40", "12T00:20:00"] {
        assert_eq!((rotated.next, &signs(&rotated)), (at(next), b));
        rotated = life.pass(rotated.next, false);
    }
    assert_eq!((&signs(&rotated), rotated.keys.trusted), (c, set(&[b, c])));
}
