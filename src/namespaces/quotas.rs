//! The planned quotas of a tenant, and what each namespace may have of them now.

use super::apply::{until_uncontended, wait_for_quota};
use super::grants::{Grants, Holder, Holding, Quota, Shortfall};
use super::parent::Above;
use super::{quota, shares};
use crate::books::{self, Book};
use crate::capability::{Amounts, Failure, Pass, TenantCore};
use crate::cluster::{Desired, Error, Key, Live, Store};
use crate::names;
use crate::quantity::Amount;
use futures::{FutureExt, StreamExt, stream};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, ListParams};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// Quotas of one tenant that are read at once.
const READS_AT_ONCE: usize = 6;

/// The planned quotas of a tenant.
pub struct Quotas<'a> {
    pub tenant: &'a TenantCore,
    pub quotas: &'a [Desired],
    /// The namespaces in which no quota is written.
    pub closed: &'a BTreeSet<String>,
}

/// The quotas of a tenant as the API server itself has them.
pub struct Looks {
    /// By namespace.
    pub quotas: BTreeMap<String, Live>,
    /// The namespaces with more pods than the quota controller has counted.
    miscounted: BTreeSet<String>,
}

/// The quotas and the book of a tenant as they are known.
pub struct Known {
    holdings: Vec<Holding>,
    /// None: the tenant has no book.
    book: Option<Book>,
    /// True where the tenant needs no book.
    is_alone: bool,
}

impl Known {
    /// The book, where its holders are counted.
    pub fn open_book(&self) -> Option<&Book> {
        self.book.as_ref().filter(|book| book.is_open)
    }

    /// Returns true where the tenant has a book that is still to be counted.
    pub fn is_sealed(&self) -> bool {
        !self.is_alone && self.open_book().is_none()
    }
}

impl<'a> Quotas<'a> {
    pub fn new(tenant: &'a TenantCore, quotas: &'a [Desired], closed: &'a BTreeSet<String>) -> Self {
        Self { tenant, quotas, closed }
    }

    /// Writes what each namespace may have now.
    pub async fn grant(&self, pass: &Pass<'_>) -> Result<Vec<Failure>, Error> {
        // The use of a quota moves with every pod, and a grant holds for what was known alone.
        until_uncontended(|| self.write(pass)).await
    }

    async fn write(&self, pass: &Pass<'_>) -> Result<Vec<Failure>, Error> {
        let known = self.known(pass.store, None);
        match self.is_alone(&known) {
            // One that nothing tells of a book has none, in this version.
            true => {
                pass.apply_as_known(&self.tenant.owner, &self.granted(&known, None))
                    .await
            }
            false => self.write_by_book(pass).await,
        }
    }

    /// Returns true where the tenant has one namespace, no family, and never had another holder of its quota.
    fn is_alone(&self, holdings: &[Holding]) -> bool {
        let family = &self.tenant.family;
        let has_family = family.parent().is_some() || !family.children.is_empty();
        holdings.len() <= 1 && !has_family && !holdings.iter().any(|holding| holding.stamp.is_some())
    }

    /// The quotas and the book as they are known.
    pub fn observe(&self, pass: &Pass<'_>) -> Known {
        let holdings = self.known(pass.store, None);
        Known {
            is_alone: self.is_alone(&holdings),
            book: books::known(pass, &self.tenant.owner).map(|record| record.book),
            holdings,
        }
    }

    /// The shortfalls as they are known.
    pub fn shortfalls(&self, pass: &Pass<'_>, known: &Known) -> Vec<Shortfall> {
        let book = (!known.is_alone).then(|| known.book.clone().unwrap_or_default());
        let mut holdings = known.holdings.clone();
        if let Some(book) = &book {
            holdings.iter_mut().for_each(|holding| holding.enter(book));
        }
        let mut shortfalls = self.grants(&holdings, book.as_ref()).shortfalls();
        for shortfall in shortfalls.iter_mut().filter(|shortfall| !shortfall.waiting.is_empty()) {
            let slow = book.as_ref().map(|book| self.slow_subtenants(book, &shortfall.key));
            shortfall.holders.extend(slow.into_iter().flatten());
        }
        if let Some((above, book)) = Above::known(pass, self.tenant).zip(book.as_ref()) {
            let asked = self.divided();
            for shortfall in &mut shortfalls {
                let asked = asked.get(&shortfall.key);
                shortfall.withheld = asked.and_then(|asked| above.withheld(book, &shortfall.key, *asked));
            }
        }
        shortfalls
    }

