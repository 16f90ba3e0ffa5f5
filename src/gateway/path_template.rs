//! The path of each tenant on hosts that all tenants share.

use crate::cluster::Identity;

/// A path with a part that stands for the tenant, such as `/api/v1/tenants/{tenant}`. No tenant's path is below another's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PathTemplate {
    before: String,
    mark: Mark,
    after: String,
}

/// What the part stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mark {
    Name,
    Id,
}

const MARKS: [(&str, Mark); 2] = [("{tenant}", Mark::Name), ("{id}", Mark::Id)];

impl Default for PathTemplate {
    fn default() -> Self {
        Self {
            before: "/tenants/".into(),
            mark: Mark::Name,
            after: String::new(),
        }
    }
}

impl PathTemplate {
    /// Returns a tenant's path.
    pub fn of(&self, owner: &Identity) -> String {
        let part = match self.mark {
            Mark::Name => &owner.tenant,
            Mark::Id => &owner.id,
        };
        format!("{}{part}{}", self.before, self.after)
    }

    /// Reads a template; nothing means the default.
    ///
    /// # Errors
    /// The fault, and what to write instead.
    pub fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.is_empty() {
            return Ok(Self::default());
        }
        let is_plain =
            |part: &str| !part.is_empty() && part.bytes().all(|c| c.is_ascii_alphanumeric() || b"-_~".contains(&c));
        let mut parts = text.split('/');
        let is_absolute = parts.next() == Some("");
        let marks: Vec<(&str, Mark)> = MARKS.into_iter().filter(|(mark, _)| text.contains(mark)).collect();
        let is_whole = parts.all(|part| is_plain(part) || MARKS.iter().any(|(mark, _)| part == *mark));
        let found = match marks.as_slice() {
            [(mark, of)] if is_absolute && is_whole => {
                text.split_once(mark).map(|(before, after)| (before, *of, after))
            }
            _ => None,
        };
        match found {
            Some((before, mark, after)) if !after.contains('{') => Ok(Self {
                before: before.into(),
                mark,
                after: after.into(),
            }),
            _ => Err(format!(
                "{text:.200} is not a path of letters, digits, -, _ and ~, such as /api/v1/tenants/{{tenant}}, with one part {{tenant}} or {{id}}"
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_tenant_has_a_path_of_its_own() {
        let owner = Identity {
            tenant: "acme".into(),
            id: "3f0c".into(),
        };
        for (template, path) in [
            ("", "/tenants/acme"),
            ("/tenants/{tenant}", "/tenants/acme"),
            (" /api/v1/tenants/{tenant} ", "/api/v1/tenants/acme"),
            ("/api/v1/tenants/{id}", "/api/v1/tenants/3f0c"),
            ("/{tenant}/api", "/acme/api"),
            ("/{id}", "/3f0c"),
        ] {
            assert_eq!(
                PathTemplate::parse(template).map(|template| template.of(&owner)),
                Ok(path.into())
            );
        }
        for bad in [
            "/",
            "/api/v1",
            "tenants/{tenant}",
            "/tenants/{tenant}/",
            "//{tenant}",
            "/tenants/t-{tenant}",
            "/{tenant}/{id}",
            "/{tenant}/{tenant}",
            "/../{tenant}",
            "/.well-known/{tenant}",
            "/a b/{tenant}",
            "/a'b/{tenant}",
            "/{name}",
        ] {
            let fault = PathTemplate::parse(bad).expect_err(bad);
            assert!(fault.contains("/api/v1/tenants/{tenant}"), "{fault}");
        }
    }
}
