//! A model of the protocol: a tree of books and namespaces, two leaders that stop anywhere, and all that others do.
//!
//! A write that carries a version succeeds only if nothing has changed since that was read. So reading an object and writing it is one step here, and versions
//! are not numbers: a leader that is to write in a version which is no longer the present one has nothing to do but start over, and is idle. Specs are not
//! modelled: a leader may want any amount at any time, as if it knew another spec than its rival.

use super::{Shown, granted, raised};
use crate::quantity::Amount;

/// The most holders of one book.
pub const LOOKS: usize = 4;

/// The rule that a variant of the protocol leaves out.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fault {
    None,
    /// The book releases at once what the spec gave up.
    NoSettling,
    /// A raise does not write a book that has the reservation already.
    NoUnconditionalWrite,
    /// A release does not write an object whose amount is low already.
    NoWriteOnRelease,
    /// A missing book is counted first and created then.
    NoSeal,
    /// A book that others wrote is corrected by what is observed, and not counted anew.
    TrustedRestore,
    /// A namespace that has a book is raised without it.
    NoAnnotation,
}

/// Where a book stands. One that others wrote counts as sealed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Seal {
    #[default]
    Open,
    Sealed,
    Missing,
}

/// A book, or a namespace's quota: one object in the API server.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Node {
    /// `spec.hard`; of a book what it was granted.
    pub hard: u8,
    /// `status.hard`
    pub enforced: u8,
    /// `status.used`
    pub used: u8,
    /// What the parent's book has reserved for it.
    pub reserved: u8,
    pub seal: Seal,
    /// Has the annotation that tells of a book.
    pub is_annotated: bool,
}

/// The next write of a leader.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Op {
    #[default]
    Idle,
    /// It has reserved this amount, and writes the object in the version that it read before.
    Take(u8, u8),
    /// It has read the book and written the object. It looks next.
    Settle(u8),
    /// It has seen this amount held, and writes the book in the version that it read first.
    Release(u8, u8),
    /// It has read the sealed book and looked at so many holders.
    Recount(u8, u8, [u8; LOOKS]),
}

/// Something that happens. Amounts are those that a leader wants.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Step {
    /// A leader reads a node and its book, and reserves in the book.
    Reserve(usize, u8, u8),
    /// A leader reads the book and the node, and lowers the node.
    Lower(usize, u8, u8),
    /// A leader raises the first namespace, to which nothing tells of a book.
    Alone(u8),
    /// A leader seals a book, or finds it sealed.
    Seal(usize, u8),
    /// A leader does its next step.
    Next(usize),
    Crash(usize),
    /// The tenant's quota changes, and a leader writes it.
    Follow(u8),
    /// The quota controller enforces the spec, and pods fill the namespace.
    Enforce(usize),
    /// A pod ends.
    End(usize),
    /// The book is deleted.
    Lose(usize),
    /// Others write the book, with an older content.
    Restore(usize),
}

/// The tree: of each node its parent. Books come before their holders, and the first node is the root's book.
#[derive(Clone, Copy, Debug)]
pub struct Shape<const N: usize> {
    pub parents: [usize; N],
    pub is_book: [bool; N],
    /// The greatest amount.
    pub most: u8,
    pub fault: Fault,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct State<const N: usize> {
    pub nodes: [Node; N],
    pub leaders: [Op; 2],
}

impl<const N: usize> State<N> {
    /// A tenant that was alone and uses its whole quota. No book exists.
    pub fn first(shape: &Shape<N>) -> Self {
        let mut nodes = [Node::default(); N];
        for (node, is_book) in nodes.iter_mut().zip(shape.is_book) {
            node.seal = if is_book { Seal::Missing } else { Seal::Open };
        }
        let most = shape.most;
        nodes[0].hard = most;
        nodes[1] = Node {
            hard: most,
            enforced: most,
            used: most,
            ..Node::default()
        };
        let leaders = [Op::Idle; 2];
        Self { nodes, leaders }
    }

    /// The book whose namespaces use more than it was granted.
    pub fn overrun(&self, shape: &Shape<N>) -> Option<usize> {
        let mut used = [0; N];
        for node in (1..N).rev() {
            used[node] += self.nodes[node].used;
            used[shape.parents[node]] += used[node];
        }
        (0..N).find(|node| shape.is_book[*node] && used[*node] > self.nodes[*node].hard)
    }

    /// The sum that the holders of a book have reserved.
    pub fn sum(&self, shape: &Shape<N>, book: usize) -> u8 {
        shape.holders(book).map(|node| self.nodes[node].reserved).sum()
    }