    /// The keys of which the subtenants leave namespaces nothing, and these namespaces.
    pub fn squeezed(&self) -> Vec<(String, Vec<String>)> {
        let lent = shares::lent(&self.tenant.family.children);
        let is_lent = |key: &str| lent.get(key).is_some_and(|lent| *lent > Amount::ZERO);
        let is_closed = |key: &str| self.tenant.suspend && quota::ends_in_suspension(key);
        let total = self.divided();
        let keys = total
            .into_iter()
            .filter(|(key, total)| *total > Amount::ZERO && is_lent(key) && !is_closed(key));
        let squeezed = keys.map(|(key, _)| {
            let has_none = |desired: &&Desired| amounts(&desired.value, "/spec/hard").get(&key) == Some(&Amount::ZERO);
            let namespaces = self
                .quotas
                .iter()
                .filter(has_none)
                .map(|desired| desired.key.namespace.clone());
            let namespaces: Vec<String> = namespaces.collect();
            (key, namespaces)
        });
        squeezed.filter(|(_, namespaces)| !namespaces.is_empty()).collect()
    }

    /// The subtenants that hold more of a key than they ask for.
    fn slow_subtenants(&self, book: &Book, key: &str) -> Vec<Holder> {
        let subtenants = book.reserved.iter().filter_map(|(holder, amounts)| {
            let subtenant = books::child(holder)?;
            let mut children = self.tenant.family.children.iter();
            let child = children.find(|child| child.owner.id == subtenant.id && child.may_grow);
            let asked = child.and_then(|child| Amount::parse(&child.asked.get(key)?.0).ok());
            let (reserved, asked) = (*amounts.get(key)?, asked.unwrap_or(Amount::ZERO));
            let holder = books::title(holder);
            (reserved > asked).then_some(Holder::Subtenant {
                holder,
                reserved,
                asked,
            })
        });
        subtenants.collect()
    }

    /// The namespaces with their quotas as the store has them.
    pub fn known(&self, store: &Store, book: Option<&Book>) -> Vec<Holding> {
        let quota = |namespace: &str| store.get(&self.tenant.owner.tenant, &quota::key(namespace));
        self.holdings(store, book, &quota, &BTreeSet::new())
    }

    /// The namespaces with their quotas as the API server has them.
    pub fn seen(&self, store: &Store, book: &Book, looks: &Looks) -> Vec<Holding> {
        let quota = |namespace: &str| looks.quotas.get(namespace).cloned();
        self.holdings(store, Some(book), &quota, &looks.miscounted)
    }

    /// The namespaces with these quotas, those of the plan first and in its order. A retained namespace does not count.
    fn holdings(
        &self,
        store: &Store,
        book: Option<&Book>,
        live: &dyn Fn(&str) -> Option<Live>,
        miscounted: &BTreeSet<String>,
    ) -> Vec<Holding> {
        let holding = |namespace: String, share: Option<Amounts>| {
            let live = live(&namespace);
            Holding {
                share,
                is_miscounted: miscounted.contains(&namespace),
                booked: book.map(|book| book.of_namespace(&namespace)),
                stamp: live
                    .as_ref()
                    .and_then(|live| live.annotation(names::QUOTA_BOOK))
                    .map(String::from),
                quota: live.as_ref().map(read),
                namespace,
            }
        };
        let planned = self.quotas.iter().map(|desired| {
            let share = amounts(&desired.value, "/spec/hard");
            holding(desired.key.namespace.clone(), Some(share))
        });
        let left = self.left(store).into_iter().map(|namespace| holding(namespace, None));
        planned.chain(left).collect()
    }

    /// The namespaces that the tenant leaves.
    fn left(&self, store: &Store) -> Vec<String> {
        let owner = &self.tenant.owner;
        let is_left = |name: &String| {
            let is_planned = self.quotas.iter().any(|desired| desired.key.namespace == *name);
            let live = store.get(&owner.tenant, &Key::namespace(name.clone()));
            let is_held = |live: &Live| live.belongs_to(owner) && live.label(names::RETAINED).is_none();
            !is_planned && live.as_ref().is_some_and(is_held)
        };
        let mut left = store.namespaces_of(&owner.tenant);
        left.retain(is_left);
        left
    }

    pub fn grants<'b>(&'b self, holdings: &'b [Holding], book: Option<&Book>) -> Grants<'b> {
        let is_other = |holder: &String| {
            let own = |holding: &Holding| books::namespace(&holding.namespace) == *holder;
            !holdings.iter().any(own)
        };
        let mut lent = Amounts::new();
        let reserved = book.into_iter().flat_map(|book| &book.reserved);
        for (key, amount) in reserved.filter(|(holder, _)| is_other(holder)).flat_map(|(_, own)| own) {
            let sum = lent.entry(key.clone()).or_insert(Amount::ZERO);
            *sum = sum.plus(*amount);
        }
        let mut total = self.total();
        total.extend(book.into_iter().flat_map(|book| book.granted.clone()));
        Grants {
            total,
            undivided: &self.tenant.undivided,
            holdings,
            lent,
        }
    }

    fn total(&self) -> Amounts {
        let total = self.tenant.quota.iter();
        total
            .filter_map(|(key, quantity)| Some((key.clone(), Amount::parse(&quantity.0).ok()?)))
            .collect()
    }

