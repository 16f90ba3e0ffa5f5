//! Routes by the credentials that they ask for. A request with an API key and one with a token take different routes, since no gateway here asks for either
//! of two. Pure.

use super::way::{Admits, Route, Way};
use crate::names;

/// What a class is called that asks for none.
pub const OPEN: &str = "open";

/// What credentials a route asks for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Class {
    /// None.
    Open,
    /// An API key with one of these roles, where any is named. `beside_tokens` where a request without a key goes another way.
    Key { roles: Vec<String>, beside_tokens: bool },
    /// A token, likewise.
    Token { roles: Vec<String> },
}

impl Class {
    pub fn name(&self) -> String {
        match self {
            Self::Open => OPEN.into(),
            Self::Key { roles, .. } => named("key", roles),
            Self::Token { roles } => named("token", roles),
        }
    }

    /// Whether only requests with a key may take such a route.
    pub fn is_told_by_header(&self) -> bool {
        matches!(
            self,
            Self::Key {
                beside_tokens: true,
                ..
            }
        )
    }

    /// Whether the workload is told whose key it was.
    pub fn has_client(&self) -> bool {
        matches!(self, Self::Key { .. })
    }
}

fn named(what: &str, roles: &[String]) -> String {
    match roles {
        [] => what.into(),
        roles => format!("{what}-{}", &names::digest(roles.join(",").as_bytes())[..8]),
    }
}

/// The classes of a route that admits these.
pub fn classes(way: &Way, admits: &Admits) -> Vec<Class> {
    let Admits::Authenticated(roles) = admits else {
        return vec![Class::Open];
    };
    let (keys, tokens) = (!way.gateway.keys.is_empty(), way.gateway.jwt.is_some());
    let key = keys.then(|| Class::Key {
        roles: roles.clone(),
        beside_tokens: tokens,
    });
    let token = tokens.then(|| Class::Token { roles: roles.clone() });
    key.into_iter().chain(token).collect()
}

/// Each of a tenant's routes, once for each class that it has.
pub fn routes(way: &Way) -> impl Iterator<Item = (Class, &Route)> {
    let routes = way.gateway.routes.iter();
    routes.flat_map(|route| classes(way, &route.admits).into_iter().map(move |class| (class, route)))
}
