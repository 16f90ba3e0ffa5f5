//! The content of a book. Pure.

use super::rules::{self, Shown};
use crate::capability::{Amounts, resource_list};
use crate::cluster::Identity;
use crate::quantity::Amount;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// A tenant's book.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Book {
    /// False: its holders are to be counted, and none grows.
    pub is_open: bool,
    /// The tenant's quota.
    pub granted: Amounts,
    /// The amounts of each holder: `namespace/<name>` or `tenant/<name>`.
    pub reserved: BTreeMap<String, Amounts>,
    /// Grows with each write, so that each write changes the version.
    pub writes: u64,
    /// The tenant above, as `<name>/<id>`.
    pub parent: Option<String>,
}

/// Prefixes of holders.
pub const NAMESPACES: &str = "namespace/";
const TENANTS: &str = "tenant/";

/// The holder that a namespace is.
pub fn namespace(name: &str) -> String {
    format!("{NAMESPACES}{name}")
}

/// The holder that a subtenant is.
pub fn tenant(owner: &Identity) -> String {
    format!("{TENANTS}{}", owner.annotation())
}

/// The subtenant that a holder is.
pub fn child(holder: &str) -> Option<Identity> {
    Identity::of_annotation(holder.strip_prefix(TENANTS)?)
}

/// Names a holder in a message.
pub fn title(holder: &str) -> String {
    let (kind, name) = holder.split_once('/').unwrap_or(("", holder));
    let name = name.split('/').next().unwrap_or(name);
    format!("{kind} {name}")
}

impl Book {
    /// A book of which nothing is known yet.
    pub fn sealed() -> Self {
        Self::default()
    }

    /// Opens the book with what its holders hold.
    pub fn open(&mut self, held: BTreeMap<String, Amounts>) {
        self.reserved = held;
        self.reserved.retain(|_, amounts| !amounts.is_empty());
        self.is_open = true;
    }

    /// Follows the tenant's quota: up at once, and down to what is reserved. A key that the quota lost goes once nothing of it is reserved.
    pub fn follow(&mut self, asked: &Amounts) {
        let zero = Amount::ZERO;
        let former = std::mem::take(&mut self.granted);
        for key in asked.keys().chain(former.keys()) {
            let reserved = self.sum(key);
            if asked.contains_key(key) || reserved > zero {
                let asked = asked.get(key).copied().unwrap_or(zero);
                self.granted.insert(key.clone(), rules::granted(asked, reserved));
            }
        }
    }

    /// Reserves amounts for a holder. It keeps what it has reserved.
    pub fn reserve(&mut self, holder: &str, amounts: &Amounts) {
        if amounts.is_empty() {
            return;
        }
        let own = self.reserved.entry(holder.to_string()).or_default();
        for (key, amount) in amounts {
            let reserved = own.entry(key.clone()).or_insert(*amount);
            *reserved = (*reserved).max(*amount);
        }
    }

    /// Releases all of a holder but what it holds.
    pub fn release(&mut self, holder: &str, held: &Amounts) {
        match held.is_empty() {
            true => self.reserved.remove(holder),
            false => self.reserved.insert(holder.to_string(), held.clone()),
        };
    }

    /// The amounts that a namespace has reserved.
    pub fn of_namespace(&self, name: &str) -> Amounts {
        self.reserved.get(&namespace(name)).cloned().unwrap_or_default()
    }

    /// The amount of a key that a holder has reserved.
    pub fn of(&self, holder: &str, key: &str) -> Amount {
        let own = self.reserved.get(holder).and_then(|own| own.get(key));
        own.copied().unwrap_or(Amount::ZERO)
    }

    /// The amount of a key that all holders have reserved.
    pub fn sum(&self, key: &str) -> Amount {
        let all = self.reserved.values().filter_map(|own| own.get(key));
        all.fold(Amount::ZERO, |sum, amount| sum.plus(*amount))
    }

    /// All keys of the book.
    pub fn keys(&self) -> BTreeSet<String> {
        let reserved = self.reserved.values().flat_map(Amounts::keys);
        self.granted.keys().chain(reserved).cloned().collect()
    }

    /// The amount of a key that the tenant holds of its parent's quota.
    pub fn held(&self, key: &str) -> Amount {
        let granted = self.granted.get(key).copied().unwrap_or(Amount::ZERO);
        let (hard, used) = (granted, self.sum(key));
        let shown = Shown {
            hard,
            enforced: hard,
            used,
        };
        shown.held()
    }

    /// The amounts that the tenant holds of its parent's quota.
    pub fn all_held(&self) -> Amounts {
        let held = self.keys().into_iter().map(|key| (key.clone(), self.held(&key)));
        held.collect()
    }

    /// The tenant above.
    pub fn parent(&self) -> Option<Identity> {
        Identity::of_annotation(self.parent.as_ref()?)
    }

    /// The book of a tenant that holds nothing any more.
    pub fn without_amounts(&self) -> Self {
        Self {
            granted: Amounts::new(),
            reserved: BTreeMap::new(),
            ..self.clone()
        }
    }

    /// The amount of a key that a holder may have, up to this.
    pub fn raised(&self, holder: &str, key: &str, wanted: Amount) -> Amount {
        let granted = self.granted.get(key).copied().unwrap_or(Amount::ZERO);
        rules::raised(wanted, self.of(holder, key), granted, self.sum(key))
    }

    /// The text of the book.
    pub fn text(&self) -> String {
        let reserved = self.reserved.iter();
        let reserved: BTreeMap<_, _> = reserved.map(|(holder, own)| (holder, resource_list(own))).collect();
        let book = json!({
            "open": self.is_open, "writes": self.writes, "parent": self.parent, "granted": resource_list(&self.granted), "reserved": reserved,
        });
        serde_json::to_string_pretty(&book).unwrap_or_default()
    }

    /// Reads a text. None: it is no book.
    pub fn parse(text: &str) -> Option<Self> {
        let value: Value = serde_json::from_str(text).ok()?;
        let reserved = value.get("reserved")?.as_object()?.iter();
        let reserved = reserved.map(|(holder, list)| Some((holder.clone(), amounts(list)?)));
        Some(Self {
            is_open: value.get("open")?.as_bool()?,
            granted: amounts(value.get("granted")?)?,
            reserved: reserved.collect::<Option<_>>()?,
            writes: value.get("writes")?.as_u64()?,
            parent: value.get("parent").and_then(Value::as_str).map(String::from),
        })
    }
}

fn amounts(list: &Value) -> Option<Amounts> {
    let amount = |(key, value): (&String, &Value)| Some((key.clone(), Amount::parse(value.as_str()?).ok()?));
    list.as_object()?.iter().map(amount).collect()
}

#[cfg(test)]
#[path = "book_test.rs"]
mod tests;
