//! Answers of the gateway in the place of its plain errors, by status. Pure.

use crate::api::ErrorResponse;
use crate::capability::Invalid;

/// The type of a body without another.
const PLAIN: &str = "text/plain; charset=utf-8";

/// The answer for one status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ValidErrorResponse {
    pub status: i32,
    pub content_type: String,
    /// The body for clients that ask for none of the languages.
    pub body: String,
    /// Bodies by language, a longer name first: `pt-BR` comes before `pt`.
    pub by_language: Vec<(String, String)>,
}

/// Returns the tenant's answers, and for all other statuses the tier's, ordered by status.
pub fn resolve(own: &[ErrorResponse], plan: &[ErrorResponse], errors: &mut Vec<Invalid>) -> Vec<ValidErrorResponse> {
    check(own, "spec.gateway.errorResponses", errors);
    check(plan, "spec.tier: the tier's gateway.errorResponses", errors);
    let mut statuses: Vec<i32> = own.iter().chain(plan).map(|answer| answer.status).collect();
    statuses.sort_unstable();
    statuses.dedup();
    statuses
        .into_iter()
        .filter_map(|status| of_status(status, own, plan))
        .collect()
}

/// A language of a status has one body, and a status one type.
fn check(answers: &[ErrorResponse], field: &str, errors: &mut Vec<Invalid>) {
    for (i, answer) in answers.iter().enumerate() {
        let former: Vec<&ErrorResponse> = answers[..i]
            .iter()
            .filter(|other| other.status == answer.status)
            .collect();
        let is_same = |other: &&ErrorResponse| language(other) == language(answer);
        if former.iter().any(is_same) {
            let message = match &answer.language {
                Some(language) => format!("{} has {language} twice: keep one of them", answer.status),
                None => format!("{} has two answers without a language: keep one of them", answer.status),
            };
            errors.push(Invalid::new(format!("{field}[{i}]"), message));
        }
        if former.iter().any(|other| other.content_type != answer.content_type) {
            let message = format!(
                "{} has another contentType already: set the same in all its languages",
                answer.status
            );
            errors.push(Invalid::new(format!("{field}[{i}].contentType"), message));
        }
    }
}

fn language(answer: &ErrorResponse) -> Option<String> {
    answer.language.as_ref().map(|language| language.to_ascii_lowercase())
}

fn of_status(status: i32, own: &[ErrorResponse], plan: &[ErrorResponse]) -> Option<ValidErrorResponse> {
    let of = |answers: &[ErrorResponse]| -> Vec<ErrorResponse> {
        answers
            .iter()
            .filter(|answer| answer.status == status)
            .cloned()
            .collect()
    };
    let answers = match of(own) {
        own if own.is_empty() => of(plan),
        own => own,
    };
    // Without one for all others, the first is.
    let others = answers
        .iter()
        .find(|answer| answer.language.is_none())
        .or(answers.first())?;
    let named = answers
        .iter()
        .filter_map(|answer| Some((answer.language.clone()?, answer.body.clone())));
    let mut by_language: Vec<(String, String)> = named.collect();
    by_language.sort_by_key(|(language, _)| (std::cmp::Reverse(language.len()), language.clone()));
    Some(ValidErrorResponse {
        status,
        content_type: others.content_type.clone().unwrap_or_else(|| PLAIN.into()),
        body: others.body.clone(),
        by_language,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn answers(of: &Value) -> Vec<ErrorResponse> {
        serde_json::from_value(of.clone()).expect("answers")
    }

    fn resolved(own: &Value, plan: &Value) -> (Vec<ValidErrorResponse>, Vec<String>) {
        let mut errors = Vec::new();
        let valid = resolve(&answers(own), &answers(plan), &mut errors);
        (valid, errors.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn a_tenants_answer_takes_the_place_of_its_tiers_as_a_whole() {
        let plan = json!([
            {"status": 429, "body": "slow down"}, {"status": 429, "body": "langsamer", "language": "de"},
            {"status": 401, "body": "{}", "contentType": "application/json"},
        ]);
        let own = json!([{"status": 429, "body": "one moment"}, {"status": 503, "body": "em breve", "language": "pt-BR"},
            {"status": 503, "body": "mais tarde", "language": "pt"}]);
        let (valid, errors) = resolved(&own, &plan);
        assert_eq!(errors, [""; 0]);
        let plain = |status: i32, body: &str| ValidErrorResponse {
            status,
            content_type: PLAIN.into(),
            body: body.into(),
            by_language: Vec::new(),
        };
        let named = |language: &str, body: &str| (language.to_string(), body.to_string());
        assert_eq!(
            valid,
            [
                ValidErrorResponse {
                    content_type: "application/json".into(),
                    ..plain(401, "{}")
                },
                plain(429, "one moment"),
                ValidErrorResponse {
                    by_language: vec![named("pt-BR", "em breve"), named("pt", "mais tarde")],
                    ..plain(503, "em breve")
                },
            ]
        );
    }

    #[test]
    fn a_language_has_one_body_and_a_status_one_type() {
        let own = json!([
            {"status": 429, "body": "a"}, {"status": 429, "body": "b"}, {"status": 401, "body": "c"},
            {"status": 429, "body": "d", "language": "de"}, {"status": 429, "body": "e", "language": "DE"},
            {"status": 401, "body": "f", "language": "de", "contentType": "text/html"},
        ]);
        let (_, errors) = resolved(&own, &json!([{"status": 500, "body": ""}, {"status": 500, "body": ""}]));
        assert_eq!(
            errors,
            [
                "spec.gateway.errorResponses[1]: 429 has two answers without a language: keep one of them",
                "spec.gateway.errorResponses[4]: 429 has DE twice: keep one of them",
                "spec.gateway.errorResponses[5].contentType: 401 has another contentType already: set the same in all its languages",
                "spec.tier: the tier's gateway.errorResponses[1]: 500 has two answers without a language: keep one of them",
            ]
        );
    }
}
