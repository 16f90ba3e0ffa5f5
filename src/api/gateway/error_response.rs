//! Answers of the gateway in the place of its plain errors.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// An answer of the gateway itself, such as 401, 403, 429 or 503. Answers of workloads stay as they are.
#[derive(Serialize, Deserialize, KubeSchema, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct ErrorResponse {
    /// Status of the answer.
    #[schemars(range(min = 400, max = 599))]
    pub status: i32,
    /// Body of the answer.
    #[schemars(length(max = 4096))]
    pub body: String,
    /// `Content-Type` of the body, the same in all languages of a status. Absent means `text/plain; charset=utf-8`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 3, max = 127),
        regex(
            pattern = r"^[A-Za-z0-9][-A-Za-z0-9.+_]*/[A-Za-z0-9][-A-Za-z0-9.+_]*(; ?[-A-Za-z0-9]+=[-A-Za-z0-9._]+)*$"
        )
    )]
    pub content_type: Option<String>,
    /// Language of the body, such as `de` or `pt-BR`, for clients that name it first in `Accept-Language`. Absent means for all other clients. Not every
    /// gateway supports this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 2, max = 16), regex(pattern = r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})?$"))]
    pub language: Option<String>,
}
