//! Answers in the place of Envoy's own errors, for the BackendTrafficPolicy.

use crate::gateway::config::GatewayConfig;
use crate::gateway::error_responses::ValidErrorResponse;
use serde_json::{Value, json};

/// Returns the answers, the workloads' own excepted.
pub fn overrides(way: &GatewayConfig) -> Vec<Value> {
    let answers = way.gateway.error_responses.iter();
    answers.map(|answer| overriding(way, answer)).collect()
}

fn overriding(way: &GatewayConfig, answer: &ValidErrorResponse) -> Value {
    let mut headers = Vec::new();
    // Envoy makes a new answer without the headers of the former, and a 401 needs this one (RFC 9110, section 15.5.2).
    if answer.status == 401 && way.gateway.jwt.is_some() {
        headers.push(json!({"name": "WWW-Authenticate", "value": "Bearer"}));
    }
    if !answer.by_language.is_empty() {
        headers.push(json!({"name": "Vary", "value": "Accept-Language"}));
    }
    let mut response = json!({
        "contentType": answer.content_type,
        "body": {"type": "Inline", "inline": body(answer)},
    });
    if !headers.is_empty() {
        response["header"] = json!({"set": headers});
    }
    json!({
        "source": "Local",
        "match": {"statusCodes": [{"type": "Value", "value": answer.status}]},
        "response": response,
    })
}

/// Returns a body as Envoy's format string, in which a `%` begins an operator. By language it is one operator after the other, of which one is not empty: Envoy
/// refuses expressions that nest deeply.
fn body(answer: &ValidErrorResponse) -> String {
    if answer.by_language.is_empty() {
        return answer.body.replace('%', "%%");
    }
    let all: Vec<&str> = answer
        .by_language
        .iter()
        .map(|(language, _)| language.as_str())
        .collect();
    let each = answer.by_language.iter().map(|(language, body)| {
        let varieties: Vec<&str> = all
            .iter()
            .filter(|other| is_variety(other, language))
            .copied()
            .collect();
        let other = match varieties.is_empty() {
            true => String::new(),
            false => format!(" && !{}", names_first(&varieties)),
        };
        format!("%CEL({}{other} ? {} : '')%", names_first(&[language]), quoted(body))
    });
    let others = format!("%CEL({} ? '' : {})%", names_first(&all), quoted(&answer.body));
    each.chain([others]).collect()
}

/// Returns true where a language, such as `pt-BR`, is a variety of another.
fn is_variety(language: &str, of: &str) -> bool {
    let (language, of) = (language.to_ascii_lowercase(), of.to_ascii_lowercase());
    language.strip_prefix(&of).is_some_and(|rest| rest.starts_with('-'))
}

/// The client's first language is one of these, or a variety of one. A client may send no such header.
fn names_first(languages: &[&str]) -> String {
    let languages = languages.join("|");
    format!(
        "('accept-language' in request.headers && request.headers['accept-language'].matches('(?i)^ *({languages})([-,; ].*)?$'))"
    )
}

/// Returns a string of CEL. It has no `)` and no `%`, which could end the operator.
fn quoted(text: &str) -> String {
    let escaped = text.chars().map(|letter| match letter {
        '\'' | '\\' | '%' | ')' | '\0'..='\x1f' | '\x7f' => format!("\\x{:02x}", u32::from(letter)),
        letter => letter.to_string(),
    });
    format!("'{}'", escaped.collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(body: &str, by_language: &[(&str, &str)]) -> ValidErrorResponse {
        ValidErrorResponse {
            status: 429,
            content_type: "text/plain".into(),
            body: body.into(),
            by_language: by_language
                .iter()
                .map(|(l, b)| (l.to_string(), b.to_string()))
                .collect(),
        }
    }

    #[test]
    fn a_body_is_sent_as_it_is() {
        assert_eq!(
            body(&answer("100 % of %REQ(Authorization)%", &[])),
            "100 %% of %%REQ(Authorization)%%"
        );
        let first = |languages: &str| {
            let header = "request.headers['accept-language']";
            format!("('accept-language' in request.headers && {header}.matches('(?i)^ *({languages})([-,; ].*)?$'))")
        };
        let several = answer("it's (100%)\n", &[("pt-BR", "\\ \"a\""), ("de", "ä)%"), ("PT", "")]);
        assert_eq!(
            body(&several),
            format!(
                "%CEL({} ? '\\x5c \"a\"' : '')%%CEL({} ? 'ä\\x29\\x25' : '')%%CEL({} && !{} ? '' : '')%%CEL({} ? '' : 'it\\x27s (100\\x25\\x29\\x0a')%",
                first("pt-BR"),
                first("de"),
                first("PT"),
                first("pt-BR"),
                first("pt-BR|de|PT"),
            )
        );
    }
}
