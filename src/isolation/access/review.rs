//! Asks the API server's authorizers.

use super::reach::Opening;
use super::rule_scope::Attempt;
use k8s_openapi::api::authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use kube::api::{Api, PostParams};
use kube::{Client, Error};

/// A question about an identity's access.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Question {
    pub user: String,
    pub groups: Vec<String>,
    /// None is everywhere.
    pub namespace: Option<String>,
    pub verb: String,
    pub group: String,
    pub resource: String,
    pub name: String,
}

/// Answer of the API server to a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// With its reason.
    Yes(String),
    No,
    /// Nobody said yes, but an authorizer could not be asked.
    Unsure,
}

impl Question {
    /// Returns the question whose yes confirms one attempt of an opening. For a rule with `*` it asks about Secrets.
    pub fn of(opening: &Opening, attempt: &Attempt) -> Self {
        let concrete = |text: &str, otherwise: &str| match text {
            "*" => otherwise.to_string(),
            text => text.to_string(),
        };
        let (group, resource) = match (attempt.group.as_str(), attempt.resource.as_str()) {
            ("*" | "", "*") => (String::new(), "secrets".to_string()),
            (group, resource) => (concrete(group, ""), resource.to_string()),
        };
        Self {
            user: opening.who.user.clone(),
            groups: opening.who.groups.clone(),
            namespace: opening.namespace.clone(),
            verb: concrete(&attempt.verb, "get"),
            group,
            resource,
            name: attempt.name.clone(),
        }
    }

    /// Asks it.
    ///
    /// # Errors
    /// Failures of the request to the API server.
    pub async fn ask(&self, client: &Client) -> Result<Answer, Error> {
        let some = |text: &str| Some(text.to_string()).filter(|text| !text.is_empty());
        let (resource, subresource) = match self.resource.split_once('/') {
            Some((resource, subresource)) => (resource, subresource),
            None => (self.resource.as_str(), ""),
        };
        let review = SubjectAccessReview {
            spec: SubjectAccessReviewSpec {
                user: some(&self.user),
                groups: Some(self.groups.clone()),
                resource_attributes: Some(ResourceAttributes {
                    namespace: self.namespace.clone(),
                    verb: some(&self.verb),
                    group: some(&self.group),
                    resource: some(resource),
                    subresource: some(subresource),
                    name: some(&self.name),
                    ..ResourceAttributes::default()
                }),
                ..SubjectAccessReviewSpec::default()
            },
            ..SubjectAccessReview::default()
        };
        let api: Api<SubjectAccessReview> = Api::all(client.clone());
        let answer = api.create(&PostParams::default(), &review).await?;
        let status = answer.status.unwrap_or_default();
        let error = status.evaluation_error.unwrap_or_default();
        Ok(match status.allowed {
            true => Answer::Yes(status.reason.unwrap_or_default()),
            // A binding to a role that does not exist is an error of RBAC's, and no more than that.
            false if error.is_empty() || error.starts_with("RBAC") => Answer::No,
            false => Answer::Unsure,
        })
    }
}
