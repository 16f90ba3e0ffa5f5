//! Grants of a tenant's quota: a namespace grows by what the others have given back, and by no more. Pure.
//!
//! Quota admission compares with `status.hard` and counts in `status.used`. A namespace therefore holds the greatest of `spec.hard`, `status.hard` and
//! `status.used`. What it gives up stays held until the quota controller enforces the lower value and the use is within it. Where the tenant has a book, a
//! namespace holds what the book has reserved for it, too.

use crate::books::{self, Book, Shown};
use crate::capability::Amounts;
use crate::quantity::Amount;
use std::collections::BTreeSet;

/// A namespace that is planned or exists, and its part of the tenant's quota.
#[derive(Clone, Debug, PartialEq)]
pub struct Holding {
    pub namespace: String,
    /// None: the tenant leaves it.
    pub share: Option<Amounts>,
    /// None: it has no ResourceQuota.
    pub quota: Option<Quota>,
    /// True where the quota controller has counted less than there is.
    pub is_miscounted: bool,
    /// The amounts that the tenant's book has reserved for it. None: the tenant has no book.
    pub booked: Option<Amounts>,
    /// The version of the book that was read before the quota was written.
    pub stamp: Option<String>,
}

/// A ResourceQuota as it was last seen.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Quota {
    /// `spec.hard`
    pub hard: Amounts,
    /// `status.hard`
    pub enforced: Amounts,
    /// `status.used`. Counts of objects may be missing while they are within `status.hard`.
    pub used: Amounts,
}

/// The amount of one key that a namespace holds.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Reservation {
    /// Nothing was granted yet.
    Nothing,
    /// The quota controller has not counted its use yet.
    Uncounted(Amount),
    Counted(Amount),
    /// The tenant leaves it, and no quota bounds it.
    Unbounded,
}

/// The grants of a tenant's quota.
#[derive(Clone, Debug)]
pub struct Grants<'a> {
    /// The tenant's quota.
    pub total: Amounts,
    /// Keys of which each namespace has its bound by itself.
    pub undivided: &'a BTreeSet<String>,
    pub holdings: &'a [Holding],
    /// The amounts that the tenant's book has reserved for other holders than these.
    pub lent: Amounts,
}

impl Holding {
    fn reservation(&self, key: &str) -> Reservation {
        let (hard, enforced) = match &self.quota {
            Some(quota) => (quota.hard.get(key), quota.enforced.get(key)),
            None => (None, None),
        };
        match (hard, enforced, &self.share) {
            (None, None, None) => Reservation::Unbounded,
            (None, None, Some(_)) => Reservation::Nothing,
            (Some(hard), None, _) => Reservation::Uncounted(*hard),
            (hard, Some(enforced), _) => {
                let used = self.quota.as_ref().and_then(|quota| quota.used.get(key));
                let shown = Shown {
                    hard: hard.copied().unwrap_or(*enforced),
                    enforced: *enforced,
                    used: used.copied().unwrap_or(*enforced),
                };
                Reservation::Counted(shown.held())
            }
        }
    }

    /// Returns true where the quota controller is still to count this namespace's use.
    fn is_uncounted(&self, key: &str) -> bool {
        self.quota.is_none() || matches!(self.reservation(key), Reservation::Uncounted(_))
    }

    /// The amounts of these keys that the namespace holds as its quota shows them. None: the quota controller is still to count one of them, or has miscounted.
    pub fn held(&self, keys: impl Iterator<Item = String>) -> Option<Amounts> {
        let Some(quota) = &self.quota else {
            return Some(Amounts::new());
        };
        let held = |key: String| match self.reservation(&key) {
            Reservation::Counted(amount) => Some(Some((key, amount))),
            Reservation::Uncounted(_) => None,
            // A key that it lacks is granted first.
            Reservation::Nothing | Reservation::Unbounded => Some(None),
        };
        let is_known = !self.is_miscounted && !quota.enforced.is_empty();
        let held: Option<Vec<_>> = keys.map(held).collect();
        held.filter(|_| is_known)
            .map(|held| held.into_iter().flatten().collect())
    }

