//! No sequence of changes, passes, crashes and late caches lets a tenant's namespaces hold more than its quota.

use super::*;
use proptest::collection::vec;
use proptest::prelude::*;

const KEYS: [&str; 2] = ["pods", "requests.storage"];
const PLACES: usize = 4;

fn whole(units: i64) -> Amount {
    Amount::whole(units)
}

fn amounts(units: [i64; 2]) -> Amounts {
    KEYS.iter()
        .zip(units)
        .map(|(key, units)| (key.to_string(), whole(units)))
        .collect()
}

/// One namespace: its share, `spec.hard`, `status.hard` and `status.used`.
fn namespace(name: &str, share: Option<i64>, quota: Option<(i64, Option<i64>, i64)>) -> Holding {
    let list = |units: i64| Amounts::from([("pods".to_string(), whole(units))]);
    Holding {
        namespace: name.into(),
        share: share.map(list),
        quota: quota.map(|(hard, enforced, used)| Quota {
            hard: list(hard),
            enforced: enforced.map(list).unwrap_or_default(),
            used: enforced.map(|_| list(used)).unwrap_or_default(),
        }),
        is_miscounted: false,
        booked: None,
        stamp: None,
    }
}

fn granted(total: i64, holdings: &[Holding]) -> Vec<Option<i64>> {
    let undivided = BTreeSet::new();
    let total = Amounts::from([("pods".to_string(), whole(total))]);
    let grants = Grants {
        total,
        undivided: &undivided,
        holdings,
        lent: Amounts::new(),
    };
    let of = |amounts: &Amounts| amounts.get("pods").map(|amount| amount.ceil());
    grants.amounts().iter().map(of).collect()
}

#[test]
fn a_namespace_gets_what_the_others_do_not_hold() {
    let (share, leaves) = (|share: i64| Some(share), None);
    let settled = |hard: i64, used: i64| Some((hard, Some(hard), used));
    for (case, total, namespaces, expected) in [
        (
            "all are new",
            6,
            vec![(share(2), None), (share(2), None), (share(2), None)],
            [Some(2), Some(2), Some(2)],
        ),
        (
            "the first holds all and uses it",
            6,
            vec![(share(2), settled(6, 6)), (share(2), None), (share(2), None)],
            [Some(2), Some(0), Some(0)],
        ),
        (
            "it was lowered and still uses all",
            6,
            vec![
                (share(2), Some((2, Some(2), 6))),
                (share(2), settled(0, 0)),
                (share(2), settled(0, 0)),
            ],
            [Some(2), Some(0), Some(0)],
        ),
        (
            "it uses less, but the lower value is not enforced",
            6,
            vec![
                (share(2), Some((2, Some(6), 1))),
                (share(2), settled(0, 0)),
                (share(2), settled(0, 0)),
            ],
            [Some(2), Some(0), Some(0)],
        ),
        (
            "it gave back a part",
            6,
            vec![
                (share(2), Some((2, Some(2), 3))),
                (share(2), settled(0, 0)),
                (share(2), settled(0, 0)),
            ],
            [Some(2), Some(2), Some(1)],
        ),
        (
            "it gave back all",
            6,
            vec![
                (share(2), Some((2, Some(2), 2))),
                (share(2), settled(1, 0)),
                (share(2), settled(0, 0)),
            ],
            [Some(2), Some(2), Some(2)],
        ),
        (
            "one leaves and its pods run on",
            6,
            vec![
                (share(3), settled(2, 2)),
                (share(3), settled(2, 2)),
                (leaves, Some((0, Some(0), 2))),
            ],
            [Some(2), Some(2), None],
        ),
        (
            "one leaves, and nothing bounds it",
            6,
            vec![(share(3), settled(2, 2)), (share(3), None), (leaves, None)],
            [Some(2), Some(0), None],
        ),
        (
            "the quota was lowered below what is used",
            3,
            vec![
                (share(1), settled(2, 2)),
                (share(2), settled(1, 1)),
                (leaves, settled(0, 3)),
            ],
            [Some(1), Some(1), None],
        ),
        (
            "a quota that was deleted is counted before others grow",
            6,
            vec![(share(4), settled(2, 2)), (share(1), None), (share(1), settled(1, 1))],
            [Some(2), Some(1), Some(1)],
        ),
        (
            "nor do others grow before a new quota is enforced",
            6,
            vec![
                (share(4), settled(2, 2)),
                (share(1), Some((1, None, 0))),
                (share(1), settled(1, 1)),
            ],
            [Some(2), Some(1), Some(1)],
        ),
        (
            "a share that was set by hand waits as well",
            6,
            vec![
                (share(5), settled(3, 3)),
                (share(0), settled(2, 2)),
                (share(1), settled(1, 1)),
            ],
            [Some(3), Some(0), Some(1)],
        ),
    ] {
        let name = |i: usize| ["a", "b", "c"][i];
        let namespaces = namespaces.into_iter().enumerate();
        let holdings: Vec<Holding> = namespaces
            .map(|(i, (share, quota))| namespace(name(i), share, quota))
            .collect();
        assert_eq!(granted(total, &holdings), expected, "{case}");
    }
}

