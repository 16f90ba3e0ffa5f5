//! The statements for a new tenant as they would be sent, with nothing of the tenant there yet.

use super::Identifier;
use super::catalog::{Admin, Catalog, Intent, Mark, Place as Found};
use super::plan::{self, Conflict, Place, Step, Wanted};
use super::text::Text;
use super::version::PG_16;

/// Placeholder for the random part of a new database's name.
const NONCE: &str = "<random>";

/// A server of version 16 with nothing on it, whose admin has CREATEROLE and CREATEDB.
pub fn empty(database: &Identifier) -> Catalog {
    let mut catalog = Catalog {
        version: PG_16,
        database: database.as_str().into(),
        admin: Admin {
            name: "tenant_operator".into(),
            create_role: true,
            create_database: true,
            ..Admin::default()
        },
        ..Catalog::default()
    };
    catalog.databases.insert(database.as_str().into(), Found::default());
    catalog
}

/// Every statement in its order. A database of its own comes in three rounds, each on what the one before left.
///
/// # Errors
/// Never on [`empty`].
pub fn statements(wanted: &Wanted, mut catalog: Catalog) -> Result<Vec<Step>, Conflict> {
    let mut steps = plan::plan(wanted, &catalog)?;
    if wanted.place != Place::Database {
        return Ok(steps);
    }
    let name = Text::from(wanted.names.place.as_str());
    let intent = Intent {
        nonce: NONCE.into(),
        tenant_id: wanted.tenant_id.clone(),
    };
    catalog.intents.insert(name.clone(), intent);
    for found in [format!("new_{NONCE}").into(), name.clone()] {
        add_new(&mut steps, plan::plan(wanted, &catalog)?);
        catalog.databases.insert(found, Found::default());
    }
    catalog.intents.clear();
    let mark = Mark {
        oid: 0,
        tenant_id: wanted.tenant_id.as_str().into(),
        revision: None,
    };
    catalog.marks.insert(("database".into(), name.clone()), mark);
    if let Some(database) = catalog.databases.get_mut(&name) {
        database.open = true;
    }
    add_new(&mut steps, plan::plan(wanted, &catalog)?);
    Ok(steps)
}

fn add_new(steps: &mut Vec<Step>, more: Vec<Step>) {
    for step in more {
        if !steps.contains(&step) {
            steps.push(step);
        }
    }
}
