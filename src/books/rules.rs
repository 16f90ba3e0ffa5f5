//! The rules of a book, for one key. Pure.

use crate::quantity::Amount;

/// The amount of one key that a holder's object shows. For a subtenant: what its book was granted, and what that has reserved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shown {
    /// `spec.hard`
    pub hard: Amount,
    /// `status.hard`, by which pods are admitted.
    pub enforced: Amount,
    /// `status.used`
    pub used: Amount,
}

impl Shown {
    /// The amount that no other holder can get. It never grows while the object is not written.
    pub fn held(self) -> Amount {
        self.hard.max(self.enforced).max(self.used)
    }
}

/// The amount that a book grants: what is asked, and never less than is reserved.
pub fn granted(asked: Amount, reserved: Amount) -> Amount {
    asked.max(reserved)
}

/// The amount that a holder may have: what it wants, as far as it has reserved that itself or no holder has. `reserved` is the sum of all holders.
pub fn raised(wanted: Amount, own: Amount, granted: Amount, reserved: Amount) -> Amount {
    wanted.min(own.plus(granted.minus(reserved)))
}
