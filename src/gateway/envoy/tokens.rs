//! Tokens, as SecurityPolicies ask for them: a provider, and rules, one of which a token must meet.

use super::security::{self, Admitted};
use crate::api::{ClaimHeader, JwtAuthentication};
use crate::gateway::config::{GatewayConfig, Unsupported, Whom};
use serde_json::{Value, json};

/// The name of the one provider of tokens.
const PROVIDER: &str = "tenant";

/// The token's claims in an expression.
const TOKEN: &str = "metadata.filter_metadata['envoy.filters.http.jwt_authn']['tenant']";

/// The most claims of a rule (Envoy Gateway's own bound).
const CLAIMS: usize = 16;
/// The most values in an expression, which may have 4,096 characters.
const VALUES: usize = 12;

/// Returns the issuer of tokens and its keys. Its name in Envoy depends on nothing else, so all routes with the same provider share it.
pub fn provider(jwt: &JwtAuthentication) -> Value {
    // In an address it would be written into every log.
    let bearer = json!({"headers": [{"name": "Authorization", "valuePrefix": "Bearer "}]});
    let mut provider = json!({"name": PROVIDER, "issuer": jwt.issuer, "extractFrom": bearer});
    if !jwt.audiences.is_empty() {
        provider["audiences"] = json!(jwt.audiences);
    }
    match (&jwt.jwks.inline, &jwt.jwks.uri) {
        (Some(inline), _) => provider["localJWKS"] = json!({"type": "Inline", "inline": inline}),
        (None, uri) => provider["remoteJWKS"] = json!({"uri": uri, "cacheDuration": "300s"}),
    }
    let headers: Vec<Value> = sent_headers(jwt)
        .map(|sent| json!({"header": sent.header, "claim": sent.claim}))
        .collect();
    if !headers.is_empty() {
        provider["claimToHeaders"] = json!(headers);
    }
    provider
}

/// Returns true where the name of a claim has a dot, which Envoy Gateway takes for a path.
fn is_dotted(claim: &str) -> bool {
    JwtAuthentication::claim_path(claim)
        .iter()
        .any(|part| part.contains('.'))
}

/// The headers that Envoy sends.
fn sent_headers(jwt: &JwtAuthentication) -> impl Iterator<Item = &ClaimHeader> {
    jwt.claim_headers.iter().filter(|sent| !is_dotted(&sent.claim))
}

/// Returns the headers that Envoy cannot send, with the reasons.
pub fn unsent(way: &GatewayConfig) -> Vec<(&str, Unsupported)> {
    let all = way.claim_headers().iter().enumerate();
    let unsent = all.filter(|(_, sent)| is_dotted(&sent.claim));
    let say = |(i, ClaimHeader { claim, header }): (usize, &'_ ClaimHeader)| {
        let message = format!(
            "Envoy takes a dot in the name of a claim for a path and does not find {claim}, so workloads get no {header}: let the issuer use a name without dots"
        );
        Unsupported::feature(
            format!("spec.gateway.authentication.jwt.claimHeaders[{i}].claim"),
            message,
        )
    };
    unsent.map(|sent| (sent.1.header.as_str(), say(sent))).collect()
}

/// Conditions of a token, all of which must hold.
#[derive(Clone, Default)]
struct Conditions {
    claims: Vec<Value>,
    cel: Vec<String>,
}

impl Conditions {
    /// The claim is one of these, or a list (`StringArray`) with one of these.
    fn one_of(mut self, claim: &str, type_: &str, values: &[String]) -> Self {
        if !is_dotted(claim) {
            self.claims
                .push(json!({"name": claim, "valueType": type_, "values": values}));
            return self;
        }
        let claim = in_token(claim);
        let quoted = values.iter().map(|value| format!("'{value}'"));
        self.cel.push(match type_ {
            "String" => format!("{claim} in [{}]", quoted.collect::<Vec<_>>().join(", ")),
            _ => {
                let each: Vec<String> = quoted.map(|value| format!("{value} in {claim}")).collect();
                format!("{} && ({})", is_list(&claim), each.join(" || "))
            }
        });
        self
    }

