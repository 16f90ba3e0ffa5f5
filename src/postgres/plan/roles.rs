//! The tenant's roles that cannot log in, and the attributes and memberships of all its roles.

use super::{Place, Plan, Shared, Step, Venue, whom};
use crate::postgres::catalog::{Catalog, DefaultGrant, Membership, Role};
use crate::postgres::version::PG_16;
use crate::postgres::{Identifier, Statement};
use crate::sql;

impl Plan<'_> {
    /// Makes the role that owns the tenant's objects.
    pub(super) fn owner(&mut self) {
        let wanted = self.wanted;
        let group = match &wanted.place {
            Place::Shared(shared) => Some(&shared.group),
            _ => None,
        };
        self.without_login(&wanted.names.owner, group);
        if wanted.place == Place::Schema {
            self.default_privileges();
        }
    }

    /// Closes the tenant's future objects to others: by default PUBLIC may call every function and use every type.
    fn default_privileges(&mut self) {
        let (names, catalog) = (&self.wanted.names, self.catalog);
        let owner = &names.owner;
        let defaults = catalog.roles.get(owner.as_str()).map(|role| &role.defaults);
        for (kind, revoke) in [
            ('f', " REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC"),
            ('T', " REVOKE USAGE ON TYPES FROM PUBLIC"),
        ] {
            if defaults.is_none_or(|defaults| defaults.get(&kind) != Some(&false)) {
                self.records(sql!["ALTER DEFAULT PRIVILEGES FOR ROLE ", owner, revoke]);
            }
        }
        let ours = |name: &str| names.roles().iter().any(|role| role.as_str() == name);
        for role in names.roles() {
            let given = catalog.roles.get(role.as_str()).map(|found| found.given.as_slice());
            for given in given.into_iter().flatten() {
                let closed_above = role == owner
                    && given.schema.is_none()
                    && given.grantee.is_none()
                    && matches!(&*given.kind, "f" | "T");
                if !closed_above && !given.grantee.as_deref().is_some_and(ours) {
                    self.steps.extend(take_back(role, given).map(|statement| Step {
                        venue: Venue::Records,
                        statement,
                    }));
                }
            }
        }
    }

    /// The role that the logins act as while they may not write: it reads, and makes room.
    pub(super) fn reader(&mut self) {
        let (wanted, catalog) = (self.wanted, self.catalog);
        let reader = &wanted.names.reader;
        if wanted.reads_only() || catalog.roles.contains_key(reader.as_str()) {
            self.without_login(reader, None);
        }
    }

    /// A role that nobody logs in as, a member of this other one at most.
    fn without_login(&mut self, name: &Identifier, member_of: Option<&Identifier>) {
        match self.catalog.roles.get(name.as_str()) {
            None => {
                self.records(sql!["CREATE ROLE ", name, " NOLOGIN INHERIT"]);
                self.mark("role", name);
            }
            Some(role) => {
                self.attributes(name, role, true);
                if role.login {
                    self.records(sql!["ALTER ROLE ", name, " NOLOGIN"]);
                }
            }
        }
        self.admin_membership(name);
        self.only_member_of(name, member_of);
        self.only_members(name);
    }

    /// Attributes that no tenant's role may have.
    pub(super) fn attributes(&mut self, name: &Identifier, role: &Role, inherit: bool) {
        let table = [
            (role.superuser, " NOSUPERUSER"),
            (role.create_role, " NOCREATEROLE"),
            (role.create_database, " NOCREATEDB"),
            (role.replication, " NOREPLICATION"),
            (role.bypass_rls, " NOBYPASSRLS"),
            (role.inherit && !inherit, " NOINHERIT"),
            (!role.inherit && inherit, " INHERIT"),
        ];
        for (i, (_, attribute)) in table.into_iter().enumerate().filter(|(_, (wrong, _))| *wrong) {
            let statement = sql!["ALTER ROLE ", name, attribute];
            match self.catalog.admin.superuser || i >= 5 {
                true => self.records(statement),
                // The attributes that CREATEROLE alone cannot take away differ between versions.
                false => self.try_last(statement),
            }
        }
    }

    /// The platform's tables are open to one group; row-level security tells its members apart. From 16 on a member cannot
    /// become it.
    pub(super) fn shared(&mut self, shared: &Shared) {
        let owner = &self.wanted.names.owner;
        let found = self.catalog.roles.get(owner.as_str());
        let has_options = self.catalog.version >= PG_16;
        let is_member = |member: &Membership| {
            member.role == shared.group.as_str() && member.inherit && !(has_options && (member.set || member.admin))
        };
        if found.is_some_and(|role| role.member_of.iter().any(is_member)) {
            return;
        }
        let grant = sql!["GRANT ", &shared.group, " TO ", owner];
        self.records(match has_options {
            true => grant.and([" WITH INHERIT TRUE, SET FALSE".into()]),
            false => grant,
        });
    }
}

/// Revokes a default privilege of a role; none where no statement can name it.
pub fn take_back(role: &Identifier, given: &DefaultGrant) -> Option<Statement> {
    let kind = match &*given.kind {
        "r" => "TABLES",
        "S" => "SEQUENCES",
        "f" => "FUNCTIONS",
        "T" => "TYPES",
        "n" => "SCHEMAS",
        "L" => "LARGE OBJECTS",
        _ => return None,
    };
    let place = match &given.schema {
        Some(schema) => sql![" IN SCHEMA ", &Identifier::new(&**schema).ok()?],
        None => sql![""],
    };
    Some(
        sql!["ALTER DEFAULT PRIVILEGES FOR ROLE ", role]
            .join(place)
            .join(sql![" REVOKE ALL ON ", kind, " FROM "])
            .join(whom(given.grantee.as_deref())?),
    )
}

/// Grants the membership with which the operator can act for one of its roles.
pub(super) fn as_member(catalog: &Catalog, role: &Identifier) -> Option<Statement> {
    if catalog.admin.superuser {
        return None;
    }
    let members = catalog.roles.get(role.as_str()).map(|role| role.members.as_slice());
    let holds = members
        .into_iter()
        .flatten()
        .any(|member| member.role == catalog.admin.name && member.inherit && member.set);
    (!holds).then(|| grant_role(catalog, role, sql!["CURRENT_USER"], true))
}

/// `GRANT role TO …`, whose options are a single grant's from 16 on, and the member's before.
pub(super) fn grant_role(catalog: &Catalog, role: &Identifier, member: Statement, inherit: bool) -> Statement {
    let grant = sql!["GRANT ", role, " TO "].join(member);
    match (catalog.version >= PG_16, inherit) {
        (false, _) => grant,
        (true, true) => grant.and([" WITH INHERIT TRUE, SET TRUE".into()]),
        (true, false) => grant.and([" WITH INHERIT FALSE, SET TRUE".into()]),
    }
}
