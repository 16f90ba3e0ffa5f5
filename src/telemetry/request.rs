//! Classification of an API request by its method and URL, in words that never include a name.

use http::{Method, Uri};

/// The verb and resource of an API request, as RBAC and the audit log name them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct ApiRequest {
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete` or `deletecollection`; `dryrun` for requests without effect, most of which the API server
    /// refuses.
    pub verb: &'static str,
    /// The plural, with the subresource after a slash if any; `-` for other paths, such as `/version`.
    pub resource: String,
}

impl ApiRequest {
    /// Classifies a request with this method and URL; the URL's host does not matter.
    pub fn of(method: &Method, uri: &Uri) -> Self {
        let path: Vec<&str> = uri.path().split('/').filter(|part| !part.is_empty()).collect();
        let (resource, named) = resource(&path);
        let verb = match *method {
            _ if is_dry_run(uri.query().unwrap_or_default()) => "dryrun",
            Method::POST => "create",
            Method::PUT => "update",
            Method::PATCH => "patch",
            Method::DELETE if named => "delete",
            Method::DELETE => "deletecollection",
            _ if is_watch(uri.query().unwrap_or_default()) => "watch",
            _ if named || resource == "-" => "get",
            _ => "list",
        };
        Self { verb, resource }
    }

    /// Returns true if the request may change something, or has the API server note that it was asked.
    pub fn is_write(&self) -> bool {
        !matches!(self.verb, "get" | "list" | "watch" | "dryrun")
    }
}

fn is_watch(query: &str) -> bool {
    query.split('&').any(|pair| matches!(pair, "watch=1" | "watch=true"))
}

fn is_dry_run(query: &str) -> bool {
    query.split('&').any(|pair| pair.starts_with("dryRun="))
}

/// The resource, and whether the path names one object of it.
fn resource(path: &[&str]) -> (String, bool) {
    let rest = match path {
        ["api", _version, rest @ ..] => rest,
        ["apis", _group, _version, rest @ ..] => rest,
        _ => &[],
    };
    match rest {
        // Subresources of a namespace itself, not in it: these are its only ones.
        ["namespaces", _, sub @ ("status" | "finalize")] => (format!("namespaces/{sub}"), true),
        ["namespaces", _, plural] | [plural] => ((*plural).to_owned(), false),
        ["namespaces", _, plural, _] | [plural, _] => ((*plural).to_owned(), true),
        ["namespaces", _, plural, _, sub, ..] | [plural, _, sub, ..] => (format!("{plural}/{sub}"), true),
        [] => ("-".to_owned(), false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verbs_and_resources() {
        let table = [
            (
                "POST",
                "/api/v1/namespaces/a/pods?dryRun=All&fieldManager=x",
                "dryrun",
                "pods",
            ),
            ("GET", "/api/v1/namespaces", "list", "namespaces"),
            ("GET", "/api/v1/namespaces/a", "get", "namespaces"),
            ("PUT", "/api/v1/namespaces/a/finalize", "update", "namespaces/finalize"),
            (
                "PATCH",
                "/api/v1/namespaces/a/status?fieldManager=x",
                "patch",
                "namespaces/status",
            ),
            ("GET", "/api/v1/namespaces/a/pods?limit=500", "list", "pods"),
            ("GET", "/api/v1/pods?watch=true&timeoutSeconds=290", "watch", "pods"),
            (
                "GET",
                "/apis/apps/v1/namespaces/a/deployments?&watch=1",
                "watch",
                "deployments",
            ),
            (
                "POST",
                "/api/v1/namespaces/a/pods/b/eviction",
                "create",
                "pods/eviction",
            ),
            (
                "POST",
                "/api/v1/namespaces/a/serviceaccounts/default/token",
                "create",
                "serviceaccounts/token",
            ),
            (
                "DELETE",
                "/apis/apps/v1/namespaces/a/deployments/b",
                "delete",
                "deployments",
            ),
            (
                "DELETE",
                "/apis/apps/v1/namespaces/a/deployments",
                "deletecollection",
                "deployments",
            ),
            ("GET", "/apis/tenant-operator.io/v1alpha1/tenants/a", "get", "tenants"),
            (
                "PATCH",
                "/apis/tenant-operator.io/v1alpha1/tenants/a/status",
                "patch",
                "tenants/status",
            ),
            ("GET", "/version", "get", "-"),
            ("GET", "/apis/apps/v1", "get", "-"),
            ("GET", "/", "get", "-"),
        ];
        for (method, url, verb, resource) in table {
            let method = Method::from_bytes(method.as_bytes()).expect("a method");
            let kind = ApiRequest::of(&method, &url.parse().expect("a URL"));
            assert_eq!((kind.verb, kind.resource.as_str()), (verb, resource), "{method} {url}");
        }
    }
}
