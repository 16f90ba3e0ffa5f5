//! All interleavings of the protocol, in a small tree.

use super::model_test::{Fault, Seal, Shape, State, Step};
use std::collections::HashSet;
use std::hash::{BuildHasherDefault, Hasher};

/// A root with two namespaces, and a subtenant with one.
const NODES: usize = 5;
/// The most states that a walk visits.
const MOST_STATES: usize = 2_000_000;

fn shape(most: u8, fault: Fault) -> Shape<NODES> {
    Shape {
        parents: [0, 0, 0, 0, 3],
        is_book: [true, false, false, true, false],
        most,
        fault,
    }
}

/// A hash of few bytes that is cheap without optimisation.
#[derive(Default)]
struct Words(u64);

impl Hasher for Words {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(u64::from(*byte)));
    }

    fn write_u64(&mut self, word: u64) {
        self.0 = (self.0.rotate_left(5) ^ word).wrapping_mul(0x517c_c1b7_2722_0a95);
    }

    fn write_u8(&mut self, byte: u8) {
        self.write_u64(u64::from(byte));
    }
}

/// The states that can be reached, each with the one before it.
struct Walk {
    states: Vec<(State<NODES>, usize, Option<Step>)>,
    /// The first state in which a tenant uses more than it was granted.
    overrun: Option<usize>,
}

/// Visits every state, those with the fewest steps first, and ends at an overrun.
fn walk(shape: &Shape<NODES>) -> Walk {
    let first = State::first(shape);
    let mut known: HashSet<State<NODES>, BuildHasherDefault<Words>> = HashSet::default();
    known.insert(first);
    let mut states = vec![(first, 0, None)];
    let mut at = 0;
    while let Some((state, ..)) = states.get(at).copied() {
        if state.overrun(shape).is_some() {
            return Walk {
                states,
                overrun: Some(at),
            };
        }
        state.steps(shape, &mut |step| {
            if let Some(next) = state.after(shape, step)
                && known.insert(next)
            {
                states.push((next, at, Some(step)));
            }
        });
        assert!(states.len() < MOST_STATES, "the model is too large");
        at += 1;
    }
    Walk { states, overrun: None }
}

impl Walk {
    /// The steps that lead to a state.
    fn path(&self, mut at: usize) -> Vec<Step> {
        let mut path = Vec::new();
        while let (_, before, Some(step)) = self.states[at] {
            path.push(step);
            at = before;
        }
        path.reverse();
        path
    }
}

#[test]
fn no_interleaving_lets_a_tenant_use_more_than_it_was_granted() {
    let shape = shape(3, Fault::None);
    let walk = walk(&shape);
    let path = walk.overrun.map(|at| walk.path(at));
    assert_eq!(path, None, "of {} states", walk.states.len());
    // It is no protocol that grants nothing.
    let reaches = |condition: &dyn Fn(&State<NODES>) -> bool| walk.states.iter().any(|(state, ..)| condition(state));
    assert!(
        reaches(&|state| state.nodes[2].used == 3),
        "the second namespace uses all"
    );
    assert!(reaches(&|state| state.nodes[4].used == 3), "the subtenant uses all");
    let each = |state: &State<NODES>| [1, 2, 4].iter().all(|node| state.nodes[*node].used == 1);
    assert!(reaches(&each), "each namespace uses a part");
    assert!(
        reaches(&|state| state.nodes[0].seal == Seal::Open && state.nodes[0].hard == 1),
        "the quota shrinks"
    );
}

#[test]
fn the_walk_finds_the_fault_of_each_rule_that_is_left_out() {
    for fault in [
        Fault::NoSettling,
        Fault::NoUnconditionalWrite,
        Fault::NoWriteOnRelease,
        Fault::NoSeal,
        Fault::TrustedRestore,
        Fault::NoAnnotation,
    ] {
        let walk = walk(&shape(2, fault));
        assert!(
            walk.overrun.is_some(),
            "{fault:?}: none in {} states",
            walk.states.len()
        );
    }
}