    fn held(&self, shape: &Shape<N>, node: usize) -> u8 {
        let Node {
            hard, enforced, used, ..
        } = self.nodes[node];
        let (enforced, used) = match shape.is_book[node] {
            true => (hard, self.sum(shape, node)),
            false => (enforced, used),
        };
        let shown = Shown {
            hard: whole(hard),
            enforced: whole(enforced),
            used: whole(used),
        };
        units(shown.held())
    }

    fn is_open(&self, node: usize) -> bool {
        self.nodes[node].seal == Seal::Open
    }

    /// Lets every leader start over that relied on the version which this object had.
    fn written(&mut self, shape: &Shape<N>, node: usize) {
        for op in &mut self.leaders {
            if shape.relies(*op) == Some(node) {
                *op = Op::Idle;
            }
        }
    }

    /// Does one step. None: it cannot be done, or changes nothing.
    pub fn after(mut self, shape: &Shape<N>, step: Step) -> Option<Self> {
        match step {
            Step::Reserve(leader, node, amount) => self.leaders[leader] = self.reserve(shape, node, amount)?,
            Step::Lower(leader, node, amount) => self.leaders[leader] = self.lower(shape, node, amount)?,
            Step::Alone(amount) => {
                let is_without_book = !self.nodes[1].is_annotated || shape.fault == Fault::NoAnnotation;
                let grows = amount > self.nodes[1].hard && amount <= self.nodes[0].hard;
                (is_without_book && grows).then_some(())?;
                self.nodes[1].hard = amount;
                self.written(shape, 1);
            }
            Step::Seal(leader, book) => self.leaders[leader] = self.seal(shape, book)?,
            Step::Next(leader) => self.leaders[leader] = self.next(shape, leader)?,
            Step::Crash(leader) => self.leaders[leader] = Op::Idle,
            Step::Follow(asked) => {
                let granted = granted(whole(asked), whole(self.sum(shape, 0)));
                self.is_open(0).then_some(())?;
                self.nodes[0].hard = units(granted);
                self.written(shape, 0);
            }
            Step::Enforce(node) => {
                let own = &mut self.nodes[node];
                (own.enforced != own.hard).then_some(())?;
                own.enforced = own.hard;
                // The worst that pods can do. Until here the node held as much.
                own.used = own.used.max(own.enforced);
                self.written(shape, node);
            }
            Step::End(node) => {
                let own = &mut self.nodes[node];
                (own.used > own.enforced).then_some(())?;
                own.used -= 1;
            }
            Step::Lose(book) => {
                self.nodes[book].seal = Seal::Missing;
                shape.holders(book).for_each(|node| self.nodes[node].reserved = 0);
                self.written(shape, book);
            }
            Step::Restore(book) => self.restore(shape, book)?,
        }
        self.leaders.sort_unstable();
        Some(self)
    }

    fn restore(&mut self, shape: &Shape<N>, book: usize) -> Option<()> {
        self.is_open(book).then_some(())?;
        let is_trusted = shape.fault == Fault::TrustedRestore;
        for node in shape.holders(book) {
            self.nodes[node].reserved = if is_trusted { self.held(shape, node) } else { 0 };
        }
        if !is_trusted {
            self.nodes[book].seal = Seal::Sealed;
        }
        self.written(shape, book);
        Some(())
    }

    fn seal(&mut self, shape: &Shape<N>, book: u8) -> Option<Op> {
        let at = usize::from(book);
        let has_seal = shape.fault != Fault::NoSeal;
        (!self.is_open(at)).then_some(())?;
        if has_seal && self.nodes[at].seal == Seal::Missing {
            self.nodes[at].seal = Seal::Sealed;
            self.written(shape, at);
        }
        Some(Op::Recount(book, 0, [0; LOOKS]))
    }

    fn next(&mut self, shape: &Shape<N>, leader: usize) -> Option<Op> {
        match self.leaders[leader] {
            Op::Idle => None,
            Op::Take(node, amount) => {
                self.nodes[usize::from(node)].hard = amount;
                self.written(shape, node.into());
                Some(Op::Idle)
            }
            Op::Settle(node) => {
                let at = usize::from(node);
                let held = match shape.fault {
                    Fault::NoSettling => self.nodes[at].hard,
                    _ => self.held(shape, at),
                };
                (held < self.nodes[at].reserved).then_some(Op::Release(node, held))
            }
            Op::Release(node, held) => {
                let at = usize::from(node);
                self.nodes[at].reserved = held;
                self.written(shape, shape.parents[at]);
                Some(Op::Idle)
            }
            Op::Recount(book, counted, looks) => self.count(shape, book, counted, looks),
        }
    }