#[test]
fn a_key_that_nothing_bounds_yet_is_bounded_at_once() {
    let mut holdings = [
        namespace("a", Some(2), Some((2, Some(2), 0))),
        namespace("b", Some(4), Some((4, Some(4), 0))),
    ];
    for holding in &mut holdings {
        holding.quota = Some(Quota::default());
    }
    assert_eq!(granted(6, &holdings), [Some(2), Some(4)]);
    assert!(
        holdings
            .iter()
            .all(|holding| holding.lowered(&BTreeSet::new()).is_some())
    );
}

#[test]
fn nobody_grows_while_pods_are_not_counted() {
    let settled = |hard: i64| Some((hard, Some(hard), 0));
    let mut holdings = [
        namespace("a", Some(2), settled(2)),
        namespace("b", Some(2), settled(1)),
        namespace("c", Some(2), None),
    ];
    assert_eq!(
        granted(6, &holdings),
        [Some(2), Some(1), Some(2)],
        "c is to be counted first"
    );
    holdings[0].is_miscounted = true;
    assert_eq!(granted(6, &holdings), [Some(2), Some(1), Some(0)]);
}

#[test]
fn what_each_namespace_has_by_itself_waits_for_nobody() {
    let holdings = [
        namespace("a", Some(5), Some((9, Some(9), 9))),
        namespace("b", Some(5), None),
    ];
    let undivided = BTreeSet::from(["pods".to_string()]);
    let grants = Grants {
        total: Amounts::from([("pods".to_string(), whole(10))]),
        undivided: &undivided,
        holdings: &holdings,
        lent: Amounts::new(),
    };
    let five = Amounts::from([("pods".to_string(), whole(5))]);
    assert_eq!(grants.amounts(), [five.clone(), five]);
}

/// A namespace of the model; amounts are those of [`KEYS`].
#[derive(Clone, Debug, Default)]
struct Place {
    /// None: the tenant leaves it.
    share: Option<[i64; 2]>,
    spec: Option<[i64; 2]>,
    status: Option<[i64; 2]>,
    used: [i64; 2],
    /// Pods that the quota controller has not counted.
    lost: i64,
    /// Grows with each write.
    version: u32,
}

impl Place {
    fn holds(&self, key: usize) -> i64 {
        let [spec, status] = [&self.spec, &self.status].map(|list| list.map_or(0, |list| list[key]));
        let lost = if key == 0 { self.lost } else { 0 };
        spec.max(status).max(self.used[key] + lost)
    }
}

/// A tenant in the cluster.
#[derive(Clone, Debug, Default)]
struct World {
    total: [i64; 2],
    /// None: the namespace does not exist.
    places: [Option<Place>; PLACES],
}

/// Returns true where some namespace grows while others may hold what it gets, even if the known state has no quota of theirs.
fn need_a_look(grants: &Grants<'_>) -> bool {
    let wants_more = |one: &Holding| one.share.as_ref().is_some_and(|share| one.is_less_than(share));
    let shrinks = grants
        .holdings
        .iter()
        .any(|one| one.lowered(grants.undivided).is_some());
    let granted = grants.amounts();
    let mut growing = grants.holdings.iter().zip(&granted).filter(|(one, _)| wants_more(one));
    grants.holdings.len() > 1 && growing.any(|(one, granted)| shrinks || one.is_less_than(granted))
}

impl World {
    fn sums(&self) -> [i64; 2] {
        [0, 1].map(|key| self.places.iter().flatten().map(|place| place.holds(key)).sum())
    }

