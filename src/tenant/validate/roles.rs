//! What a plan's people may be, and whom a route admits by that.

use super::{Invalid, canonical};
use crate::api::{GatewayRoute, Role};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

/// The roles of a tier.
#[derive(Clone, Copy)]
pub struct Table<'a> {
    tier: &'a str,
    roles: &'a [Role],
}

impl<'a> Table<'a> {
    pub fn new(tier: &'a str, roles: &'a [Role]) -> Self {
        Self { tier, roles }
    }

    /// As workloads read it: the permissions of each role; None where there are no roles.
    pub fn text(self) -> Option<String> {
        let permissions = |role: &'a Role| role.permissions.iter().collect::<BTreeSet<_>>();
        let by_name: BTreeMap<&String, BTreeSet<&String>> =
            self.roles.iter().map(|role| (&role.name, permissions(role))).collect();
        (!by_name.is_empty()).then(|| canonical(&json!(by_name)))
    }

    /// Refuses roles that the tier does not have, where it has any.
    pub fn check(self, named: &[String], field: &str, errors: &mut Vec<Invalid>) {
        let is_unknown = |name: &String| !self.roles.is_empty() && self.roles.iter().all(|role| role.name != *name);
        for (i, name) in named.iter().enumerate().filter(|(_, name)| is_unknown(name)) {
            let message = format!("tier {} has no role {name:.80}; {}", self.tier, self.known());
            errors.push(Invalid::new(format!("{field}[{i}]"), message));
        }
    }

    /// The roles of which a route asks for one, in order; none where it asks for no role. `field` is the route's.
    pub fn admitted(self, route: &GatewayRoute, field: &str, errors: &mut Vec<Invalid>) -> Vec<String> {
        let mut roles = route.roles.clone();
        self.check(&roles, &format!("{field}.roles"), errors);
        let asked = &route.permissions;
        if !asked.is_empty() {
            if !roles.is_empty() {
                errors.push(Invalid::new(field, "names roles and permissions: name either"));
            }
            let holds_all = |role: &&Role| asked.iter().all(|permission| role.permissions.contains(permission));
            let holders = self.roles.iter().filter(holds_all);
            roles = holders.map(|role| role.name.clone()).collect();
            if roles.is_empty() {
                let message = format!(
                    "no role of tier {} holds {}; {}",
                    self.tier,
                    asked.join(" and "),
                    self.known()
                );
                errors.push(Invalid::new(format!("{field}.permissions"), message));
            }
        }
        roles.sort();
        roles.dedup();
        roles
    }

    fn known(self) -> String {
        let names: Vec<&str> = self.roles.iter().map(|role| role.name.as_str()).collect();
        match names.as_slice() {
            [] => "it has no roles".into(),
            names => format!("its roles are {}", names.join(", ")),
        }
    }
}

#[cfg(test)]
#[path = "roles_test.rs"]
mod tests;
