//! The check of a tenant's own login: its access beyond the tenant's own objects. Pure.

use crate::api::{Direction, Opener};
use crate::postgres::Names;
use crate::postgres::cross_tenant_access::CrossTenantAccess;
use crate::proof::{Outcome, Violation};

/// Returns the outcome of a check with the tenant's own credentials.
pub fn outcome(access: &CrossTenantAccess) -> Outcome {
    if !access.control {
        return Outcome::Untried(
            "the server denies the tenant even its own schema, so its other answers prove nothing".into(),
        );
    }
    let mut violations = Vec::new();
    let mut say = |opened_by: Opener, message: String| {
        violations.push(Violation {
            direction: Direction::Outward,
            opened_by,
            counterpart: String::new(),
            message,
        });
    };
    if !access.attributes.is_empty() {
        say(
            Opener::Platform,
            format!("the tenant's roles have {}", access.attributes.join(", ")),
        );
    }
    // Up to PostgreSQL 14 every role may grant itself to another.
    let (others, roles): (Vec<_>, Vec<_>) = access.roles.iter().partition(|role| Names::may_be(role));
    for (opened_by, roles) in [(Opener::Platform, roles), (Opener::Counterpart, others)] {
        if !roles.is_empty() {
            let roles: Vec<&str> = roles.into_iter().map(String::as_str).collect();
            say(
                opened_by,
                format!("the tenant's login has the rights of {}", roles.join(", ")),
            );
        }
    }
    // What follows is in the gift of whoever owns it.
    if !access.databases.is_empty() {
        say(
            Opener::Counterpart,
            format!("the tenant's login may connect to {}", access.databases.join(", ")),
        );
    }
    if !access.schemas.is_empty() {
        say(
            Opener::Counterpart,
            format!("the tenant may use schema {}", access.schemas.join(", ")),
        );
    }
    if !access.relations.is_empty() {
        say(
            Opener::Counterpart,
            format!(
                "no row-level security holds for the tenant on {}",
                access.relations.join(", ")
            ),
        );
    }
    if let (true, Some(neighbour)) = (access.wrote, &access.neighbour) {
        say(
            Opener::Counterpart,
            format!("the tenant could make a table in schema {neighbour}"),
        );
    }
    Outcome::of(violations)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_tenant_can_have_given_is_told_apart() {
        let access = CrossTenantAccess {
            roles: vec!["t_0123456789abcdef0123_a".into(), "pg_monitor".into(), "t_short".into()],
            ..closed()
        };
        let found: Vec<(Opener, String)> = outcome(&access)
            .violations()
            .iter()
            .map(|violation| (violation.opened_by, violation.message.clone()))
            .collect();
        let says = |roles: &str| format!("the tenant's login has the rights of {roles}");
        assert_eq!(
            found,
            [
                (Opener::Platform, says("pg_monitor, t_short")),
                (Opener::Counterpart, says("t_0123456789abcdef0123_a")),
            ]
        );
    }

    fn closed() -> CrossTenantAccess {
        CrossTenantAccess {
            control: true,
            neighbour: Some("t_1".into()),
            ..CrossTenantAccess::default()
        }
    }

    #[test]
    fn each_opening_is_a_violation() {
        assert_eq!(outcome(&closed()), Outcome::Passed);
        type Fault = (fn(&mut CrossTenantAccess), &'static str);
        let open: [Fault; 6] = [
            (|b| b.attributes = vec!["BYPASSRLS".into()], "have BYPASSRLS"),
            (|b| b.roles = vec!["t_2".into()], "rights of t_2"),
            (|b| b.databases = vec!["postgres".into()], "connect to postgres"),
            (|b| b.schemas = vec!["t_2".into()], "use schema t_2"),
            (|b| b.relations = vec!["public.orders".into()], "on public.orders"),
            (|b| b.wrote = true, "in schema t_1"),
        ];
        for (open, words) in open {
            let mut access = closed();
            open(&mut access);
            let Outcome::Violated(found) = outcome(&access) else {
                panic!("{words} was let through");
            };
            assert!(found.len() == 1 && found[0].message.contains(words), "{found:?}");
        }
    }

    #[test]
    fn a_control_that_fails_is_no_pass() {
        let access = CrossTenantAccess {
            control: false,
            ..closed()
        };
        assert!(matches!(outcome(&access), Outcome::Untried(_)));
    }
}