    /// The tenant's quota without the keys of which each namespace has its bound by itself.
    pub fn divided(&self) -> Amounts {
        self.of_book(self.total())
    }

    /// These amounts without the keys of which each namespace has its bound by itself.
    pub fn of_book(&self, mut amounts: Amounts) -> Amounts {
        amounts.retain(|key, _| !self.tenant.undivided.contains(key));
        amounts
    }

    /// The quotas as they may be written now.
    pub fn granted(&self, holdings: &[Holding], book: Option<&Book>) -> Vec<Desired> {
        let amounts = self.grants(holdings, book).amounts();
        let granted = self.quotas.iter().zip(&amounts);
        let granted = granted.map(|(quota, amounts)| with_hard(quota, amounts)).collect();
        super::open(granted, self.closed).collect()
    }

    /// Reads the quotas of these namespaces anew.
    pub async fn look(&self, pass: &Pass<'_>, holdings: &[Holding]) -> Result<Looks, Error> {
        let is_open = |holding: &&Holding| !self.closed.contains(&holding.namespace);
        let open = holdings.iter().filter(is_open);
        let looks: Vec<_> = open.map(|holding| look(pass, holding).boxed()).collect();
        let looks: Vec<Result<_, Error>> = stream::iter(looks).buffer_unordered(READS_AT_ONCE).collect().await;
        let (mut quotas, mut miscounted) = (BTreeMap::new(), BTreeSet::new());
        for look in looks {
            let Some((live, is_miscounted)) = look? else { continue };
            let namespace = live.key.namespace.clone();
            miscounted.extend(is_miscounted.then(|| namespace.clone()));
            quotas.insert(namespace, live);
        }
        // Nothing is read in a closed namespace.
        for closed in self.closed {
            let known = pass.store.get(&self.tenant.owner.tenant, &quota::key(closed));
            quotas.extend(known.map(|live| (closed.clone(), live)));
        }
        Ok(Looks { quotas, miscounted })
    }

    /// Waits until these quotas are enforced, but not for long.
    pub async fn settle(&self, pass: &Pass<'_>, quotas: &[Desired]) {
        wait_for_quota(pass.store, &self.tenant.owner, quotas).await;
    }
}

/// Reads a namespace's quota anew. Returns it, and true where it has more pods than the quota controller counted: the controller counts anew when a quota
/// changes, and may not know the pods yet that were admitted just before.
async fn look(pass: &Pass<'_>, holding: &Holding) -> Result<Option<(Live, bool)>, Error> {
    let namespace = holding.namespace.as_str();
    let is_open = holding.share.is_some() && holding.quota.is_some();
    // Admission counts a pod before it exists, so these were counted before the quota is read.
    let pods = match is_open {
        true => pods(pass, namespace).await?,
        false => 0,
    };
    let Some(live) = pass.writer.fetch(&quota::key(namespace)).await? else {
        return Ok(None);
    };
    let counted = live.value.pointer("/status/used/count~1pods").and_then(amount);
    let is_miscounted = counted.is_some_and(|counted| counted < Amount::whole(pods));
    Ok(Some((live, is_miscounted)))
}

/// The number of pods in a namespace, finished ones too.
async fn pods(pass: &Pass<'_>, namespace: &str) -> Result<i64, Error> {
    let api: Api<Pod> = Api::namespaced(pass.writer.client().clone(), namespace);
    let all = ListParams::default();
    let pods = pass.writer.with_new_rights(|| api.list_metadata(&all)).await?;
    Ok(i64::try_from(pods.items.len()).unwrap_or(i64::MAX))
}

fn read(live: &Live) -> Quota {
    Quota {
        hard: amounts(&live.value, "/spec/hard"),
        enforced: amounts(&live.value, "/status/hard"),
        used: amounts(&live.value, "/status/used"),
    }
}

/// The quota with these amounts. Where they are as planned, the text is the plan's.
pub fn with_hard(quota: &Desired, amounts: &Amounts) -> Desired {
    let mut quota = quota.clone();
    let hard = quota.value.pointer_mut("/spec/hard").and_then(Value::as_object_mut);
    for (key, value) in hard.into_iter().flatten() {
        if let Some(granted) = amounts
            .get(key)
            .filter(|granted| amount(value).as_ref() != Some(*granted))
        {
            *value = json!(granted.to_string());
        }
    }
    quota
}

fn amount(value: &Value) -> Option<Amount> {
    match value {
        Value::String(text) => Amount::parse(text).ok(),
        other => Amount::parse(&other.to_string()).ok(),
    }
}

/// The amounts of a list in an object.
pub fn amounts(value: &Value, pointer: &str) -> Amounts {
    let entries = value.pointer(pointer).and_then(Value::as_object).into_iter().flatten();
    entries
        .filter_map(|(key, value)| Some((key.clone(), amount(value)?)))
        .collect()
}