    fn reserve(&mut self, shape: &Shape<N>, node: u8, wanted: u8) -> Option<Op> {
        let at = usize::from(node);
        let book = shape.parents[at];
        (self.is_open(book) && self.is_open(at)).then_some(())?;
        let own = self.nodes[at];
        let (granted, sum) = (self.nodes[book].hard, self.sum(shape, book));
        let amount = units(raised(whole(wanted), whole(own.reserved), whole(granted), whole(sum)));
        (amount > own.hard).then_some(())?;
        self.nodes[at].reserved = own.reserved.max(amount);
        if shape.fault != Fault::NoUnconditionalWrite || amount > own.reserved {
            self.written(shape, book);
        }
        Some(Op::Take(node, amount))
    }

    fn lower(&mut self, shape: &Shape<N>, node: u8, amount: u8) -> Option<Op> {
        let at = usize::from(node);
        (self.is_open(shape.parents[at]) && self.is_open(at)).then_some(())?;
        let former = self.nodes[at].hard;
        let lowered = match shape.is_book[at] {
            true => units(granted(whole(amount), whole(self.sum(shape, at)))),
            false => amount,
        };
        (lowered <= former).then_some(())?;
        self.nodes[at].hard = lowered;
        if shape.fault != Fault::NoWriteOnRelease || lowered < former {
            self.written(shape, at);
        }
        Some(Op::Settle(node))
    }

    fn count(&mut self, shape: &Shape<N>, book: u8, counted: u8, mut looks: [u8; LOOKS]) -> Option<Op> {
        let at = usize::from(book);
        let place = usize::from(counted);
        let Some(holder) = shape.holders(at).nth(place) else {
            let is_created = shape.fault == Fault::NoSeal;
            (!is_created || self.nodes[at].seal == Seal::Missing).then_some(())?;
            for (node, look) in shape.holders(at).zip(looks) {
                self.nodes[node].reserved = look;
            }
            let sum = self.sum(shape, at);
            let asked = if at == 0 { self.nodes[at].hard } else { 0 };
            self.nodes[at].hard = units(granted(whole(asked), whole(sum)));
            self.nodes[at].seal = Seal::Open;
            self.written(shape, at);
            return Some(Op::Idle);
        };
        self.is_open(holder).then_some(())?;
        self.nodes[holder].is_annotated = !shape.is_book[holder];
        self.written(shape, holder);
        looks[place] = self.held(shape, holder);
        Some(Op::Recount(book, counted + 1, looks))
    }

    /// Everything that can happen next.
    pub fn steps(&self, shape: &Shape<N>, each: &mut impl FnMut(Step)) {
        // The leaders are alike, and the idle one is the first.
        match self.leaders[0] {
            Op::Idle => shape.begins(each),
            _ => each(Step::Crash(0)),
        }
        for leader in 0..2 {
            if self.leaders[leader] != Op::Idle {
                each(Step::Next(leader));
            }
        }
        if self.leaders[1] != Op::Idle {
            each(Step::Crash(1));
        }
        for asked in 1..=shape.most {
            each(Step::Follow(asked));
            each(Step::Alone(asked));
        }
        for node in 0..N {
            if shape.is_book[node] {
                each(Step::Lose(node));
                each(Step::Restore(node));
            } else {
                each(Step::Enforce(node));
                each(Step::End(node));
            }
        }
    }
}

impl<const N: usize> Shape<N> {
    pub fn holders(&self, book: usize) -> impl Iterator<Item = usize> + use<N> {
        let parents = self.parents;
        (1..N).filter(move |node| parents[*node] == book)
    }

    /// The object whose change makes a leader start over.
    fn relies(&self, op: Op) -> Option<usize> {
        match op {
            Op::Idle => None,
            Op::Take(node, _) => Some(node.into()),
            Op::Settle(node) | Op::Release(node, _) => Some(self.parents[usize::from(node)]),
            // Without a seal it relies on nothing but that there is no book in the end.
            Op::Recount(..) if self.fault == Fault::NoSeal => None,
            Op::Recount(book, ..) => Some(book.into()),
        }
    }

    /// What an idle leader can do.
    fn begins(&self, each: &mut impl FnMut(Step)) {
        for node in 0..N {
            let name = u8::try_from(node).unwrap_or_default();
            if self.is_book[node] {
                each(Step::Seal(0, name));
            }
            if node > 0 {
                (1..=self.most).for_each(|amount| each(Step::Reserve(0, name, amount)));
                (0..=self.most).for_each(|amount| each(Step::Lower(0, name, amount)));
            }
        }
    }
}

fn whole(units: u8) -> Amount {
    Amount::whole(units.into())
}

fn units(amount: Amount) -> u8 {
    u8::try_from(amount.ceil()).unwrap_or(u8::MAX)
}
