//! A subtenant's part of its parent's quota: the parent's book reserves it before the subtenant's own book has it.

use super::grants::Withheld;
use crate::books::{self, Book, Record};
use crate::capability::family::Family;
use crate::capability::{Amounts, Pass, TenantCore};
use crate::cluster::{Error, Identity};
use crate::quantity::Amount;

/// The most holders that a message names.
const NAMED: usize = 3;

/// A subtenant in its parent's book.
pub struct Above {
    parent: Identity,
    holder: String,
    /// None: the parent has no book yet.
    record: Option<Record>,
}

impl Above {
    /// The parent's book as it is known. None: the tenant has no parent.
    pub fn known(pass: &Pass<'_>, tenant: &TenantCore) -> Option<Self> {
        let parent = tenant.family.parent()?.clone();
        let record = books::known(pass, &parent);
        Some(Self::new(parent, tenant, record))
    }

    /// Reads the parent's book. None: the tenant has no parent.
    ///
    /// # Errors
    /// The API server's.
    pub async fn fetch(pass: &Pass<'_>, tenant: &TenantCore) -> Result<Option<Self>, Error> {
        let Some(parent) = tenant.family.parent().cloned() else {
            return Ok(None);
        };
        let record = books::fetch(pass, &parent).await?;
        Ok(Some(Self::new(parent, tenant, record)))
    }

    fn new(parent: Identity, tenant: &TenantCore, record: Option<Record>) -> Self {
        let holder = books::tenant(&tenant.owner);
        Self { parent, holder, record }
    }

    /// The parent's book, where it is open.
    fn book(&self) -> Option<&Book> {
        let book = self.record.as_ref().map(|record| &record.book);
        book.filter(|book| book.is_open)
    }

    /// The amounts that the subtenant can have now of those that it asks for.
    pub fn grantable(&self, own: &Book, asked: &Amounts) -> Amounts {
        let grantable = |(key, asked): (&String, &Amount)| {
            let has = own.granted.get(key).copied().unwrap_or(Amount::ZERO);
            let more = self.book().map(|book| book.raised(&self.holder, key, *asked));
            let amount = (*asked).min(more.map_or(has, |more| more.max(has)));
            (key.clone(), amount)
        };
        asked.iter().map(grantable).collect()
    }

    /// The part of a key that the parent has not granted, and the largest of the others that hold it.
    pub fn withheld(&self, own: &Book, key: &str, asked: Amount) -> Option<Withheld> {
        let granted = own.granted.get(key).copied().unwrap_or(Amount::ZERO);
        let others = self.book().into_iter().flat_map(|book| &book.reserved);
        let others = others.filter(|(holder, _)| **holder != self.holder);
        let mut holders: Vec<_> = others
            .filter_map(|(holder, amounts)| Some((books::title(holder), *amounts.get(key)?)))
            .filter(|(_, amount)| *amount > Amount::ZERO)
            .collect();
        holders.sort_by_key(|(_, amount)| std::cmp::Reverse(*amount));
        holders.truncate(NAMED);
        (granted < asked).then(|| Withheld {
            parent: self.parent.tenant.clone(),
            granted,
            asked,
            holders,
        })
    }

    /// Returns true where the parent's book has reserved less than the subtenant's own book is to be granted.
    pub fn lacks(&self, own: &Book) -> bool {
        let has = |key: &String| {
            self.book()
                .is_none_or(|book| book.of(&self.holder, key) >= own.held(key))
        };
        !own.keys().iter().all(has)
    }

    /// Returns true where the parent's book has reserved more than the subtenant holds.
    pub fn exceeds(&self, own: &Book) -> bool {
        let reserved = self.book().and_then(|book| book.reserved.get(&self.holder));
        let is_more = |(key, amount): (&String, &Amount)| *amount > own.held(key);
        reserved.is_some_and(|reserved| reserved.iter().any(is_more))
    }

    /// Reserves what the subtenant's book is to be granted.
    ///
    /// # Errors
    /// [`Error::Contended`] where others wrote the parent's book; else the API server's.
    pub async fn reserve(&mut self, pass: &Pass<'_>, own: &Book) -> Result<(), Error> {
        let Some(record) = self.record.take_if(|record| record.book.is_open) else {
            return Ok(());
        };
        let mut book = record.book.clone();
        book.reserve(&self.holder, &own.all_held());
        self.record = Some(books::write(pass, &self.parent, &record, book).await?);
        Ok(())
    }

    /// Releases what the subtenant does not hold any more. Its own book was written after the parent's was read.
    ///
    /// # Errors
    /// As [`Above::reserve`].
    pub async fn release(&self, pass: &Pass<'_>, own: &Book) -> Result<(), Error> {
        let Some(record) = self.record.as_ref().filter(|record| record.book.is_open) else {
            return Ok(());
        };
        let mut book = record.book.clone();
        book.release(&self.holder, &own.all_held());
        books::write(pass, &self.parent, record, book).await.map(|_| ())
    }
}

/// What each child holds, by its own book, which is written so that no write under way succeeds. None: a child's book is still to be made or counted.
///
/// # Errors
/// [`Error::Contended`] where others wrote a child's book; else the API server's.
pub async fn count_children(pass: &Pass<'_>, family: &Family) -> Result<Option<Vec<(String, Amounts)>>, Error> {
    let mut held = Vec::new();
    for child in &family.children {
        let owner = &child.owner;
        match books::fetch(pass, owner).await? {
            Some(record) if record.book.is_open => {
                let record = books::write(pass, owner, &record, record.book.clone()).await?;
                held.push((books::tenant(owner), record.book.all_held()));
            }
            // It has nothing yet, and will ask the parent for all of it.
            None if pass.store.namespaces_of(&owner.tenant).is_empty() => {}
            _ => return Ok(None),
        }
    }
    Ok(Some(held))
}

/// Gives back what a deleted tenant has of its parent's quota, and deletes its book.
///
/// # Errors
/// The API server's.
pub async fn end(pass: &Pass<'_>, owner: &Identity) -> Result<(), Error> {
    if books::known(pass, owner).is_none() {
        return Ok(());
    }
    super::apply::until_uncontended(|| give_back(pass, owner)).await?;
    books::delete(pass, owner).await
}

async fn give_back(pass: &Pass<'_>, owner: &Identity) -> Result<(), Error> {
    let Some(own) = books::fetch(pass, owner).await? else {
        return Ok(());
    };
    let Some(parent) = own.book.parent() else { return Ok(()) };
    let Some(above) = books::fetch(pass, &parent).await? else {
        return Ok(());
    };
    let holder = books::tenant(owner);
    if !above.book.is_open || !above.book.reserved.contains_key(&holder) {
        return Ok(());
    }
    books::write(pass, owner, &own, own.book.without_amounts()).await?;
    let mut book = above.book.clone();
    book.release(&holder, &Amounts::new());
    books::write(pass, &parent, &above, book).await.map(|_| ())
}

#[cfg(test)]
#[path = "parent_test.rs"]
mod tests;
