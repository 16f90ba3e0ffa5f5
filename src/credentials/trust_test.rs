use super::*;
use crate::credentials::key_pair::KeyPair;

/// The keys that a gateway was observed to use.
#[derive(Clone, Debug, Default)]
pub struct ObservedKeys {
    pub asked: Option<JwkSet>,
    pub preloaded: Vec<JwkSet>,
}

impl KeyVerifier for ObservedKeys {
    fn asks_for_any_of(&self, set: &JwkSet) -> bool {
        let asked = self.asked.iter().flat_map(|asked| &asked.keys);
        asked.into_iter().any(|key| set.keys.contains(key))
    }

    fn asks_for(&self, set: &JwkSet) -> bool {
        self.asked.as_ref() == Some(set)
    }

    fn has_preloaded(&self, sets: &[JwkSet]) -> bool {
        sets.iter().all(|set| self.preloaded.contains(set))
    }
}

const PAUSE: Duration = Duration::from_secs(60);

fn at(seconds: i64) -> Timestamp {
    Timestamp::from_second(1_700_000_000 + seconds).expect("a time")
}

fn goal(published: &JwkSet) -> Goal {
    Goal {
        published: published.clone(),
        leaving: None,
        pause: PAUSE,
    }
}

/// The set of one key, that of it and another, and that of the other.
fn sets() -> [JwkSet; 3] {
    let [a, b] = [KeyPair::random().public, KeyPair::random().public];
    [vec![a.clone()], vec![a, b.clone()], vec![b]].map(|keys| JwkSet { keys })
}

fn observed(trust: &Trust) -> ObservedKeys {
    ObservedKeys {
        asked: Some(trust.set.clone()),
        preloaded: trust.preloaded(),
    }
}

#[test]
fn nothing_changes_before_the_gateway_has_known_both_sets_for_a_while() {
    let [one, both, _] = sets();
    let begun = Trust::of(one.clone()).step(&goal(&both), &observed(&Trust::of(one.clone())), at(0));
    assert_eq!((&begun.set, begun.preloaded()), (&one, vec![one.clone(), both.clone()]));
    // It was not told yet.
    let unheard = ObservedKeys {
        asked: Some(one.clone()),
        preloaded: vec![one.clone()],
    };
    let waits = begun.clone().step(&goal(&both), &unheard, at(300));
    assert_eq!((&waits.set, waits.next(&goal(&both))), (&one, Some(at(360))));
    assert_eq!(waits.clone().step(&goal(&both), &observed(&waits), at(359)), waits);
    let made = waits.clone().step(&goal(&both), &observed(&waits), at(360));
    assert_eq!((&made.set, made.preloaded()), (&both, vec![both.clone(), one]));
}

#[test]
fn a_former_set_is_known_for_a_while_after_the_gateway_was_told_of_the_change() {
    let [one, both, _] = sets();
    let made = Trust::changed(one.clone(), both.clone(), at(0));
    let unheard = ObservedKeys {
        asked: Some(one),
        preloaded: made.preloaded(),
    };
    let waits = made.step(&goal(&both), &unheard, at(300));
    assert_eq!(waits.next(&goal(&both)), Some(at(360)));
    let kept = waits.clone().step(&goal(&both), &observed(&waits), at(359));
    assert_eq!(kept, waits);
    assert_eq!(
        waits.clone().step(&goal(&both), &observed(&waits), at(360)),
        Trust::of(both)
    );
}

#[test]
fn a_key_that_leaves_is_asked_for_until_then_and_no_longer() {
    let [_, both, last] = sets();
    let leaving = Goal {
        leaving: Some((both.keys[0].kid.clone(), at(100))),
        ..goal(&both)
    };
    let at_rest = Trust::of(both.clone());
    assert_eq!(at_rest.clone().step(&leaving, &observed(&at_rest), at(39)), at_rest);
    assert_eq!(at_rest.next(&leaving), Some(at(40)));
    let begun = at_rest.clone().step(&leaving, &observed(&at_rest), at(40));
    assert_eq!(
        (&begun.set, begun.preloaded()),
        (&both, vec![both.clone(), last.clone()])
    );
    let late = begun.clone().step(&leaving, &observed(&begun), at(100));
    assert_eq!(late.set, both, "it is published still");
    let gone = begun.clone().step(&goal(&last), &observed(&begun), at(100));
    assert_eq!((&gone.set, gone.preloaded()), (&last, vec![last.clone(), both.clone()]));
    // Nobody was there to prepare it.
    let gone = at_rest.clone().step(&goal(&last), &observed(&at_rest), at(500));
    assert_eq!((&gone.set, gone.preloaded()), (&last, vec![last.clone(), both]));
}

#[test]
fn who_asks_for_none_of_the_keys_is_not_led() {
    let [one, both, last] = sets();
    for asked in [None, Some(last)] {
        let gateway = ObservedKeys {
            asked,
            ..ObservedKeys::default()
        };
        let trust = Trust::of(one.clone()).step(&goal(&both), &gateway, at(0));
        assert_eq!(trust, Trust::of(both.clone()));
    }
}

#[test]
fn a_clock_that_was_ahead_delays_no_step() {
    let [one, both, _] = sets();
    let ahead = Trust::changing(one, both.clone(), at(9000));
    let now = ahead.clone().step(&goal(&both), &observed(&ahead), at(0));
    assert_eq!(now.next(&goal(&both)), Some(at(60)));
}
