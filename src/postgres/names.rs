//! Names of a tenant's objects on a server. Any tenant can list every role, schema and database of its server, so the names are digests and do not reveal the
//! tenant.

use super::Identifier;
use crate::names;

/// Number of hexadecimal digits of the digest in a name: 80 bits.
const DIGITS: usize = 20;

/// The names of one tenant's roles and places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Names {
    /// Owns the tenant's objects; cannot log in.
    pub owner: Identifier,
    /// Take turns as the tenant's login.
    pub logins: [Identifier; 2],
    /// The tenant's schema (Schema model) or database (Database and Server models).
    pub place: Identifier,
    /// The logins act as this role while they may not write.
    pub reader: Identifier,
}

impl Names {
    /// The names that follow from a tenant's id.
    pub fn of(tenant_id: &str) -> Self {
        let mut digest = names::digest(tenant_id.as_bytes());
        digest.truncate(DIGITS);
        let name = |suffix: &str| {
            // Well below 63 bytes, and never empty.
            Identifier::new(format!("t_{digest}{suffix}")).unwrap_or_else(|_| unreachable!())
        };
        Self {
            owner: name(""),
            logins: [name("_a"), name("_b")],
            place: name(""),
            reader: name("_r"),
        }
    }

    /// Returns true if some tenant's role could be called so.
    pub fn may_be(role: &str) -> bool {
        let digits = role.strip_prefix("t_").and_then(|rest| rest.get(..DIGITS));
        digits.is_some_and(|digits| digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')))
    }

    /// Every role.
    pub fn roles(&self) -> [&Identifier; 4] {
        [&self.owner, &self.reader, &self.logins[0], &self.logins[1]]
    }
}