    fn holdings(&self) -> (Vec<usize>, Vec<Holding>) {
        let there = self
            .places
            .iter()
            .enumerate()
            .filter_map(|(i, place)| Some((i, place.as_ref()?)));
        let holding = |(i, place): (usize, &Place)| {
            let quota = place.spec.map(|spec| Quota {
                hard: amounts(spec),
                enforced: place.status.map(amounts).unwrap_or_default(),
                used: place.status.map(|_| amounts(place.used)).unwrap_or_default(),
            });
            let share = place.share.map(amounts);
            let namespace = i.to_string();
            let is_miscounted = place.lost > 0;
            let holding = Holding {
                namespace,
                share,
                quota,
                is_miscounted,
                booked: None,
                stamp: None,
            };
            (i, holding)
        };
        there.map(holding).unzip()
    }

    /// Writes a quota if the namespace is as the operator knows it, as a PUT with the known version does.
    fn write(&mut self, i: usize, known: &Self, amounts: &Amounts) -> bool {
        let version = |world: &Self| world.places[i].as_ref().map(|place| place.version);
        if version(self) != version(known) {
            return false;
        }
        if let Some(place) = &mut self.places[i] {
            let hard = [0, 1].map(|key| amounts.get(KEYS[key]).map_or(0, |amount| amount.ceil()));
            if place.spec != Some(hard) {
                place.spec = Some(hard);
                place.version += 1;
            }
        }
        true
    }

    /// One pass of the operator with a cache that may lag behind; it ends after so many writes.
    fn pass(&mut self, cached: &Self, mut writes: usize, backwards: bool) {
        let undivided = BTreeSet::new();
        let mut known = Self {
            total: self.total,
            ..cached.clone()
        };
        // The plan is the present one.
        for (place, now) in known.places.iter_mut().zip(&self.places) {
            match (place, now) {
                (Some(place), Some(now)) => place.share = now.share,
                (place, now) => place.clone_from(now),
            }
        }
        // What the store has was counted, as far as it knows.
        for place in known.places.iter_mut().flatten() {
            place.lost = 0;
        }
        for is_look in [false, true] {
            let (at, holdings) = known.holdings();
            let grants = Grants {
                total: amounts(known.total),
                undivided: &undivided,
                holdings: &holdings,
                lent: Amounts::new(),
            };
            let must_look = need_a_look(&grants) && !is_look;
            let granted = match must_look {
                true => holdings
                    .iter()
                    .map(|holding| holding.lowered(&undivided).unwrap_or_default())
                    .collect(),
                false => grants.amounts(),
            };
            let mut planned: Vec<(usize, Amounts)> = at.into_iter().zip(granted).collect();
            planned.retain(|(_, amounts)| !amounts.is_empty());
            if backwards {
                planned.reverse();
            }
            for (i, amounts) in planned {
                if writes == 0 || !self.write(i, &known, &amounts) {
                    return;
                }
                writes -= 1;
            }
            if !must_look {
                return;
            }
            known = self.clone();
        }
    }
}

/// Something that happens.
#[derive(Clone, Debug)]
enum Event {
    /// The tenant or its tier changes: the quota, and the namespaces of the spec with their weights.
    Plan {
        total: [i64; 2],
        weights: [u8; PLACES],
    },
    /// The operator passes over the tenant, with the cache of some events ago.
    Pass {
        lag: usize,
        writes: usize,
        backwards: bool,
    },
    /// The quota controller counts, and may not know some pods yet.
    Count {
        place: usize,
        lost: i64,
    },
    Admit {
        place: usize,
        key: usize,
        amount: i64,
    },
    Release {
        place: usize,
        key: usize,
        amount: i64,
    },
    /// A namespace that the tenant leaves is closed to pods.
    Close(usize),
    /// It is gone, or retained.
    End(usize),
}

