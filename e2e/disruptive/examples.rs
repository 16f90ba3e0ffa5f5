//! The seeds' times, with nothing else at work.

use crate::support::database::Site;
use crate::support::example::{NAMES, apply, remove};
use crate::support::gateway::Door;
use anyhow::{Result, ensure};
use std::time::Duration;

/// "Tenant creation: less than 30 s."
const CREATION: Duration = Duration::from_secs(30);

#[tokio::test]
async fn all_tenants_of_each_example_are_ready_in_half_a_minute() -> Result<()> {
    let test = "all_tenants_of_each_example_are_ready_in_half_a_minute";
    if Site::find(test).is_none() || Door::find(test).is_none() {
        return Ok(());
    }
    for name in NAMES {
        let applied = apply(name).await;
        remove(name).await?;
        let after = applied?;
        println!("{name}: all Ready after {after:?}");
        ensure!(after < CREATION, "{name}: all Ready after {after:?}");
    }
    Ok(())
}