    /// The amounts that can be taken from the namespace at once; None where none is.
    pub fn lowered(&self, undivided: &BTreeSet<String>) -> Option<Amounts> {
        let (share, quota) = (self.share.as_ref()?, self.quota.as_ref()?);
        let is_lower = |(key, share): (&String, &Amount)| quota.hard.get(key).is_none_or(|hard| share < hard);
        let lowered = |(key, share): (&String, &Amount)| {
            let is_booked = self.booked.is_some() && !undivided.contains(key);
            let bound = match quota.hard.get(key) {
                // A key that nothing bounds yet has what the book has reserved.
                None if is_booked => Some(self.booked(key)),
                hard => hard.copied(),
            };
            (key.clone(), bound.map_or(*share, |bound| (*share).min(bound)))
        };
        share.iter().any(is_lower).then(|| share.iter().map(lowered).collect())
    }

    /// Takes over what a book has reserved for it. A sealed book grants nothing.
    pub fn enter(&mut self, book: &Book) {
        self.booked = Some(book.of_namespace(&self.namespace));
        self.is_miscounted |= !book.is_open;
    }

    /// The amount of a key that the tenant's book has reserved for it.
    pub fn booked(&self, key: &str) -> Amount {
        let booked = self.booked.as_ref().and_then(|booked| booked.get(key));
        booked.copied().unwrap_or(Amount::ZERO)
    }

    /// Returns true where its quota has less than these amounts.
    pub fn is_less_than(&self, amounts: &Amounts) -> bool {
        let Some(quota) = &self.quota else { return true };
        let grows = |(key, amount): (&String, &Amount)| quota.hard.get(key).is_some_and(|hard| amount > hard);
        amounts.iter().any(grows)
    }
}

impl Grants<'_> {
    /// The amounts that each namespace may have now, in the order of the holdings; none for one that the tenant leaves.
    ///
    /// The sum of what the namespaces hold never grows above the tenant's quota, whichever of these amounts are written, and in whichever order.
    pub fn amounts(&self) -> Vec<Amounts> {
        let mut granted = vec![Amounts::new(); self.holdings.len()];
        for (key, total) in &self.total {
            for (granted, amount) in granted.iter_mut().zip(self.of(key, *total)) {
                granted.extend(amount.map(|amount| (key.clone(), amount)));
            }
        }
        granted
    }

    fn of(&self, key: &str, total: Amount) -> Vec<Option<Amount>> {
        let share = |holding: &Holding| holding.share.as_ref()?.get(key).copied();
        if self.undivided.contains(key) {
            return self.holdings.iter().map(share).collect();
        }
        let reserved: Vec<Amount> = self
            .holdings
            .iter()
            .map(|holding| self.reserved(holding, key))
            .collect();
        let lent = self.lent.get(key).copied().unwrap_or(Amount::ZERO);
        let sum = reserved.iter().fold(lent, |sum, reserved| sum.plus(*reserved));
        let is_unknown =
            |holding: &Holding| holding.is_miscounted || holding.reservation(key) == Reservation::Unbounded;
        let is_spent = sum > total || self.holdings.iter().any(is_unknown);
        let mut sum = if is_spent { total.max(sum) } else { sum };
        let uncounted: Vec<bool> = self.holdings.iter().map(|holding| holding.is_uncounted(key)).collect();
        let others_are_uncounted = |i: usize| uncounted.iter().enumerate().any(|(j, is)| *is && j != i);
        let grant = |(i, holding): (usize, &Holding)| {
            let share = share(holding)?;
            let hard = holding.quota.as_ref().map(|quota| quota.hard.get(key).copied());
            Some(match hard {
                // Without the key nothing bounds it yet.
                Some(None) if holding.booked.is_none() => share,
                Some(Some(hard)) if share <= hard => share,
                Some(Some(hard)) if is_spent || others_are_uncounted(i) => hard,
                _ => {
                    let amount = books::raised(share, reserved[i], total, sum);
                    sum = sum.plus(amount.minus(reserved[i]));
                    amount
                }
            })
        };
        self.holdings.iter().enumerate().map(grant).collect()
    }

    /// The amount that no other namespace can get.
    fn reserved(&self, holding: &Holding, key: &str) -> Amount {
        holding.booked(key).max(self.observed(holding, key))
    }

    fn observed(&self, holding: &Holding, key: &str) -> Amount {
        match holding.reservation(key) {
            Reservation::Nothing if holding.booked.is_some() => Amount::ZERO,
            Reservation::Uncounted(amount) | Reservation::Counted(amount) => amount,
            Reservation::Nothing if holding.quota.is_some() => {
                let share = holding.share.as_ref().and_then(|share| share.get(key));
                share.copied().unwrap_or(Amount::ZERO)
            }
            Reservation::Nothing | Reservation::Unbounded => Amount::ZERO,
        }
    }

    /// The keys of which a namespace has less than its share, or uses more.
    pub fn shortfalls(&self) -> Vec<Shortfall> {
        let granted = self.amounts();
        let keys = self.total.keys();
        let shortfall = |key: &String| {
            let waits = |(holding, granted): (&Holding, &Amounts)| {
                let (share, has) = (*holding.share.as_ref()?.get(key)?, *granted.get(key)?);
                let namespace = holding.namespace.clone();
                (has < share).then_some(Waiting { namespace, has, share })
            };
            let waiting: Vec<Waiting> = self.holdings.iter().zip(&granted).filter_map(waits).collect();
            let holder = |holding: &Holding| holder(holding, key, !waiting.is_empty());
            let holders: Vec<Holder> = self.holdings.iter().filter_map(holder).collect();
            let key = key.clone();
            (!waiting.is_empty() || !holders.is_empty()).then_some(Shortfall {
                key,
                waiting,
                holders,
                withheld: None,
            })
        };
        keys.filter_map(shortfall).collect()
    }
}

