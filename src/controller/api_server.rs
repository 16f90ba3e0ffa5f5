//! The addresses of the API server, as pods see it: its Service and its endpoints. Policies are judged by either.

use super::Context;
use crate::cluster::api_server::addresses;
use std::sync::PoisonError;

/// Reads the API server's addresses again. Returns true where they changed; after an error the known ones stay.
pub async fn refresh(ctx: &Context) -> bool {
    match addresses(ctx.writer.client().clone()).await {
        Ok(found) => {
            let mut platform = ctx.platform.write().unwrap_or_else(PoisonError::into_inner);
            let changed = platform.api_server != found;
            platform.api_server = found;
            changed
        }
        Err(error) => {
            tracing::warn!(%error, "the API server's own addresses could not be read");
            false
        }
    }
}
