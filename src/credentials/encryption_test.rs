use super::*;
use crate::rotation::fixtures::{at, rotation};

fn attempt(
    found: Option<&Secret>,
    reported: &[String],
    given_up: &[String],
    rotation: &Rotation,
    now: Timestamp,
) -> Result<Encryption, String> {
    let owner = Identity {
        tenant: "acme".into(),
        id: "id-1".into(),
    };
    let given_up = given_up.iter().cloned().collect();
    rotate(&owner, found, reported, &given_up, rotation, now, EncryptionKey::random)
}

/// A turn of a tenant whose status reports all keys.
fn turned(before: Option<&Encryption>, rotation: &Rotation, now: &str) -> Encryption {
    let reported = before.map(|before| before.status.key_ids.clone()).unwrap_or_default();
    let found = before.map(|before| &before.secret);
    attempt(found, &reported, &[], rotation, at(now)).expect("nothing is lost")
}

fn current(of: &Encryption) -> &str {
    text(&of.secret, CURRENT).expect("a current key")
}

#[test]
fn there_is_a_key_of_256_bits_and_its_id_tells_it() {
    let first = turned(None, &rotation(None), "01T00:00:00");
    let id = current(&first).to_string();
    let key = first.secret.data.as_ref().expect("data")[&id].0.clone();
    assert_eq!(key.len(), 32);
    assert_eq!(stored(Some(&first.secret))[&id].0.as_slice(), key);
    assert_eq!(
        (first.status.key_id.as_str(), first.status.key_ids.as_slice()),
        (id.as_str(), [id.clone()].as_slice())
    );
    assert_eq!(
        format!("{:?}", stored(Some(&first.secret))[&id]),
        format!("EncryptionKey({id}, …)")
    );
    let again = turned(Some(&first), &rotation(None), "02T00:00:00");
    assert_eq!(again.secret, first.secret, "nothing changes by itself");
}

#[test]
fn a_rotation_adds_a_key_and_encrypts_with_it_once_every_pod_has_it() {
    let first = turned(None, &rotation(None), "01T00:00:00");
    let added = turned(Some(&first), &rotation(None), "11T00:00:00");
    assert_eq!(current(&added), current(&first));
    assert_eq!(added.status.key_ids.len(), 2);
    assert_eq!(added.next, Some(at("11T00:10:00")));
    let early = turned(Some(&added), &rotation(None), "11T00:09:59");
    assert_eq!(early.secret, added.secret);
    let second = turned(Some(&added), &rotation(None), "11T00:10:00");
    assert_eq!(current(&second), added.status.key_ids[1]);
    assert_eq!(second.status.key_ids, added.status.key_ids);
    let before = stored(Some(&first.secret));
    let after = stored(Some(&second.secret));
    assert!(
        before.iter().all(|(id, key)| after.get(id) == Some(key)),
        "what was encrypted is readable"
    );
    assert_eq!(second.next, Some(at("21T00:10:00")));
    let long_after = turned(Some(&second), &rotation(None), "20T00:00:00");
    assert_eq!(long_after.secret, second.secret, "older keys stay");
}

#[test]
fn a_request_is_answered_once() {
    let first = turned(None, &rotation(None), "01T00:00:00");
    let asked = rotation(Some("now"));
    let added = turned(Some(&first), &asked, "02T00:00:00");
    let second = turned(Some(&added), &asked, "02T00:10:00");
    assert_ne!(current(&second), current(&first));
    let done = turned(Some(&second), &asked, "03T00:00:00");
    assert_eq!(done.secret, second.secret);
}

#[test]
fn what_is_lost_is_said_and_not_made_anew() {
    let first = turned(None, &rotation(None), "01T00:00:00");
    let added = turned(Some(&first), &rotation(None), "11T00:00:00");
    let reported = added.status.key_ids.clone();
    let now = at("12T00:00:00");
    let says =
        |found: Option<&Secret>, given_up: &[String]| attempt(found, &reported, given_up, &rotation(None), now).err();
    let all = says(None, &[]).expect("lost");
    assert!(
        reported.iter().all(|id| all.contains(id)) && all.contains("abandon-encryption-keys"),
        "{all}"
    );

    let mut part = added.secret.clone();
    part.data.get_or_insert_default().remove(&reported[0]);
    let said = says(Some(&part), &[]).expect("lost");
    assert!(said.contains(&reported[0]) && !said.contains(&reported[1]), "{said}");
    let mut altered = added.secret.clone();
    altered
        .data
        .get_or_insert_default()
        .insert(reported[0].clone(), ByteString(vec![0; 32]));
    assert_eq!(
        says(Some(&altered), &[]),
        Some(said),
        "another key under its id is not it"
    );

    assert_eq!(says(Some(&added.secret), &[]), None, "put back, all is well");
    assert!(says(None, &reported[..1]).is_some(), "each is given up by name");
    let anew = attempt(None, &reported, &reported, &rotation(None), now).expect("given up");
    assert_eq!(anew.status.key_ids.len(), 1);
    assert!(!reported.contains(&anew.status.key_id));
    let found = anew.secret.clone();
    let lost = attempt(None, &anew.status.key_ids, &reported, &rotation(None), now);
    assert!(lost.is_err(), "what was given up once does not allow the next loss");
    assert!(attempt(Some(&found), &anew.status.key_ids, &reported, &rotation(None), now).is_ok());
}

#[test]
fn keys_without_what_was_said_of_them_stay() {
    let first = turned(None, &rotation(None), "01T00:00:00");
    let mut bare = first.secret.clone();
    bare.metadata.annotations = None;
    bare.data.get_or_insert_default().remove(CURRENT);
    let reported = first.status.key_ids.clone();
    let mended = attempt(Some(&bare), &reported, &[], &rotation(None), at("02T00:00:00")).expect("nothing is lost");
    assert_eq!((mended.status.key_ids, current(&first)), (reported, current(&first)));
    assert_eq!(text(&mended.secret, CURRENT), Some(current(&first)));
}

#[test]
fn there_are_never_more_than_a_certain_number_and_none_is_lost_by_that() {
    let mut now = at("01T00:00:00");
    let mut last = attempt(None, &[], &[], &rotation(None), now).expect("a key");
    let mut requests = 0;
    while last.status.key_ids.len() < MOST {
        requests += 1;
        let asked = rotation(Some(&requests.to_string()));
        for _ in 0..2 {
            now = after(now, head_start(asked.overlap));
            last = attempt(Some(&last.secret), &last.status.key_ids, &[], &asked, now).expect("nothing is lost");
        }
    }
    assert_eq!(last.next, None, "it has stopped");
    let asked = rotation(Some("more"));
    let full = attempt(Some(&last.secret), &last.status.key_ids, &[], &asked, now).expect("nothing is lost");
    assert_eq!((full.status.key_ids.len(), full.next), (MOST, None));
    assert_eq!(stored(Some(&full.secret)), stored(Some(&last.secret)));

    let ids = &full.status.key_ids;
    let oldest = ids[..1].to_vec();
    let room = attempt(Some(&full.secret), ids, &oldest, &asked, now).expect("room");
    assert!(!room.status.key_ids.contains(&oldest[0]), "nobody needs it");
    assert_eq!(
        (room.status.key_ids.len(), room.status.key_id.as_str()),
        (MOST, full.status.key_id.as_str())
    );
    let used = vec![full.status.key_id.clone()];
    let kept = attempt(Some(&full.secret), ids, &used, &asked, now).expect("as before");
    assert!(
        kept.status.key_ids.contains(&used[0]),
        "the one to encrypt with cannot be given up"
    );
}