    /// The claim is a list with all of these.
    fn all_of(mut self, claim: &str, values: &[String]) -> Self {
        let free = match is_dotted(claim) {
            true => 0,
            false => CLAIMS - self.claims.len(),
        };
        let (claims, others) = values.split_at(free.min(values.len()));
        let listed = claims
            .iter()
            .map(|value| json!({"name": claim, "valueType": "StringArray", "values": [value]}));
        self.claims.extend(listed);
        if !others.is_empty() {
            let claim = in_token(claim);
            self.cel.push(is_list(&claim));
            self.cel
                .extend(others.iter().map(|value| format!("'{value}' in {claim}")));
        }
        self
    }

    fn rule(self, at: Option<String>) -> Value {
        // That a token ends: Envoy's own setting for it (`require_expiration`) is none of Envoy Gateway's. Without the claim the expression is an error, and
        // the rule does not apply; an end at 0 is none to Envoy.
        let ends = format!("{TOKEN}['exp'] >= 1.0");
        let cel = at
            .into_iter()
            .chain(self.cel)
            .chain([ends])
            .collect::<Vec<_>>()
            .join(" && ");
        let mut rule = json!({"action": "Allow", "cel": cel});
        if !self.claims.is_empty() {
            rule["principal"] = json!({"jwt": {"provider": PROVIDER, "claims": self.claims}});
        }
        rule
    }
}

/// A claim in an expression. Its form has no quotes.
fn in_token(claim: &str) -> String {
    let parts = JwtAuthentication::claim_path(claim).into_iter();
    let parts: String = parts.map(|part| format!("['{part}']")).collect();
    format!("{TOKEN}{parts}")
}

/// Without this an object would do that has a key of the name.
fn is_list(claim: &str) -> String {
    format!("type({claim}) == list")
}

/// Returns the policy of routes for these tokens. The first rule that a token meets admits it; none denies.
pub fn policy(way: &GatewayConfig, admitted: &[Admitted]) -> Option<Value> {
    let jwt = way.gateway.jwt.as_ref()?;
    let rules = admitted.iter().flat_map(|(whom, places)| {
        let at = security::at(places);
        let rules = conditions(way, jwt, whom).into_iter();
        rules.flat_map(move |rule| at.clone().into_iter().map(move |at| rule.clone().rule(at)))
    });
    let rules: Vec<Value> = rules.collect();
    Some(json!({
        "jwt": {"providers": [provider(jwt)]},
        "authorization": {"defaultAction": "Deny", "rules": rules},
    }))
}

/// Returns the conditions of which a token must meet one.
fn conditions(way: &GatewayConfig, jwt: &JwtAuthentication, whom: &Whom) -> Vec<Conditions> {
    let whose = [way.owner.tenant.clone(), way.owner.id.clone()];
    let base = || Conditions::default().one_of(jwt.tenant_claim(), "String", &whose);
    match whom {
        Whom::Nobody => Vec::new(),
        Whom::All => vec![base()],
        Whom::AnyOf(roles) => with_role(&base(), jwt.roles_claim(), roles),
        Whom::Holding { roles, permissions } => {
            let own = jwt.permissions_claim.as_deref();
            let own = own.map(|claim| base().all_of(claim, permissions));
            with_role(&base(), jwt.roles_claim(), roles)
                .into_iter()
                .chain(own)
                .collect()
        }
    }
}