fn apply(world: &mut World, event: &Event, past: &[World]) {
    match event {
        Event::Plan { total, weights } => {
            world.total = *total;
            let sum: i64 = weights.iter().map(|weight| i64::from(*weight)).sum();
            for (place, weight) in world.places.iter_mut().zip(weights) {
                match (*weight, place.as_mut()) {
                    (0, Some(place)) => place.share = None,
                    (0, None) => {}
                    (weight, _) => {
                        let share = total.map(|total| total * i64::from(weight) / sum);
                        place.get_or_insert_default().share = Some(share);
                    }
                }
            }
        }
        Event::Pass { lag, writes, backwards } => {
            let cached = past[past.len().saturating_sub(1 + lag)].clone();
            world.pass(&cached, *writes, *backwards);
        }
        Event::Count { place, lost } => {
            let Some(place) = &mut world.places[*place] else { return };
            if place.status != place.spec || place.lost > 0 {
                let pods = place.used[0] + place.lost;
                place.lost = pods.min(*lost);
                place.used[0] = pods - place.lost;
                place.status = place.spec;
                place.version += 1;
            }
        }
        Event::Admit { place, key, amount } => {
            let Some(place) = &mut world.places[*place] else { return };
            // Nobody has access before the quota is enforced.
            let Some(hard) = place.status else { return };
            if place.used[*key] + amount <= hard[*key] {
                place.used[*key] += amount;
                place.version += 1;
            }
        }
        Event::Release { place, key, amount } => {
            let Some(place) = &mut world.places[*place] else { return };
            place.used[*key] = (place.used[*key] - amount).max(0);
            place.version += 1;
        }
        Event::Close(i) => {
            let left = world.places[*i].as_mut().filter(|place| place.share.is_none());
            if let Some(place) = left {
                place.spec = Some([0, place.spec.map_or(0, |spec| spec[1])]);
                place.version += 1;
            }
        }
        Event::End(i) => {
            let has_ended = |place: &Place| place.share.is_none() && place.status.is_none_or(|hard| hard[0] == 0);
            if world.places[*i]
                .as_ref()
                .is_some_and(|place| has_ended(place) && place.used[0] == 0)
            {
                world.places[*i] = None;
            }
        }
    }
}

fn event() -> impl Strategy<Value = Event> {
    let place = || 0..PLACES;
    prop_oneof![
        2 => ([0..13i64, 0..13i64], [0..4u8, 0..3u8, 0..3u8, 0..2u8])
            .prop_map(|(total, [first, rest @ ..])| {
                let [a, b, c] = rest;
                // The first namespace is always there.
                Event::Plan { total, weights: [first.max(1), a, b, c] }
            }),
        6 => (0..6usize, 0..9usize, any::<bool>())
            .prop_map(|(lag, writes, backwards)| Event::Pass { lag, writes, backwards }),
        6 => (place(), prop_oneof![3 => Just(0), 1 => 1..3i64]).prop_map(|(place, lost)| Event::Count { place, lost }),
        8 => (place(), 0..2usize, 1..4i64).prop_map(|(place, key, amount)| Event::Admit { place, key, amount }),
        3 => (place(), 0..2usize, 1..4i64).prop_map(|(place, key, amount)| Event::Release { place, key, amount }),
        1 => place().prop_map(Event::Close),
        1 => place().prop_map(Event::End),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]
    #[test]
    fn namespaces_never_hold_more_than_the_quota(events in vec(event(), 1..120)) {
        let mut world = World::default();
        apply(&mut world, &Event::Plan { total: [6, 6], weights: [1, 0, 0, 0] }, &[]);
        let mut past = vec![world.clone()];
        for event in &events {
            let before = world.sums();
            // Where pods are not counted, admission itself lets in too many.
            let is_blind = matches!(event, Event::Admit { place, .. } if world.places[*place].as_ref().is_some_and(|place| place.lost > 0));
            apply(&mut world, event, &past);
            let after = world.sums();
            for key in [0, 1] {
                // A quota that was lowered below what is held can only be approached.
                let most = world.total[key].max(before[key]);
                prop_assert!(is_blind || after[key] <= most, "{event:?} makes {after:?} of {before:?}: {world:#?}");
            }
            past.push(world.clone());
        }
        // All is released, and what the tenant leaves is gone: each namespace gets its share.
        for place in &mut world.places {
            *place = place.take().filter(|place| place.share.is_some());
        }
        for place in world.places.iter_mut().flatten() {
            place.used = [0, 0];
            place.lost = 0;
        }
        for _ in 0..4 {
            let cached = world.clone();
            world.pass(&cached, usize::MAX, false);
            (0..PLACES).for_each(|place| apply(&mut world, &Event::Count { place, lost: 0 }, &[]));
        }
        for place in world.places.iter().flatten() {
            prop_assert_eq!(place.spec, place.share, "{:#?}", &world);
        }
    }
}
