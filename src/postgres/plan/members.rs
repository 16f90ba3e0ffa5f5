//! Memberships of a tenant's roles: its own logins in the role that they act as, shared applications that may become it, and nobody else.

use super::roles::{as_member, grant_role};
use super::{Place, Plan};
use crate::postgres::catalog::{Catalog, Membership};
use crate::postgres::version::PG_16;
use crate::postgres::{Identifier, Statement};
use crate::sql;

impl Plan<'_> {
    /// Returns true if a membership lets a login become a role, and nothing else.
    pub(super) fn becomes(&self, member: &Membership) -> bool {
        let inherits = self.catalog.version >= PG_16 && member.inherit;
        member.set && !member.admin && !inherits
    }

    pub(super) fn admin_membership(&mut self, role: &Identifier) {
        if let Some(statement) = as_member(self.catalog, role) {
            self.records(statement);
        }
    }

    /// Takes the role out of every other one.
    pub(super) fn only_member_of(&mut self, role: &Identifier, allowed: Option<&Identifier>) {
        let catalog = self.catalog;
        let found = catalog.roles.get(role.as_str()).map(|role| role.member_of.as_slice());
        for membership in found.into_iter().flatten() {
            let Ok(other) = Identifier::new(&*membership.role) else {
                continue;
            };
            let is_login = self.wanted.names.logins.contains(role);
            if allowed != Some(&other) {
                self.revoke(&other, role, membership);
            } else if catalog.version < PG_16 {
                if membership.admin {
                    self.records(sql!["REVOKE ADMIN OPTION FOR ", &other, " FROM ", role, " CASCADE"]);
                }
            } else if membership.admin || (is_login && !self.becomes(membership)) || (!is_login && membership.set) {
                self.revoke(&other, role, membership);
            }
        }
    }

    /// Takes everyone else out of the role.
    pub(super) fn only_members(&mut self, role: &Identifier) {
        let (names, catalog) = (&self.wanted.names, self.catalog);
        let acts = *role == names.owner || *role == names.reader;
        let found = catalog.roles.get(role.as_str()).map(|role| role.members.as_slice());
        for member in found.into_iter().flatten() {
            let Ok(stranger) = Identifier::new(&*member.role) else {
                continue;
            };
            let is_own = member.role == catalog.admin.name || (acts && names.logins.contains(&stranger));
            if !is_own && !self.serves(role, member) {
                self.revoke(role, &stranger, member);
            }
        }
    }

    /// Returns true if a member is a shared application's login, which may become the role and nothing else.
    fn serves(&self, role: &Identifier, member: &Membership) -> bool {
        let wanted = self.wanted;
        let mut applications = wanted.applications.iter().flatten();
        role == wanted.served_as() && applications.any(|login| member.role == login.as_str()) && self.becomes(member)
    }

    /// Lets the logins of shared applications become the tenant. Sessions of the tenant's own logins that may still make something end before.
    pub(super) fn applications(&mut self) {
        let (wanted, catalog) = (self.wanted, self.catalog);
        let (names, role) = (&wanted.names, wanted.served_as());
        let Some(logins) = &wanted.applications else {
            return;
        };
        let owner = catalog.roles.get(names.owner.as_str());
        if wanted.place == Place::Schema {
            let is_later = |given: &crate::postgres::catalog::DefaultGrant| {
                given.kind == "r"
                    && given.schema.as_deref() == Some(names.place.as_str())
                    && given.grantee.as_deref() == Some(names.reader.as_str())
            };
            if !owner.is_some_and(|owner| owner.given.iter().any(is_later)) {
                self.records(self.reading_later(&names.place));
            }
        }
        if self.changing() && owner.is_some() {
            return;
        }
        let found = catalog.roles.get(role.as_str()).map_or(&[][..], |role| &role.members);
        let database = catalog.databases.get(names.place.as_str());
        for login in logins {
            let is_member = |member: &Membership| member.role == login.as_str() && self.serves(role, member);
            if !found.iter().any(is_member) {
                self.records(grant_role(catalog, role, sql![login], false));
            }
            // That of a schema is the server's, and open to all applications at once.
            if wanted.place == Place::Database
                && database.is_some_and(|database| !database.grants(Some(login.as_str()), "CONNECT"))
            {
                self.records(sql!["GRANT CONNECT ON DATABASE ", &names.place, " TO ", login]);
            }
        }
    }

    /// Grants the reader's privileges on the tables that the owner makes from now on.
    pub(super) fn reading_later(&self, schema: &Identifier) -> Statement {
        let names = &self.wanted.names;
        sql![
            "ALTER DEFAULT PRIVILEGES FOR ROLE ",
            &names.owner,
            " IN SCHEMA ",
            schema,
            " GRANT SELECT, DELETE, TRUNCATE ON TABLES TO ",
            &names.reader
        ]
    }

    /// Ends a membership, by any grantor.
    fn revoke(&mut self, role: &Identifier, member: &Identifier, membership: &Membership) {
        let (statement, is_ours) = revocation(self.catalog, role, member, membership);
        let steps = if is_ours { &self.steps } else { &self.last };
        if steps.iter().any(|step| step.statement == statement) {
            return;
        }
        match is_ours {
            true => self.records(statement),
            // Another's grant is not its to revoke.
            false => self.try_last(statement),
        }
    }
}

/// Returns the statement that ends a membership, and true if the operator may execute it.
pub(super) fn revocation(
    catalog: &Catalog,
    role: &Identifier,
    member: &Identifier,
    membership: &Membership,
) -> (Statement, bool) {
    let admin = &catalog.admin;
    let mut statement = sql!["REVOKE ", role, " FROM ", member];
    let grantor = membership.grantor.as_deref();
    let grantor = grantor.filter(|_| catalog.version >= PG_16);
    if let Some(grantor) = grantor.and_then(|grantor| Identifier::new(grantor).ok()) {
        statement = statement.join(sql![" GRANTED BY ", &grantor]);
    }
    let is_ours = admin.superuser || grantor.is_none_or(|grantor| grantor == admin.name);
    (statement.and([" CASCADE".into()]), is_ours)
}
