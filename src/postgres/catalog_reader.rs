//! Puts a catalog together from the rows of its query, each as it comes.

use super::catalog::{Catalog, Grant, Mark, Place, Role, Roles};
use super::text::Texts;
use serde::de::DeserializeOwned;
use std::fmt::Debug;
use std::sync::Arc;
use tokio_postgres::types::Json;
use tokio_postgres::{Error, Row};

/// A catalog of which rows are still to come.
pub(super) struct Reader<'a> {
    /// Roles of a former catalog: the new one shares those that are unchanged.
    known: &'a Roles,
    server: Option<Catalog>,
    parts: Catalog,
    texts: Texts,
}

impl<'a> Reader<'a> {
    pub(super) fn new(known: &'a Roles) -> Self {
        Self {
            known,
            server: None,
            parts: Catalog::default(),
            texts: known.keys().cloned().collect(),
        }
    }

    /// Takes in one row.
    ///
    /// # Errors
    /// The row is not understood.
    pub(super) fn add(&mut self, row: &Row) -> Result<(), Error> {
        let (kind, name): (&str, Option<&str>) = (row.try_get(0)?, row.try_get(1)?);
        let name = self.texts.of(name.unwrap_or_default());
        match kind {
            "server" => self.server = Some(fact(row)?),
            "role" => {
                let role = self.role(&name, fact(row)?);
                self.parts.roles.insert(name, role);
            }
            "schema" => {
                let place = self.place(fact(row)?);
                add_place(self.parts.schemas.entry(name).or_default(), place);
            }
            "database" => {
                let place = self.place(fact(row)?);
                add_place(self.parts.databases.entry(name).or_default(), place);
            }
            "schemaGrant" => {
                let grant = self.grant(fact(row)?);
                self.parts.schemas.entry(name).or_default().grants.push(grant);
            }
            "databaseGrant" => {
                let grant = self.grant(fact(row)?);
                self.parts.databases.entry(name).or_default().grants.push(grant);
            }
            "intent" => drop(self.parts.intents.insert(name, fact(row)?)),
            mark => {
                let kind = self.texts.of(mark.trim_start_matches("mark:"));
                let mut mark: Mark = fact(row)?;
                self.texts.share(&mut mark.tenant_id);
                self.parts.marks.insert((kind, name), mark);
            }
        }
        Ok(())
    }

    /// Returns the catalog after the last row; None if the row of the server itself is missing.
    pub(super) fn end(self) -> Option<Catalog> {
        let mut parts = self.parts;
        for place in parts.schemas.values_mut().chain(parts.databases.values_mut()) {
            place.grants.shrink_to_fit();
        }
        Some(Catalog {
            roles: parts.roles,
            schemas: parts.schemas,
            databases: parts.databases,
            marks: parts.marks,
            intents: parts.intents,
            ..self.server?
        })
    }

    fn role(&mut self, name: &str, mut role: Role) -> Arc<Role> {
        if let Some(known) = self.known.get(name)
            && **known == role
        {
            return known.clone();
        }
        let Role {
            settings,
            member_of,
            members,
            given,
            holdings,
            ..
        } = &mut role;
        let texts = &mut self.texts;
        for setting in &mut *settings {
            texts.share(&mut setting.setting);
            setting.database.iter_mut().for_each(|text| texts.share(text));
        }
        for member in member_of.iter_mut().chain(&mut *members) {
            texts.share(&mut member.role);
            member.grantor.iter_mut().for_each(|text| texts.share(text));
        }
        for given in &mut *given {
            texts.share(&mut given.kind);
            let others = given.schema.iter_mut().chain(&mut given.grantee);
            others.for_each(|text| texts.share(text));
        }
        for holding in &mut *holdings {
            texts.share(&mut holding.database);
        }
        settings.shrink_to_fit();
        member_of.shrink_to_fit();
        members.shrink_to_fit();
        given.shrink_to_fit();
        holdings.shrink_to_fit();
        Arc::new(role)
    }

    fn place(&mut self, mut place: Place) -> Place {
        self.texts.share(&mut place.owner);
        place
    }

    fn grant(&mut self, mut grant: Grant) -> Grant {
        self.texts.share(&mut grant.privilege);
        grant.grantee.iter_mut().for_each(|text| self.texts.share(text));
        grant
    }
}

/// The grants of a place have rows of their own, before or after it.
fn add_place(known: &mut Place, place: Place) {
    let grants = std::mem::take(&mut known.grants);
    *known = Place { grants, ..place };
}

fn fact<T: DeserializeOwned + Debug>(row: &Row) -> Result<T, Error> {
    row.try_get::<_, Json<T>>(2).map(|Json(fact)| fact)
}