/// A namespace that holds more of a key than its share. `others_wait`: what is not used counts too.
fn holder(holding: &Holding, key: &str, others_wait: bool) -> Option<Holder> {
    let namespace = holding.namespace.clone();
    let used = holding.quota.as_ref().and_then(|quota| quota.used.get(key)).copied();
    let Some(share) = &holding.share else {
        let reserved = match holding.reservation(key) {
            Reservation::Uncounted(amount) | Reservation::Counted(amount) => Some(amount),
            Reservation::Nothing | Reservation::Unbounded => None,
        };
        let holds = others_wait && reserved != Some(Amount::ZERO);
        return holds.then_some(Holder::Leaving { namespace, reserved });
    };
    let share = share.get(key).copied()?;
    match (used, holding.reservation(key)) {
        (Some(used), _) if used > share => Some(Holder::Uses { namespace, used, share }),
        (_, Reservation::Counted(reserved)) if others_wait && reserved > share => Some(Holder::Lowered {
            namespace,
            reserved,
            share,
        }),
        _ => None,
    }
}

/// A key of which not every namespace has what it should.
#[derive(Clone, Debug, PartialEq)]
pub struct Shortfall {
    pub key: String,
    pub waiting: Vec<Waiting>,
    pub holders: Vec<Holder>,
    /// The part that the tenant's parent has not granted.
    pub withheld: Option<Withheld>,
}

/// A part of a subtenant's quota that its parent has not granted.
#[derive(Clone, Debug, PartialEq)]
pub struct Withheld {
    pub parent: String,
    pub granted: Amount,
    pub asked: Amount,
    /// The largest other holders of the parent's quota.
    pub holders: Vec<(String, Amount)>,
}

/// A namespace that has less than its share.
#[derive(Clone, Debug, PartialEq)]
pub struct Waiting {
    pub namespace: String,
    pub has: Amount,
    pub share: Amount,
}

/// A namespace that holds more than its share.
#[derive(Clone, Debug, PartialEq)]
pub enum Holder {
    /// Objects in it use more.
    Uses {
        namespace: String,
        used: Amount,
        share: Amount,
    },
    /// The quota controller does not enforce the lower value yet.
    Lowered {
        namespace: String,
        reserved: Amount,
        share: Amount,
    },
    /// A subtenant that has not released yet what it no longer asks for.
    Subtenant {
        holder: String,
        reserved: Amount,
        asked: Amount,
    },
    /// The tenant leaves it. None: the amount is unknown.
    Leaving {
        namespace: String,
        reserved: Option<Amount>,
    },
}

#[cfg(test)]
#[path = "grants_test.rs"]
mod tests;
