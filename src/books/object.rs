//! The ConfigMap that a book is kept in.

use super::Book;
use crate::capability::{Pass, Platform};
use crate::cluster::{Desired, Error, Identity, Key, Kind, Live, metadata};
use crate::names;
use k8s_openapi::api::core::v1::ConfigMap;
use std::collections::BTreeMap;

/// The entry with the book.
const BOOK: &str = "book";

/// A book in one version.
#[derive(Clone, Debug)]
pub struct Record {
    pub book: Book,
    live: Live,
}

impl Record {
    /// The version of the ConfigMap.
    pub fn version(&self) -> &str {
        &self.live.resource_version
    }
}

/// The key of a tenant's book.
pub fn key(owner: &Identity, platform: &Platform) -> Key {
    Key {
        kind: Kind::ConfigMap,
        namespace: platform.namespace.clone(),
        name: names::claim(names::QUOTA_CLAIM, &owner.id),
    }
}

/// Returns true for a book.
pub fn is_book(live: &Live) -> bool {
    live.key.kind == Kind::ConfigMap && live.label(names::CLAIM) == Some(names::QUOTA_CLAIM)
}

fn desired(owner: &Identity, platform: &Platform, book: &Book) -> Desired {
    let mut meta = metadata::meta(owner, &platform.namespace, &key(owner, platform).name);
    let labels = meta.labels.get_or_insert_default();
    labels.insert(names::CLAIM.into(), names::QUOTA_CLAIM.into());
    let data = BTreeMap::from([
        ("tenant".to_string(), owner.tenant.clone()),
        // One entry, which each write changes: so the API server notes of the whole book who wrote it last.
        (BOOK.to_string(), book.text()),
    ]);
    let object = ConfigMap {
        metadata: meta.clone(),
        data: Some(data),
        ..ConfigMap::default()
    };
    metadata::desired(Kind::ConfigMap, &meta, &object)
}

fn read(live: Live) -> Record {
    let text = live.value.pointer("/data/book").and_then(|text| text.as_str());
    let book = text.and_then(Book::parse).unwrap_or_default();
    Record { book, live }
}

/// The book as the watch has shown it. It decides nothing.
pub fn known(pass: &Pass<'_>, owner: &Identity) -> Option<Record> {
    let live = pass.store.get(&owner.tenant, &key(owner, pass.platform));
    live.filter(|live| live.belongs_to(owner)).map(read)
}

/// Reads the book. One that others wrote is sealed: its content may be older than writes that are under way.
///
/// # Errors
/// The API server's; the error of an object that is not the tenant's.
pub async fn fetch(pass: &Pass<'_>, owner: &Identity) -> Result<Option<Record>, Error> {
    let key = key(owner, pass.platform);
    let Some((live, is_others)) = pass.writer.fetch_with_writer(&key, BOOK).await? else {
        return Ok(None);
    };
    if !live.belongs_to(owner) {
        return Err(pass.writer.foreign(owner, &live));
    }
    let mut record = read(live);
    record.book.is_open &= !is_others;
    Ok(Some(record))
}

/// Creates a sealed book, unless there is one.
///
/// # Errors
/// As [`crate::cluster::Writer::ensure_at`].
pub async fn create(pass: &Pass<'_>, owner: &Identity) -> Result<Record, Error> {
    let object = desired(owner, pass.platform, &Book::sealed());
    pass.writer.ensure_at(owner, &object, None).await?;
    // The answer to the write is in the store.
    known(pass, owner).ok_or(Error::Contended(object.key))
}

/// Writes a book in the version that was read.
///
/// # Errors
/// [`Error::Contended`] where it has another version; else the API server's.
pub async fn write(pass: &Pass<'_>, owner: &Identity, record: &Record, mut book: Book) -> Result<Record, Error> {
    book.writes = record.book.writes + 1;
    let object = desired(owner, pass.platform, &book);
    let live = pass.writer.replace_at(&object, &record.live).await?;
    Ok(Record { book, live })
}

/// Deletes the book of a deleted tenant.
///
/// # Errors
/// The API server's.
pub async fn delete(pass: &Pass<'_>, owner: &Identity) -> Result<(), Error> {
    match known(pass, owner) {
        Some(record) => pass.writer.delete(&record.live).await,
        None => Ok(()),
    }
}
