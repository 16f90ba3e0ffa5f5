//! The part of a tenant's status that shows its book.

use super::grants::Shortfall;
use super::quotas::{Known, Quotas};
use crate::api::{MAX_QUOTA_KEYS, QuotaStatus};
use crate::books::{self, Book};
use crate::quantity::Amount;

impl Quotas<'_> {
    /// The state of the quota by key. Nothing for a tenant without an open book.
    pub fn status(&self, known: &Known, shortfalls: &[Shortfall]) -> Vec<QuotaStatus> {
        let Some(book) = known.open_book() else {
            return Vec::new();
        };
        let keys = self.divided().into_keys().take(MAX_QUOTA_KEYS);
        keys.map(|key| of_key(book, key, shortfalls)).collect()
    }
}

/// One key of a book. Pure.
fn of_key(book: &Book, key: String, shortfalls: &[Shortfall]) -> QuotaStatus {
    let granted = book.granted.get(&key).copied().unwrap_or(Amount::ZERO);
    let sum = |is_subtenant: bool| {
        let holders = book.reserved.iter();
        let of_kind = holders.filter(|(holder, _)| books::child(holder).is_some() == is_subtenant);
        let amounts = of_kind.filter_map(|(_, amounts)| amounts.get(&key));
        amounts.fold(Amount::ZERO, |sum, amount| sum.plus(*amount))
    };
    let waiting = shortfalls.iter().filter(|shortfall| shortfall.key == key);
    let waiting = waiting
        .flat_map(|shortfall| &shortfall.waiting)
        .fold(Amount::ZERO, |sum, one| sum.plus(one.share.minus(one.has)));
    QuotaStatus {
        granted: granted.to_string(),
        own: sum(false).to_string(),
        reserved: sum(true).to_string(),
        free: granted.minus(book.sum(&key)).to_string(),
        waiting: (waiting > Amount::ZERO).then(|| waiting.to_string()),
        key,
    }
}

#[cfg(test)]
mod tests {
    use super::super::grants::Waiting;
    use super::*;
    use crate::capability::Amounts;

    #[test]
    fn a_status_adds_up() {
        let pods = |units: i64| Amounts::from([("pods".to_string(), Amount::whole(units))]);
        let mut book = Book::sealed();
        book.open(
            [
                ("namespace/acme".to_string(), pods(2)),
                ("namespace/acme-b".to_string(), pods(1)),
                ("tenant/eu/1".to_string(), pods(4)),
            ]
            .into(),
        );
        book.follow(&pods(10));
        let waiting = Waiting {
            namespace: "acme".into(),
            has: Amount::whole(2),
            share: Amount::whole(5),
        };
        let shortfall = Shortfall {
            key: "pods".into(),
            waiting: vec![waiting],
            holders: Vec::new(),
            withheld: None,
        };
        let expected = QuotaStatus {
            key: "pods".into(),
            granted: "10".into(),
            own: "3".into(),
            reserved: "4".into(),
            free: "3".into(),
            waiting: Some("3".into()),
        };
        assert_eq!(of_key(&book, "pods".into(), &[shortfall]), expected);
    }
}
