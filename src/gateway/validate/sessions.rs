//! Choice of the pod for a request: by load, or by the session.

use crate::api::{LoadBalancing, SessionPersistence, SessionPersistenceType, Traffic};
use crate::capability::{Invalid, duration};
use crate::gateway::config::ValidSession;

/// The name of the cookie without another.
const COOKIE: &str = "tenant-session";
const FIELD: &str = "spec.gateway.traffic.sessionPersistence";

/// Returns the tenant's choice; the tier's where it makes none.
pub fn choice(
    own: &Traffic,
    plan: &Traffic,
    errors: &mut Vec<Invalid>,
) -> (Option<LoadBalancing>, Option<ValidSession>) {
    let made = |traffic: &Traffic| traffic.load_balancing.is_some() || traffic.session_persistence.is_some();
    let chosen = if made(own) { own } else { plan };
    if chosen.load_balancing.is_some() && chosen.session_persistence.is_some() {
        let message = "needs loadBalancing or sessionPersistence, not both";
        errors.push(Invalid::new("spec.gateway.traffic", message));
    }
    let session = chosen.session_persistence.as_ref();
    (
        chosen.load_balancing,
        session.and_then(|session| valid(session, errors)),
    )
}

fn valid(session: &SessionPersistence, errors: &mut Vec<Invalid>) -> Option<ValidSession> {
    let mut refuse = |below: &str, message: &str| errors.push(Invalid::new(format!("{FIELD}.{below}"), message));
    match (session.type_, &session.session_name, &session.absolute_timeout) {
        (SessionPersistenceType::Header, None, _) => {
            refuse("sessionName", "is absent: set it to the name of the header");
            None
        }
        (SessionPersistenceType::Header, _, Some(_)) => {
            refuse(
                "absoluteTimeout",
                "belongs to a cookie: remove it, or set type to Cookie",
            );
            None
        }
        (SessionPersistenceType::Header, Some(name), None) => Some(ValidSession::Header(name.clone())),
        (SessionPersistenceType::Cookie, name, timeout) => {
            let field = format!("{FIELD}.absoluteTimeout");
            let time = timeout.as_ref().and_then(|text| duration(&field, text, errors));
            if time.is_some_and(|time| time.as_secs() == 0) {
                errors.push(Invalid::new(field, "must be a second or more"));
            }
            Some(ValidSession::Cookie(
                name.clone().unwrap_or_else(|| COOKIE.into()),
                time,
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};
    use std::time::Duration;

    fn chosen(own: Value, plan: Value) -> Result<(Option<LoadBalancing>, Option<ValidSession>), Vec<String>> {
        let traffic = |value: Value| serde_json::from_value::<Traffic>(value).expect("traffic");
        let mut errors = Vec::new();
        let choice = choice(&traffic(own), &traffic(plan), &mut errors);
        match errors.is_empty() {
            true => Ok(choice),
            false => Err(errors.iter().map(ToString::to_string).collect()),
        }
    }

    #[test]
    fn a_tenants_choice_takes_the_place_of_its_tiers_as_a_whole() {
        let cookie = || json!({"sessionPersistence": {"type": "Cookie"}});
        let session = Some(ValidSession::Cookie("tenant-session".into(), None));
        let random = || json!({"loadBalancing": "Random"});
        assert_eq!(chosen(json!({}), cookie()), Ok((None, session.clone())));
        assert_eq!(chosen(cookie(), random()), Ok((None, session)));
        assert_eq!(chosen(random(), cookie()), Ok((Some(LoadBalancing::Random), None)));
        let own = json!({"sessionPersistence": {"type": "Cookie", "sessionName": "id", "absoluteTimeout": "8h"}});
        let session = ValidSession::Cookie("id".into(), Some(Duration::from_secs(8 * 3600)));
        assert_eq!(chosen(own, random()), Ok((None, Some(session))));
        let own = json!({"sessionPersistence": {"type": "Header", "sessionName": "X-Session"}});
        assert_eq!(
            chosen(own, json!({})),
            Ok((None, Some(ValidSession::Header("X-Session".into()))))
        );
    }

    #[test]
    fn a_mark_is_whole() {
        let session = |over: Value| json!({"sessionPersistence": over});
        for (own, reason) in [
            (
                session(json!({"type": "Header"})),
                "spec.gateway.traffic.sessionPersistence.sessionName: is absent",
            ),
            (
                session(json!({"type": "Header", "sessionName": "a", "absoluteTimeout": "1h"})),
                "spec.gateway.traffic.sessionPersistence.absoluteTimeout: belongs to a cookie",
            ),
            (
                session(json!({"type": "Cookie", "absoluteTimeout": "5ms"})),
                "spec.gateway.traffic.sessionPersistence.absoluteTimeout: must be a second or more",
            ),
            (
                json!({"loadBalancing": "Random", "sessionPersistence": {"type": "Cookie"}}),
                "spec.gateway.traffic: needs loadBalancing or sessionPersistence, not both",
            ),
        ] {
            let reasons = chosen(own, json!({})).expect_err("refused");
            assert!(reasons.len() == 1 && reasons[0].starts_with(reason), "{reasons:?}");
        }
    }
}