/// Tokens with one of these roles, as a string or in a list.
fn with_role(base: &Conditions, claim: &str, roles: &[String]) -> Vec<Conditions> {
    let each = match is_dotted(claim) {
        true => VALUES,
        false => roles.len().max(1),
    };
    let types = ["String", "StringArray"].into_iter();
    types
        .flat_map(|type_| roles.chunks(each).map(move |roles| (type_, roles)))
        .map(|(type_, roles)| base.clone().one_of(claim, type_, roles))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tenant::fixtures::{acme, attachment, gateway_config};

    fn way(jwt: Value, route: Value, tier: Value) -> GatewayConfig {
        let mut whole = json!({"issuer": "i", "jwks": {"uri": "https://login.example.com/keys"}});
        crate::testing::lay_over(&mut whole, jwt);
        let mut only = json!({"backend": {"workload": "web"}});
        crate::testing::lay_over(&mut only, route);
        let spec = json!({
            "network": {"ingress": {"gateway": "Allow"}},
            "workloads": [{"name": "web", "image": "web:1", "ports": [{"name": "http", "containerPort": 8080}]}],
            "gateway": {"hosts": ["acme.example.com"], "routes": [only], "authentication": {"jwt": whole}},
        });
        gateway_config(&acme(spec, tier), &attachment().shared_hosts)
    }

    /// Returns the rules of the only policy.
    fn rules(way: &GatewayConfig) -> Vec<Value> {
        let written = super::super::write(way, &attachment()).objects;
        let mut rules = written
            .iter()
            .filter_map(|object| object.value.pointer("/spec/authorization/rules"));
        let only = rules.next().and_then(Value::as_array).cloned().expect("rules");
        assert!(rules.next().is_none());
        only
    }

    #[test]
    fn the_longest_expressions_and_the_most_claims_are_within_bounds() {
        let long = |n: usize| format!("{n:02}{}", "x".repeat(61));
        let names: Vec<String> = (0..16).map(long).collect();
        let roles: Vec<Value> = (0..64)
            .map(|n| json!({"name": long(n), "permissions": names}))
            .collect();
        let uri = format!("https://example.com/{}", "x".repeat(60));
        let path = format!("a.b.{}", "x".repeat(76));
        for (claim, rules_of_roles) in [(&uri, 2 * 64_usize.div_ceil(VALUES)), (&path, 2)] {
            assert_eq!(claim.len(), 80);
            let jwt = json!({"tenantClaim": claim, "rolesClaim": claim, "permissionsClaim": claim});
            let way = way(jwt, json!({"permissions": names}), json!({"roles": roles}));
            let rules = rules(&way);
            assert_eq!(rules.len(), rules_of_roles + 1, "{claim}");
            for rule in rules {
                let length = rule["cel"].as_str().expect("an expression").len();
                let claims = rule.pointer("/principal/jwt/claims").and_then(Value::as_array);
                // A tenant's name may be longer.
                let length = length + 53 - way.owner.tenant.len();
                assert!(
                    length <= 4096 && claims.is_none_or(|all| all.len() <= CLAIMS),
                    "{length}: {rule}"
                );
            }
        }
    }

    /// An expression with `in` would take an object's keys for a list.
    #[test]
    fn only_a_list_is_one() {
        let jwt =
            json!({"rolesClaim": "https://example.com/roles", "permissionsClaim": "https://example.com/permissions"});
        let held = json!({"roles": [{"name": "admin", "permissions": ["write"]}]});
        let rules = rules(&way(jwt, json!({"permissions": ["write"]}), held));
        let roles = format!("{TOKEN}['https://example.com/roles']");
        let permissions = format!("{TOKEN}['https://example.com/permissions']");
        let ends = format!("{TOKEN}['exp'] >= 1.0");
        let cel: Vec<&str> = rules.iter().filter_map(|rule| rule["cel"].as_str()).collect();
        let expected = [
            format!("{roles} in ['admin'] && {ends}"),
            format!("type({roles}) == list && ('admin' in {roles}) && {ends}"),
            format!("type({permissions}) == list && 'write' in {permissions} && {ends}"),
        ];
        assert_eq!(cel, expected);
    }

    #[test]
    fn a_header_of_a_claim_that_envoy_does_not_find_is_dropped_and_told() {
        let jwt = json!({"claimHeaders": [
            {"claim": "sub", "header": "X-User-ID"},
            {"claim": "https://example.com/subtenant", "header": "X-Subtenant-ID"},
            {"claim": "realm_access.team", "header": "X-Team"},
        ]});
        let way = way(jwt, json!({}), json!({}));
        let written = super::super::write(&way, &attachment());
        let told: Vec<&str> = written.unsupported.iter().map(|one| one.field.as_str()).collect();
        assert_eq!(told, ["spec.gateway.authentication.jwt.claimHeaders[1].claim"]);
        let values: Vec<&Value> = written.objects.iter().map(|object| &object.value).collect();
        let found = |pointer: &str| values.iter().find_map(|value| value.pointer(pointer)).cloned();
        assert_eq!(
            found("/spec/jwt/providers/0/claimToHeaders"),
            Some(json!([{"header": "X-User-ID", "claim": "sub"}, {"header": "X-Team", "claim": "realm_access.team"}]))
        );
        let removed = found("/spec/rules/0/filters/0/requestHeaderModifier/remove").expect("removed headers");
        let removed = removed.as_array().expect("a list");
        assert!(
            removed.contains(&json!("X-Subtenant-ID")) && !removed.contains(&json!("X-User-ID")),
            "{removed:?}"
        );
    }
}
