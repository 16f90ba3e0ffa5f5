//! Random trees under random steps: no tenant uses more than it was granted, and what it gives back can be granted again.

use super::model_test::{Fault, LOOKS, Seal, Shape, State, Step};
use proptest::collection::vec;
use proptest::prelude::*;

const NODES: usize = 10;
const MOST: u8 = 12;

/// A tree of up to four levels. The root has a namespace; every other node is a subtenant or a namespace of an earlier one.
fn tree() -> impl Strategy<Value = Shape<NODES>> {
    vec((any::<bool>(), any::<prop::sample::Index>()), NODES).prop_map(|nodes| {
        let mut shape = Shape {
            parents: [0; NODES],
            is_book: [false; NODES],
            most: MOST,
            fault: Fault::None,
        };
        shape.is_book[0] = true;
        for (node, (is_book, parent)) in nodes.iter().enumerate().skip(2) {
            let has_room =
                |book: &usize| shape.is_book[*book] && shape.holders(*book).filter(|it| it < &node).count() < LOOKS;
            let books: Vec<usize> = (0..node).filter(has_room).collect();
            // The nodes are more than the root can hold.
            shape.is_book[node] = *is_book || books.len() < 2;
            shape.parents[node] = books[parent.index(books.len())];
        }
        shape
    })
}

/// Steps that set leaders back are rare, or nothing would ever be granted.
fn is_setback(step: &Step) -> bool {
    matches!(
        step,
        Step::Lose(_) | Step::Restore(_) | Step::Crash(_) | Step::Follow(_)
    )
}

fn random(state: &State<NODES>, shape: &Shape<NODES>, pick: u32) -> Option<State<NODES>> {
    let mut steps = Vec::new();
    state.steps(shape, &mut |step| {
        if !is_setback(&step) || pick.is_multiple_of(16) {
            steps.push(step);
        }
    });
    let pick = usize::try_from(pick / 16).unwrap_or_default();
    state.after(shape, steps[pick % steps.len()])
}

/// Does steps that must be possible.
fn all(state: &mut State<NODES>, shape: &Shape<NODES>, steps: &[Step]) {
    for step in steps {
        *state = state
            .after(shape, *step)
            .unwrap_or_else(|| panic!("{step:?} in {state:#?}"));
    }
}

/// Does the step that the one busy leader is at, until it is done.
fn finish(state: &mut State<NODES>, shape: &Shape<NODES>) {
    while let Some(next) = state.after(shape, Step::Next(1)) {
        *state = next;
    }
    *state = state.after(shape, Step::Crash(1)).expect("always possible");
}

fn name(node: usize) -> u8 {
    u8::try_from(node).expect("few nodes")
}

/// Each namespace ends its pods, and each holder gives up what it has.
fn release(state: &mut State<NODES>, shape: &Shape<NODES>) {
    all(state, shape, &[Step::Crash(0), Step::Crash(1)]);
    for node in (0..NODES).rev() {
        if shape.is_book[node] && state.nodes[node].seal != Seal::Open {
            all(state, shape, &[Step::Seal(0, name(node))]);
            finish(state, shape);
        }
    }
    for node in (1..NODES).rev() {
        all(state, shape, &[Step::Lower(0, name(node), 0)]);
        for step in [Step::Enforce(node)].into_iter().chain([Step::End(node); 255]) {
            *state = state.after(shape, step).unwrap_or(*state);
        }
        finish(state, shape);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]
    #[test]
    fn a_tree_never_uses_more_than_it_was_granted(shape in tree(), picks in vec(any::<u32>(), 1..400)) {
        let mut state = State::first(&shape);
        for pick in picks {
            state = random(&state, &shape, pick).unwrap_or(state);
            prop_assert_eq!(state.overrun(&shape), None, "{:#?}", state);
        }
        release(&mut state, &shape);
        for book in (0..NODES).filter(|node| shape.is_book[*node]) {
            prop_assert_eq!(state.sum(&shape, book), 0, "nothing is left reserved: {:#?}", state);
        }
        // Any namespace can have all of it then.
        let leaf = (1..NODES).rev().find(|node| !shape.is_book[*node]).expect("the root has a namespace");
        let mut path = vec![leaf];
        while shape.parents[path[path.len() - 1]] != 0 {
            path.push(shape.parents[path[path.len() - 1]]);
        }
        for node in path.into_iter().rev() {
            all(&mut state, &shape, &[Step::Reserve(0, name(node), MOST), Step::Next(1)]);
        }
        all(&mut state, &shape, &[Step::Enforce(leaf)]);
        prop_assert_eq!(state.nodes[leaf].used, state.nodes[0].hard);
    }
}
