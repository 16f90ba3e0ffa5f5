//! The role that shared tables are granted to, of which every tenant's owner role is a member. Roles belong to the server, which may have the records of several
//! DatabaseServers; so each database of records has a group of its own.

use super::GROUP;
use crate::names;
use crate::postgres::Identifier;
use crate::postgres::catalog::Catalog;
use crate::postgres::identifier::MAX;

/// Number of hexadecimal digits of the digest in the name of a database whose own name is too long: 64 bits.
const DIGITS: usize = 16;

/// Returns the group of these records. The platform's own policies may name one that a former release made, so that one stays.
pub fn of(catalog: &Catalog) -> Identifier {
    match catalog.former_group {
        true => name(GROUP.into()),
        false => of_records(&catalog.database),
    }
}

/// Returns the name of the group for the records in this database.
pub fn of_records(database: &str) -> Identifier {
    let whole = format!("{GROUP}_{database}");
    if whole.len() <= MAX {
        return name(whole);
    }
    let mut digest = names::digest(database.as_bytes());
    digest.truncate(DIGITS);
    let mut end = MAX - DIGITS - 1;
    while !whole.is_char_boundary(end) {
        end -= 1;
    }
    name(format!("{}_{digest}", &whole[..end]))
}

/// Returns true if a role has a name as the operator gives to groups.
pub fn is_group(role: &str) -> bool {
    role.strip_prefix(GROUP)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('_'))
}

fn name(name: String) -> Identifier {
    // Not empty, and at most 63 bytes. A database's name has no NUL.
    Identifier::new(name.replace('\0', "")).unwrap_or_else(|_| unreachable!())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_database_of_records_has_a_group_of_its_own() {
        assert_eq!(of_records("tenants").as_str(), "tenant_operator_tenants_tenants");
        let longest = "d".repeat(39);
        assert_eq!(of_records(&longest).as_str().len(), MAX);
        let long = [
            "d".repeat(40),
            "d".repeat(41),
            "d".repeat(63),
            "ü".repeat(31),
            format!("d{}", "ü".repeat(31)),
        ];
        let mut names: Vec<Identifier> = long.iter().map(|database| of_records(database)).collect();
        names.push(of_records(&longest));
        assert!(names.iter().all(|name| name.as_str().len() <= MAX), "{names:?}");
        assert!(names.iter().all(|name| is_group(name.as_str())), "{names:?}");
        names.sort();
        names.dedup();
        assert_eq!(names.len(), 6, "{names:?}");
    }

    #[test]
    fn a_group_of_a_former_release_stays() {
        let mut catalog = Catalog {
            database: "tenants".into(),
            ..Catalog::default()
        };
        assert_eq!(of(&catalog).as_str(), "tenant_operator_tenants_tenants");
        catalog.former_group = true;
        assert_eq!(of(&catalog).as_str(), GROUP);
        assert!(is_group(GROUP) && !is_group("tenant_operator_tenantsmen"));
    }
}
