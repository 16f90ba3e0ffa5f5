//! The choice of a server for a new tenant, and the tenant's objects there. Pure; a placed tenant keeps its server.

use crate::api::DatabaseModel;
use crate::api::database_server::SharedTables;
use crate::conditions::are;
use crate::postgres::Identifier;
use crate::postgres::identifier::InvalidIdentifier;
use crate::postgres::plan::Place;
use crate::postgres::shared;
use kube::core::{Selector, SelectorExt};
use std::collections::BTreeMap;

/// Label of a DatabaseServer: `true` reserves it for single tenants of the Server model.
pub const DEDICATED: &str = "tenant-operator.io/dedicated";

/// Properties of a server for the placement.
#[derive(Clone, Debug, Default)]
pub struct Candidate {
    pub name: String,
    pub labels: BTreeMap<String, String>,
    /// Reason why it takes no tenants now.
    pub refuses: Option<String>,
    /// Tenants placed on it.
    pub tenants: usize,
    pub max_tenants: Option<usize>,
    /// Bytes on it, and the maximum.
    pub bytes: i64,
    pub max_bytes: Option<i64>,
    /// True if it belongs to one tenant of the Server model.
    pub is_taken: bool,
    /// True if it has tables that tenants share.
    pub has_shared_tables: bool,
}

impl Candidate {
    /// Returns its load between 0 and 1; a server without a bound counts as emptier than any other.
    fn fullness(&self) -> f64 {
        let part = |amount: f64, most: Option<f64>| most.map_or(0.0, |most| amount / most.max(1.0));
        let tenants = part(self.tenants as f64, self.max_tenants.map(|most| most as f64));
        tenants.max(part(self.bytes as f64, self.max_bytes.map(|most| most as f64)))
    }

    fn objection(&self, model: DatabaseModel, selector: &Selector) -> Option<String> {
        let dedicated = self.labels.get(DEDICATED).is_some_and(|value| value == "true");
        if !selector.matches(&self.labels) {
            Some("its labels do not match the tier's selector".into())
        } else if dedicated != (model == DatabaseModel::Server) {
            Some(match dedicated {
                true => "it is dedicated to one tenant of the Server model".into(),
                false => format!("it lacks the label {DEDICATED}=true"),
            })
        } else if model == DatabaseModel::SharedTable && !self.has_shared_tables {
            Some("it has no shared tables".into())
        } else if self.is_taken || (model == DatabaseModel::Server && self.tenants > 0) {
            Some("it already has its tenant".into())
        } else if self.max_tenants.is_some_and(|most| self.tenants >= most) {
            Some(format!("it is full: {} on it", are(self.tenants, "tenant")))
        } else if self.max_bytes.is_some_and(|most| self.bytes >= most) {
            Some("its storage is used up".into())
        } else {
            self.refuses.clone()
        }
    }
}

/// Returns the least loaded suitable server; of equals the one with fewer tenants, then by name.
///
/// # Errors
/// Each server's reason, where no server is suitable.
pub fn choose(candidates: &[Candidate], model: DatabaseModel, selector: &Selector) -> Result<String, String> {
    let objections: Vec<(&Candidate, Option<String>)> = candidates
        .iter()
        .map(|candidate| (candidate, candidate.objection(model, selector)))
        .collect();
    let fitting = objections.iter().filter(|(_, objection)| objection.is_none());
    let best = fitting.map(|(candidate, _)| candidate).min_by(|a, b| {
        a.fullness()
            .total_cmp(&b.fullness())
            .then(a.tenants.cmp(&b.tenants))
            .then(a.name.cmp(&b.name))
    });
    match best {
        Some(best) => Ok(best.name.clone()),
        None if candidates.is_empty() => Err("there is no DatabaseServer".into()),
        None => {
            let said: Vec<String> = objections
                .into_iter()
                .filter_map(|(candidate, objection)| Some(format!("{}: {}", candidate.name, objection?)))
                .collect();
            Err(format!("no DatabaseServer fits ({})", said.join("; ")))
        }
    }
}

