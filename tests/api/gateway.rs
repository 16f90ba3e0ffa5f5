//! `spec.gateway` of a Tenant.

use crate::harness::Dry;
use anyhow::Result;
use serde_json::{Value, json};

fn hosts(list: &[&str]) -> Value {
    json!({"gateway": {"hosts": list}})
}

#[tokio::test]
async fn hosts_are_written_in_one_way_only() -> Result<()> {
    let dry = Dry::tenant().await?;
    for good in [
        "tenant-a.api.example.com",
        "*.example.com",
        "xn--bcher-kva.example",
        "1.example.com",
    ] {
        dry.accepts(good, hosts(&[good])).await?;
    }
    let long = format!("{}.example.com", "a".repeat(64));
    for bad in [
        "Tenant-A.example.com",
        "example.com.",
        "*.com",
        "*",
        "localhost",
        "a.*.example.com",
        "*a.example.com",
        "-a.example.com",
        "a..example.com",
        "a_b.example.com",
        "https://example.com",
        "example.com:443",
        " example.com",
        "bücher.example",
        &long,
    ] {
        dry.refuses(bad, hosts(&[bad]), &["spec.gateway.hosts"]).await?;
    }
    dry.refuses("twice", hosts(&["a.example.com", "a.example.com"]), &["Duplicate"])
        .await?;
    let many: Vec<String> = (0..65).map(|number| format!("h{number}.example.com")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    dry.accepts("64", hosts(&many[..64])).await?;
    dry.refuses("65", hosts(&many), &["spec.gateway.hosts", "64"]).await
}
