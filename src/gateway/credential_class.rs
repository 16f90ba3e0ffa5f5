//! Routes by the credentials that they ask for. A request with an API key and one with a token take different routes, since no gateway here asks for either
//! of two. Pure.

use super::config::{Admits, GatewayConfig, Route, Whom};
use crate::names;

/// The name of the class that asks for no credentials.
pub const OPEN: &str = "open";

/// Credentials that a route asks for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// None.
    Open,
    /// An API key of one of these. `beside_tokens` where a request without a key goes another way.
    Key { whom: Whom, beside_tokens: bool },
    /// A token, likewise.
    Token { whom: Whom },
}

impl Class {
    pub fn name(&self) -> String {
        match self {
            Self::Open => OPEN.into(),
            Self::Key { whom, .. } | Self::Token { whom } => named(self.kind(), whom),
        }
    }

    /// Returns a word for the kind of credentials.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Open => OPEN,
            Self::Key { .. } => "key",
            Self::Token { .. } => "token",
        }
    }

    /// Returns true where only requests with a key may take such a route.
    pub fn is_told_by_header(&self) -> bool {
        matches!(
            self,
            Self::Key {
                beside_tokens: true,
                ..
            }
        )
    }

    /// Returns true where the gateway sends the name of the key's client to the workload.
    pub fn has_client(&self) -> bool {
        matches!(self, Self::Key { .. })
    }
}

fn named(what: &str, whom: &Whom) -> String {
    match whom {
        Whom::All => what.into(),
        Whom::AnyOf(roles) => format!("{what}-{}", &names::digest(roles.join(",").as_bytes())[..8]),
        Whom::Holding { roles, permissions } => {
            // No name has a space, so no list of roles reads the same.
            let text = format!("{} {}", roles.join(","), permissions.join(","));
            format!("{what}-{}", &names::digest(text.as_bytes())[..8])
        }
        // No digest.
        Whom::Nobody => format!("{what}-nobody"),
    }
}

/// The classes of a route that admits these.
pub fn classes(way: &GatewayConfig, admits: &Admits) -> Vec<Class> {
    let whom = match admits {
        Admits::Everybody => return vec![Class::Open],
        Admits::Authenticated(whom) => whom,
    };
    let (keys, tokens) = (!way.gateway.keys.is_empty(), way.gateway.jwt.is_some());
    let key = keys.then(|| Class::Key {
        whom: whom.of_keys(),
        beside_tokens: tokens,
    });
    let token = tokens.then(|| Class::Token { whom: whom.clone() });
    key.into_iter().chain(token).collect()
}

/// Each of a tenant's routes, once for each class that it has.
pub fn routes(way: &GatewayConfig) -> impl Iterator<Item = (Class, &Route)> {
    let routes = way.gateway.routes.iter();
    routes.flat_map(|route| classes(way, &route.admits).into_iter().map(move |class| (class, route)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_called_as_none_is_of_whom_somebody_is_let_in() {
        let named = |whom: Whom| Class::Token { whom }.name();
        assert_eq!(named(Whom::any_of(Vec::new())), "token-nobody");
        assert_eq!(named(Whom::All), "token");
        let of_role = named(Whom::any_of(vec!["nobody".into()]));
        assert!(of_role.starts_with("token-") && of_role != "token-nobody", "{of_role}");
    }

    #[test]
    fn no_roles_are_not_any() {
        let admin = ["admin".to_string()];
        for (whom, is_in) in [
            (Whom::All, true),
            (Whom::any_of(admin.to_vec()), true),
            (Whom::any_of(vec!["user".into()]), false),
            (Whom::any_of(Vec::new()), false),
        ] {
            assert_eq!(whom.includes(&admin), is_in, "{whom:?}");
            assert_eq!(whom.includes(&[]), whom == Whom::All, "{whom:?}");
        }
    }

    #[test]
    fn a_key_has_no_permissions_of_its_own() {
        let holding = |roles: &[&str]| Whom::Holding {
            roles: roles.iter().map(ToString::to_string).collect(),
            permissions: vec!["read".into()],
        };
        assert_eq!(holding(&[]).of_keys(), Whom::Nobody);
        assert_eq!(holding(&["admin"]).of_keys(), Whom::any_of(vec!["admin".into()]));
        let name = |whom: Whom| Class::Token { whom }.name();
        let names = [
            name(holding(&[])),
            name(holding(&["admin"])),
            name(holding(&["admin"]).of_keys()),
        ];
        assert!(
            names[0] != names[1] && names[1] != names[2] && names[0] != names[2],
            "{names:?}"
        );
    }
}
