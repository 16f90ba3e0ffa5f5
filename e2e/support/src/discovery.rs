//! Discovery of every resource and subresource in every version that the API server serves.

use super::{Cluster, pods, rights, text};
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

#[derive(Clone, Debug)]
pub struct Resource {
    /// `group/version`, or `v1`.
    pub version: String,
    pub group: String,
    pub plural: String,
    pub subresource: String,
    /// The kind of its body.
    kind: Value,
    pub namespaced: bool,
    pub is_listed: bool,
}

impl Resource {
    pub fn title(&self) -> String {
        title(&self.plural, &self.group, &self.subresource)
    }

    /// Returns its path; the collection's if `name` is empty.
    pub fn path(&self, namespace: &str, name: &str) -> String {
        let root = if self.group.is_empty() { "/api" } else { "/apis" };
        let mut path = format!("{root}/{}", self.version);
        if self.namespaced && !namespace.is_empty() {
            path += &format!("/namespaces/{namespace}");
        }
        for part in [self.plural.as_str(), name, self.subresource.as_str()] {
            if !part.is_empty() {
                path += &format!("/{part}");
            }
        }
        path
    }

    /// Returns the smallest body that can be decoded; a valid one of a Pod and a RoleBinding, so that the policies see it.
    pub fn body(&self, name: &str) -> Value {
        let mut body = self.kind.clone();
        body["metadata"] = json!({"name": name});
        match self.title().as_str() {
            "pods" => body["spec"] = pods::spec(),
            "rolebindings.rbac.authorization.k8s.io" => {
                let viewer = json!({"kind": "User", "name": "somebody"});
                body = rights::binding(name, "tenant-operator-tenant-viewer", &viewer);
            }
            _ => {}
        }
        body
    }
}

/// `plural[.group][/subresource]`, as [`rights::may`] reads it.
pub fn title(plural: &str, group: &str, subresource: &str) -> String {
    let part = |mark: &str, text: &str| match text {
        "" => String::new(),
        _ => format!("{mark}{text}"),
    };
    plural.to_owned() + &part(".", group) + &part("/", subresource)
}

/// Returns the titles of the resources that a rule of RBAC names.
pub fn titles_of(rule: &Value) -> Vec<String> {
    let list = |key: &str| -> Vec<String> { rule[key].as_array().into_iter().flatten().map(text).collect() };
    let mut titles = Vec::new();
    for group in list("apiGroups") {
        for resource in list("resources") {
            let (plural, subresource) = resource.split_once('/').unwrap_or((&resource, ""));
            titles.push(title(plural, &group, subresource));
        }
    }
    titles
}

/// Everything that is served.
pub async fn resources(cluster: &Cluster) -> Result<Vec<Resource>> {
    let mut places = vec![("/api".to_owned(), "v1".to_owned(), String::new())];
    let groups = cluster.get("/apis").await.context("the groups")?;
    for group in groups["groups"].as_array().into_iter().flatten() {
        for version in group["versions"].as_array().into_iter().flatten() {
            places.push(("/apis".to_owned(), text(&version["groupVersion"]), text(&group["name"])));
        }
    }
    let mut found = Vec::new();
    for (root, version, group) in places {
        let list = cluster.get(&format!("{root}/{version}")).await;
        let list = list.with_context(|| version.clone())?;
        for resource in list["resources"].as_array().into_iter().flatten() {
            found.push(read(resource, &version, &group));
        }
    }
    ensure!(found.len() > 100, "there are more resources than these {}", found.len());
    Ok(found)
}

fn read(resource: &Value, version: &str, group: &str) -> Resource {
    let name = text(&resource["name"]);
    let (plural, subresource) = name.split_once('/').unwrap_or((&name, ""));
    // A subresource may take a body of another group, such as an Eviction.
    let of = match (resource["group"].as_str(), resource["version"].as_str()) {
        (Some(group), Some(version)) if !group.is_empty() => format!("{group}/{version}"),
        _ => version.to_owned(),
    };
    Resource {
        version: version.to_owned(),
        group: group.to_owned(),
        plural: plural.to_owned(),
        subresource: subresource.to_owned(),
        kind: json!({"apiVersion": of, "kind": resource["kind"]}),
        namespaced: resource["namespaced"] == true,
        is_listed: resource["verbs"]
            .as_array()
            .into_iter()
            .flatten()
            .any(|verb| verb == "list"),
    }
}

/// Returns the titles, each once, of namespaced or cluster-wide resources; with subresources.
pub fn titles(resources: &[Resource], namespaced: bool) -> Vec<String> {
    let fitting = resources.iter().filter(|resource| resource.namespaced == namespaced);
    let mut titles: Vec<_> = fitting.map(Resource::title).collect();
    titles.sort();
    titles.dedup();
    titles
}

/// All that is in a namespace, each once, with its path; without events, which come and go.
pub async fn objects(cluster: &Cluster, resources: &[Resource], namespace: &str) -> Result<Vec<(String, Value)>> {
    let mut found = Vec::new();
    let listed = resources
        .iter()
        .filter(|r| r.namespaced && r.is_listed && r.plural != "events");
    for resource in listed {
        for object in cluster.list(&resource.path(namespace, "")).await? {
            let at = resource.path(namespace, &text(&object["metadata"]["name"]));
            let mut whole = resource.kind.clone();
            for (key, value) in object.as_object().into_iter().flatten() {
                whole[key] = value.clone();
            }
            found.push((at, whole));
        }
    }
    Ok(found)
}

/// Returns the served paths that are no resources, such as `/metrics`.
pub async fn other_paths(cluster: &Cluster) -> Result<Vec<String>> {
    let root = cluster.get("/").await.context("the root")?;
    let paths = root["paths"].as_array().cloned().unwrap_or_default();
    let others = paths.iter().map(text).filter(|path| !path.starts_with("/api"));
    let mut others: Vec<_> = others.collect();
    // Served, but not listed.
    others.extend(["/debug/pprof/", "/logs/"].map(str::to_owned));
    ensure!(others.len() > 10, "there are more paths than {others:?}");
    Ok(others)
}
