//! Rights of users.

use super::{Cluster, path};
use anyhow::{Result, ensure};
use futures::{StreamExt, TryStreamExt};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Those that a request can have, and all at once.
pub const VERBS: [&str; 9] = [
    "get",
    "list",
    "watch",
    "create",
    "update",
    "patch",
    "delete",
    "deletecollection",
    "*",
];
/// The most concurrent questions.
const AT_ONCE: usize = 8;

/// Asks the API server whether `user` may; `what` is `verb resource[.group][/subresource]`.
pub async fn may(cluster: &Cluster, user: &str, groups: &[&str], namespace: &str, what: &str) -> Result<bool> {
    let (verb, rest) = what.split_once(' ').unwrap_or((what, ""));
    let (rest, subresource) = rest.split_once('/').unwrap_or((rest, ""));
    let (resource, group) = rest.split_once('.').unwrap_or((rest, ""));
    let body = json!({
        "apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview",
        "spec": {"user": user, "groups": groups, "resourceAttributes": {
            "namespace": namespace, "verb": verb, "group": group, "resource": resource, "subresource": subresource}}
    });
    let answer: Value = cluster.create(&path("subjectaccessreviews", "", ""), &body).await?;
    Ok(answer["status"]["allowed"] == true)
}

/// Returns those among these questions that RBAC answers with yes for `user`.
pub async fn allowed(
    cluster: &Cluster,
    user: &str,
    groups: &[&str],
    namespace: &str,
    questions: &[String],
) -> Result<BTreeSet<String>> {
    let answers = futures::stream::iter(questions).map(async |what| {
        let is_allowed = may(cluster, user, groups, namespace, what).await?;
        anyhow::Ok(is_allowed.then(|| what.clone()))
    });
    let found: Vec<Option<String>> = answers.buffer_unordered(AT_ONCE).try_collect().await?;
    Ok(found.into_iter().flatten().collect())
}

/// Every verb with each of these resources.
pub fn questions(resources: &[String]) -> Vec<String> {
    let each = |resource: &String| VERBS.map(|verb| format!("{verb} {resource}"));
    resources.iter().flat_map(each).collect()
}

/// A RoleBinding of a ClusterRole to one subject, which has no `apiGroup` yet.
pub fn binding(name: &str, role: &str, subject: &Value) -> Value {
    let group = "rbac.authorization.k8s.io";
    let mut subject = subject.clone();
    if subject["kind"] != "ServiceAccount" {
        subject["apiGroup"] = json!(group);
    }
    json!({"apiVersion": format!("{group}/v1"), "kind": "RoleBinding", "metadata": {"name": name},
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": role}, "subjects": [subject]})
}

pub async fn all_allowed(cluster: &Cluster, user: &str, groups: &[&str], namespace: &str, list: &[&str]) -> Result<()> {
    for what in list {
        ensure!(
            may(cluster, user, groups, namespace, what).await?,
            "{user} {groups:?} may not {what} in {namespace}"
        );
    }
    Ok(())
}

pub async fn none_allowed(
    cluster: &Cluster,
    user: &str,
    groups: &[&str],
    namespace: &str,
    list: &[&str],
) -> Result<()> {
    for what in list {
        ensure!(
            !may(cluster, user, groups, namespace, what).await?,
            "{user} {groups:?} may {what} in {namespace}"
        );
    }
    Ok(())
}