/// Returns the place of a tenant of this model on a server with these shared tables.
///
/// # Errors
/// A table's name is not valid in PostgreSQL.
pub fn place(
    model: DatabaseModel,
    tables: &[SharedTables],
    group: impl FnOnce() -> Identifier,
) -> Result<Place, InvalidIdentifier> {
    Ok(match model {
        DatabaseModel::Schema => Place::Schema,
        DatabaseModel::Database | DatabaseModel::Server => Place::Database,
        DatabaseModel::SharedTable => Place::Shared(shared::wanted(tables, group())?),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;

    fn server(name: &str, tenants: usize, max: Option<usize>) -> Candidate {
        Candidate {
            name: name.into(),
            labels: BTreeMap::from([("region".into(), "eu".into())]),
            tenants,
            max_tenants: max,
            ..Candidate::default()
        }
    }

    fn any() -> Selector {
        Selector::default()
    }

    fn region(region: &str) -> Selector {
        let labels = BTreeMap::from([("region".to_string(), region.to_string())]);
        let selector = LabelSelector {
            match_labels: Some(labels),
            match_expressions: None,
        };
        Selector::try_from(selector).expect("valid")
    }

    fn schema(candidates: &[Candidate], selector: &Selector) -> Result<String, String> {
        choose(candidates, DatabaseModel::Schema, selector)
    }

    #[test]
    fn the_least_full_server_that_matches_is_taken() {
        let servers = [
            server("a", 50, Some(100)),
            server("b", 30, Some(100)),
            server("c", 9, Some(10)),
        ];
        assert_eq!(schema(&servers, &any()), Ok("b".into()));
        assert_eq!(schema(&servers, &region("eu")), Ok("b".into()));
        let bytes = Candidate {
            bytes: 99,
            max_bytes: Some(100),
            ..server("b", 0, None)
        };
        assert_eq!(schema(&[bytes, server("a", 50, Some(100))], &any()), Ok("a".into()));
    }

    #[test]
    fn tenants_spread_over_equals() {
        let mut servers = vec![server("a", 0, None), server("b", 0, None)];
        for _ in 0..10 {
            let name = schema(&servers, &any()).expect("one fits");
            let chosen = servers.iter_mut().find(|server| server.name == name);
            chosen.expect("one of them").tenants += 1;
        }
        assert_eq!(servers.iter().map(|server| server.tenants).collect::<Vec<_>>(), [5, 5]);
    }

    #[test]
    fn where_none_fits_each_says_why() {
        let away = Candidate {
            refuses: Some("it cannot be reached".into()),
            ..server("b", 0, None)
        };
        let reason = schema(&[server("a", 3, Some(3)), away], &any()).expect_err("none fits");
        assert_eq!(
            reason,
            "no DatabaseServer fits (a: it is full: 3 tenants are on it; b: it cannot be reached)"
        );
        let reason = schema(&[server("a", 0, None)], &region("us")).expect_err("none fits");
        assert!(reason.contains("do not match"), "{reason}");
        assert_eq!(schema(&[], &any()), Err("there is no DatabaseServer".into()));
    }

    #[test]
    fn a_dedicated_server_takes_one_tenant_of_its_model() {
        let mut own = server("own", 0, None);
        own.labels.insert(DEDICATED.into(), "true".into());
        let servers = [own.clone(), server("shared", 5, None)];
        assert_eq!(schema(&servers, &any()), Ok("shared".into()));
        let dedicated = |servers: &[Candidate]| choose(servers, DatabaseModel::Server, &any());
        assert_eq!(dedicated(&servers), Ok("own".into()));
        own.tenants = 1;
        let reason = dedicated(&[own, servers[1].clone()]).expect_err("taken");
        assert!(reason.contains("own: it already has its tenant"), "{reason}");
        assert!(reason.contains("shared: it lacks the label"), "{reason}");
    }

    #[test]
    fn shared_tables_are_where_they_are() {
        let with = Candidate {
            has_shared_tables: true,
            ..server("b", 9, None)
        };
        let servers = [server("a", 0, None), with];
        assert_eq!(choose(&servers, DatabaseModel::SharedTable, &any()), Ok("b".into()));
    }
}
