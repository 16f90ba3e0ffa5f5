//! Who may do what.

use super::{Cluster, path};
use anyhow::{Result, ensure};
use serde_json::{Value, json};

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
