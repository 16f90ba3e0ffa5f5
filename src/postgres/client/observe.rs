//! Reads the catalog row by row: with thousands of tenants, its text as a whole would take more memory than all else.

use super::{Error, QUERY, Server};
use crate::postgres::catalog::{self, Catalog, Roles};
use crate::postgres::catalog_reader::Reader;
use crate::postgres::{Identifier, Names};
use futures::TryStreamExt;
use std::pin::pin;
use tokio::time::timeout;
use tokio_postgres::types::ToSql;

/// The present name of a schema or database, by its OID.
const NAME: &str = "SELECT coalesce(to_json(CASE $1::text \
     WHEN 'schema' THEN (SELECT n.nspname::text FROM pg_catalog.pg_namespace n WHERE n.oid::int8 = $2) \
     WHEN 'database' THEN (SELECT d.datname::text FROM pg_catalog.pg_database d WHERE d.oid::int8 = $2) END), 'null'::json)";

impl Server {
    /// Returns the present name of a schema or database; None where it does not exist any more.
    ///
    /// # Errors
    /// As [`Error`] says.
    pub async fn name_of(&self, kind: &str, oid: i64) -> Result<Option<String>, Error> {
        self.query(NAME, &[&kind, &oid]).await
    }

    /// Returns the catalog of all tenants, or of one.
    ///
    /// # Errors
    /// As [`Error`] says.
    pub async fn observe(&self, names: Option<&Names>) -> Result<Catalog, Error> {
        self.read(names, &Roles::new()).await
    }

    /// Returns the catalog of all tenants. It shares with a former one the roles that are unchanged.
    ///
    /// # Errors
    /// As [`Error`] says.
    pub async fn observe_all(&self, known: &Roles) -> Result<Catalog, Error> {
        self.read(None, known).await
    }

    async fn read(&self, names: Option<&Names>, known: &Roles) -> Result<Catalog, Error> {
        let wanted: Option<Vec<&str>> = names.map(|names| names.roles().map(Identifier::as_str).to_vec());
        let argument: &(dyn ToSql + Sync) = &wanted;
        let work = async {
            let connection = self.connection().await?;
            self.count(1);
            let refused = |error: tokio_postgres::Error| Error::of("the query of the catalog", &error);
            let statement = connection.prepare_cached(catalog::QUERY).await.map_err(refused)?;
            let mut rows = pin!(connection.query_raw(&statement, [argument]).await.map_err(refused)?);
            let mut reader = Reader::new(known);
            while let Some(row) = rows.try_next().await.map_err(refused)? {
                reader.add(&row).map_err(refused)?;
            }
            connection.recycle();
            reader
                .end()
                .ok_or_else(|| Error::Unreachable("its catalog lacks the row of the server".into()))
        };
        timeout(QUERY, work).await.map_err(|_| Error::Timeout)?
    }
}
