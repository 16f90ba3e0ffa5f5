//! Writes the quotas of a tenant by its book: no quota grows before the book has reserved it.

use super::grants::Holding;
use super::parent::{self, Above};
use super::quota;
use super::quotas::{Looks, Quotas, amounts, with_hard};
use crate::books::{self, Book, Record};
use crate::capability::family::Child;
use crate::capability::{Amounts, Failure, Pass};
use crate::cluster::{Desired, Error, Identity, Live};
use crate::names;
use crate::quantity::Amount;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// A decision on a book and the holdings that were seen.
struct Decision {
    book: Book,
    /// In the order of the holdings.
    amounts: Vec<Amounts>,
    /// True where some namespace grows: then the book is written even if nothing changes in it.
    grows: bool,
}

/// The holders of a book as they were seen after the book was read.
struct Seen {
    holdings: Vec<Holding>,
    /// Holders that no write under way can raise, and that hold nothing.
    gone: Vec<String>,
    /// The subtenants, where they are to be counted. None: that cannot be done yet.
    children: Option<Vec<(String, Amounts)>>,
}

impl Quotas<'_> {
    /// Brings the quotas nearer to their shares.
    ///
    /// # Errors
    /// [`Error::Contended`] where others wrote the book or a quota meanwhile; else the API server's.
    pub async fn write_by_book(&self, pass: &Pass<'_>) -> Result<Vec<Failure>, Error> {
        let owner = &self.tenant.owner;
        if let Some(record) = books::known(pass, owner).filter(|record| self.is_settled(pass, record)) {
            let known = self.known(pass.store, Some(&record.book));
            return pass
                .apply_as_known(owner, &self.granted(&known, Some(&record.book)))
                .await;
        }
        let above = Above::fetch(pass, self.tenant).await?;
        let record = self.read(pass).await?;
        self.give_up(pass, &record).await?;
        let known = self.known(pass.store, Some(&record.book));
        let looks = self.look(pass, &known).await?;
        let seen = Seen {
            holdings: self.seen(pass.store, &record.book, &looks),
            gone: self.gone(pass, &record, &known).await?,
            children: match record.book.is_open {
                true => Some(Vec::new()),
                false => parent::count_children(pass, &self.tenant.family).await?,
            },
        };
        let decision = self.decide(&record, &seen, above.as_ref());
        self.write_books(pass, &record, &decision, above).await?;
        self.take(pass, &decision.amounts, looks).await
    }

    /// Reads the book, or creates it.
    async fn read(&self, pass: &Pass<'_>) -> Result<Record, Error> {
        let owner = &self.tenant.owner;
        if let Some(record) = books::fetch(pass, owner).await? {
            return Ok(record);
        }
        books::create(pass, owner).await
    }

    /// Writes the book. Where the tenant has a parent, its book reserves before, and releases after that.
    async fn write_books(
        &self,
        pass: &Pass<'_>,
        record: &Record,
        Decision { book, grows, .. }: &Decision,
        above: Option<Above>,
    ) -> Result<(), Error> {
        let mut above = above.filter(|_| book.is_open);
        let is_more = |(key, amount): (&String, &Amount)| record.book.granted.get(key).is_none_or(|had| amount > had);
        let is_raised = book.granted.iter().any(is_more);
        let gives_back = above.as_ref().is_some_and(|above| above.exceeds(book));
        if let Some(above) = above.as_mut().filter(|above| is_raised || above.lacks(book)) {
            above.reserve(pass, book).await?;
        }
        if *grows || *book != record.book || gives_back {
            books::write(pass, &self.tenant.owner, record, book.clone()).await?;
        }
        match above.filter(|_| gives_back) {
            Some(above) => above.release(pass, book).await,
            None => Ok(()),
        }
    }

    /// Returns true where nothing is to be written, as far as is known.
    fn is_settled(&self, pass: &Pass<'_>, record: &Record) -> bool {
        let known = self.known(pass.store, Some(&record.book));
        let is_as_planned = |holding: &Holding| {
            let is_closed = self.closed.contains(&holding.namespace);
            is_closed || (holding.quota.is_some() && self.given_up(record, holding).is_none())
        };
        let has_gone = record
            .book
            .reserved
            .keys()
            .any(|holder| !self.is_present(holder, &known));
        if !record.book.is_open || has_gone || !known.iter().all(is_as_planned) {
            return false;
        }
        let above = Above::known(pass, self.tenant);
        let seen = Seen {
            holdings: known,
            gone: Vec::new(),
            children: None,
        };
        let decision = self.decide(record, &seen, above.as_ref());
        let differs = |above: &Above| above.lacks(&decision.book) || above.exceeds(&decision.book);
        !decision.grows && decision.book == record.book && !above.is_some_and(|above| differs(&above))
    }

    /// Returns true for a holder that the tenant has.
    fn is_present(&self, holder: &str, known: &[Holding]) -> bool {
        let mut children = self.tenant.family.children.iter();
        let is_child = |child: &Child| books::tenant(&child.owner) == holder;
        let is_own = |holding: &Holding| books::namespace(&holding.namespace) == holder;
        known.iter().any(is_own) || children.any(is_child)
    }

    /// Creates missing quotas with nothing, lowers those above their shares, and writes those of which the book can release something or is to count: after
    /// that, no write succeeds that was decided on before the book was read.
    async fn give_up(&self, pass: &Pass<'_>, record: &Record) -> Result<(), Error> {
        let owner = &self.tenant.owner;
        let known = self.known(pass.store, Some(&record.book));
        let planned = |namespace: &str| self.quotas.iter().find(|desired| desired.key.namespace == namespace);
        let is_missing = |holding: &&Holding| holding.quota.is_none();
        let missing = known.iter().filter(is_missing);
        let created = missing.filter_map(|holding| Some(self.empty(planned(&holding.namespace)?)));
        let created = created.map(|quota| stamped(quota, record.version()));
        let given_up = known.iter().filter_map(|holding| {
            let amounts = self.given_up(record, holding)?;
            let quota = match planned(&holding.namespace) {
                Some(quota) => with_hard(quota, &amounts),
                None => as_it_is(&pass.store.get(&owner.tenant, &quota::key(&holding.namespace))?),
            };
            Some(stamped(quota, record.version()))
        });
        let all: Vec<Desired> = super::open(given_up.chain(created).collect(), self.closed).collect();
        // One that fails stays as it is, and fails again below.
        pass.apply_as_known(owner, &all).await?;
        self.settle(pass, &all).await;
        Ok(())
    }

    /// The amounts with which a quota is to be written before the book is. None: it can stay as it is.
    fn given_up(&self, record: &Record, holding: &Holding) -> Option<Amounts> {
        let quota = holding.quota.as_ref()?;
        let lowered = holding.lowered(&self.tenant.undivided);
        let is_stamped = holding.stamp.as_deref() == Some(record.version());
        let releases = || {
            let held = holding.held(record.book.granted.keys().cloned());
            let wanted = |key: &String| holding.share.as_ref().and_then(|share| share.get(key)).copied();
            let kept = |key: &String, held: &Amount| wanted(key).map_or(*held, |wanted| wanted.max(*held));
            held.is_some_and(|held| held.iter().any(|(key, held)| kept(key, held) < holding.booked(key)))
        };
        let is_to_be_written = !is_stamped && (!record.book.is_open || releases());
        match lowered {
            Some(lowered) => Some(lowered),
            None => is_to_be_written.then(|| quota.hard.clone()),
        }
    }

    /// A quota with nothing of what the book divides.
    fn empty(&self, quota: &Desired) -> Desired {
        let mut nothing = self.of_book(amounts(&quota.value, "/spec/hard"));
        nothing.values_mut().for_each(|amount| *amount = Amount::ZERO);
        with_hard(quota, &nothing)
    }

    /// The holders of the book that the tenant has no more, and that no write under way can raise.
    async fn gone(&self, pass: &Pass<'_>, record: &Record, known: &[Holding]) -> Result<Vec<String>, Error> {
        let mut gone = Vec::new();
        let holders = record.book.reserved.keys();
        for holder in holders.filter(|holder| !self.is_present(holder, known)) {
            let is_gone = match (holder.strip_prefix(books::NAMESPACES), books::child(holder)) {
                (Some(namespace), _) => self.close(pass, record, namespace).await?,
                // Its deletion gives back what it has, and deletes its book.
                (None, Some(child)) => books::fetch(pass, &child).await?.is_none(),
                (None, None) => true,
            };
            gone.extend(is_gone.then(|| holder.clone()));
        }
        Ok(gone)
    }

    /// Writes the quota of a namespace that does not count any more, so that no write under way raises it.
    async fn close(&self, pass: &Pass<'_>, record: &Record, namespace: &str) -> Result<bool, Error> {
        let owner = &self.tenant.owner;
        let live = pass.writer.fetch(&quota::key(namespace)).await?;
        let is_open = |live: &Live| live.annotation(names::QUOTA_BOOK) != Some(record.version());
        if let Some(live) = live.filter(|live| live.belongs_to(owner)).filter(is_open) {
            let quota = stamped(as_it_is(&live), record.version());
            pass.writer.ensure_at(owner, &quota, Some(live)).await?;
        }
        Ok(true)
    }

    /// Decides what the book reserves, and what each namespace may have. Pure.
    fn decide(&self, record: &Record, seen: &Seen, above: Option<&Above>) -> Decision {
        let mut book = record.book.clone();
        if book.is_open {
            self.release(record, seen, &mut book);
        } else if let Some(held) = self.count(record, seen) {
            book.open(held);
        }
        if book.is_open {
            let asked = self.divided();
            let granted = above.map_or(asked.clone(), |above| above.grantable(&book, &asked));
            book.follow(&granted);
            book.parent = self.tenant.family.parent().map(Identity::annotation);
        }
        self.reserve(book, &seen.holdings)
    }

    /// The amounts of a namespace that was written after the book was read. None: something is still to be counted.
    fn counted(&self, record: &Record, holding: &Holding) -> Option<Amounts> {
        let mut keys = record.book.keys();
        keys.extend(self.divided().into_keys());
        let is_stamped = holding.quota.is_none() || holding.stamp.as_deref() == Some(record.version());
        holding.held(keys.into_iter()).filter(|_| is_stamped)
    }

    /// What all holders hold. None: until each is counted, none grows.
    fn count(&self, record: &Record, seen: &Seen) -> Option<BTreeMap<String, Amounts>> {
        let own = seen.holdings.iter().map(|holding| {
            let counted = self.counted(record, holding)?;
            Some((books::namespace(&holding.namespace), counted))
        });
        let children = seen.children.clone()?.into_iter().map(Some);
        own.chain(children).collect()
    }

    /// Releases what no holder holds any more.
    fn release(&self, record: &Record, seen: &Seen, book: &mut Book) {
        for holding in seen.holdings.iter().filter(|holding| holding.quota.is_some()) {
            let holder = books::namespace(&holding.namespace);
            book.reserve(&holder, &self.observed(holding));
            if let Some(held) = self.counted(record, holding) {
                book.release(&holder, &held);
            }
        }
        seen.gone
            .iter()
            .for_each(|holder| book.release(holder, &Amounts::new()));
    }

    /// Reserves what each namespace may have.
    fn reserve(&self, mut book: Book, seen: &[Holding]) -> Decision {
        let mut seen = seen.to_vec();
        for holding in &mut seen {
            holding.enter(&book);
        }
        let amounts = self.grants(&seen, Some(&book)).amounts();
        let is_open = book.is_open;
        let is_written =
            |holding: &Holding| is_open && holding.quota.is_some() && !self.closed.contains(&holding.namespace);
        let mut grows = false;
        for (holding, amounts) in seen.iter().zip(&amounts).filter(|(holding, _)| is_written(holding)) {
            let divided = self.of_book(amounts.clone());
            grows |= holding.is_less_than(&divided);
            book.reserve(&books::namespace(&holding.namespace), &divided);
        }
        Decision { book, amounts, grows }
    }

    /// The amounts of a quota that the namespace holds at most, counted or not.
    fn observed(&self, holding: &Holding) -> Amounts {
        let quota = holding.quota.iter();
        let mut observed = Amounts::new();
        for (key, amount) in quota
            .flat_map(|quota| [&quota.hard, &quota.enforced, &quota.used])
            .flatten()
        {
            let most = observed.entry(key.clone()).or_insert(*amount);
            *most = (*most).max(*amount);
        }
        self.of_book(observed)
    }

    /// Writes the quotas with these amounts, in the versions that were seen before the book was written.
    async fn take(&self, pass: &Pass<'_>, amounts: &[Amounts], mut looks: Looks) -> Result<Vec<Failure>, Error> {
        let granted = self.quotas.iter().zip(amounts);
        let writes = granted.filter(|(quota, _)| !self.closed.contains(&quota.key.namespace));
        let writes = writes.map(|(quota, amounts)| {
            let live = looks.quotas.remove(&quota.key.namespace);
            let granted = live.as_ref().map(|_| with_hard(quota, amounts));
            (granted.unwrap_or_else(|| self.empty(quota)), live)
        });
        pass.apply_at(&self.tenant.owner, writes.collect()).await
    }
}

/// The quota as it is.
fn as_it_is(live: &Live) -> Desired {
    let mut value = live.value.clone();
    if let Some(object) = value.as_object_mut() {
        object.remove("status");
    }
    live.with(value)
}

/// The quota with the version of the book that was read before.
fn stamped(mut quota: Desired, version: &str) -> Desired {
    if let Some(Value::Object(metadata)) = quota.value.get_mut("metadata")
        && let Some(annotations) = metadata
            .entry("annotations")
            .or_insert_with(|| json!({}))
            .as_object_mut()
    {
        annotations.insert(names::QUOTA_BOOK.into(), json!(version));
    }
    quota
}
