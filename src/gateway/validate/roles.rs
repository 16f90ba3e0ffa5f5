//! Roles of a tier, and the clients that a route admits by them.

use crate::api::{GatewayRoute, Role};
use crate::capability::{Invalid, canonical};
use crate::conditions::reason;
use crate::gateway::config::{Unsupported, Whom};
use serde_json::json;
use std::collections::{BTreeMap, BTreeSet};

const OPENS_NOTHING: &str = "it grants no access";
/// The effect on a route.
const NOBODY: &str = "the route admits nobody";

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

    /// Returns the roles' permissions in the format that workloads read; None where the tier has no roles.
    pub fn text(self) -> Option<String> {
        let permissions = |role: &'a Role| role.permissions.iter().collect::<BTreeSet<_>>();
        let by_name: BTreeMap<&String, BTreeSet<&String>> =
            self.roles.iter().map(|role| (&role.name, permissions(role))).collect();
        (!by_name.is_empty()).then(|| canonical(&json!(by_name)))
    }

    /// Returns the faults of roles that the tier lacks, where it has any. `so` names the effect.
    fn unknown(self, named: &[String], field: &str, so: &str) -> Vec<Invalid> {
        let unknown = named.iter().enumerate().filter(|(_, name)| self.lacks(name));
        let say = |(i, name): (usize, &String)| {
            let message = format!("tier {} has no role {name:.80}, so {so}; {}", self.tier, self.known());
            Invalid::new(format!("{field}[{i}]"), message)
        };
        unknown.map(say).collect()
    }

    /// Tells of roles of an API key that open nothing, since the tier does not have them. `field` is the key's.
    pub fn check_key(self, named: &[String], field: &str, unsupported: &mut Vec<Unsupported>) {
        let unknown = self.unknown(named, &format!("{field}.roles"), OPENS_NOTHING);
        unsupported.extend(
            unknown
                .into_iter()
                .map(|why| Unsupported::of(reason::NO_SUCH_ROLE, why)),
        );
    }

    /// Returns the authenticated clients that a route admits: nobody where the tier lacks a role that it asks for. `field` is the route's. Tokens may have
    /// permissions of their own besides those of roles.
    pub fn admitted(
        self,
        route: &GatewayRoute,
        field: &str,
        have_permissions: bool,
        errors: &mut Vec<Invalid>,
        unsupported: &mut Vec<Unsupported>,
    ) -> Whom {
        let GatewayRoute { roles, permissions, .. } = route;
        if !(roles.is_empty() || permissions.is_empty()) {
            errors.push(Invalid::new(field, "has roles and permissions: set only one of them"));
        }
        if !permissions.is_empty() {
            let holders = self.holders(permissions);
            if have_permissions {
                let sorted = |names: &[String]| names.iter().cloned().collect::<BTreeSet<_>>().into_iter().collect();
                return Whom::Holding {
                    roles: sorted(&holders),
                    permissions: sorted(permissions),
                };
            }
            if holders.is_empty() {
                let message = format!(
                    "no role of tier {} has {}, so {NOBODY}; {}",
                    self.tier,
                    permissions.join(" and "),
                    self.known()
                );
                unsupported.push(Unsupported::of(
                    reason::NOBODY_ADMITTED,
                    Invalid::new(format!("{field}.permissions"), message),
                ));
            }
            return Whom::any_of(holders);
        }
        if roles.is_empty() {
            return Whom::All;
        }
        let admitted: Vec<String> = roles.iter().filter(|name| !self.lacks(name)).cloned().collect();
        let (reason, so) = match admitted.is_empty() {
            true => (reason::NOBODY_ADMITTED, NOBODY),
            false => (reason::NO_SUCH_ROLE, OPENS_NOTHING),
        };
        let unknown = self.unknown(roles, &format!("{field}.roles"), so);
        unsupported.extend(unknown.into_iter().map(|why| Unsupported::of(reason, why)));
        Whom::any_of(admitted)
    }

    /// Returns true where the tier has roles, and this is none of them.
    fn lacks(self, name: &str) -> bool {
        !self.roles.is_empty() && self.roles.iter().all(|role| role.name != *name)
    }

    /// The roles that hold all of these.
    fn holders(self, permissions: &[String]) -> Vec<String> {
        let holds_all = |role: &&Role| permissions.iter().all(|one| role.permissions.contains(one));
        let holders = self.roles.iter().filter(holds_all);
        holders.map(|role| role.name.clone()).collect()
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
