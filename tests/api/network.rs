//! `spec.network`, of a Tenant and of a tier.

use crate::harness::Dry;
use anyhow::Result;
use serde_json::{Value, json};

fn to(rule: Value) -> Value {
    json!({"network": {"egress": {"to": [rule]}}})
}

#[tokio::test]
async fn cidrs_are_checked() -> Result<()> {
    for dry in [Dry::tenant().await?, Dry::tier().await?] {
        for good in ["203.0.113.0/24", "198.51.100.7/32", "2001:db8::/32"] {
            dry.accepts(good, to(json!({"cidr": good}))).await?;
        }
        for bad in [
            "203.0.113.0",
            "203.0.113.0/33",
            "300.0.0.0/8",
            "example.com",
            "2001:db8::/129",
            "1.2.3.4/24 ",
        ] {
            dry.refuses(
                bad,
                to(json!({"cidr": bad})),
                &["cidr", "must be a CIDR such as 203.0.113.0/24"],
            )
            .await?;
        }
        dry.refuses("an empty CIDR", to(json!({"cidr": ""})), &["cidr"]).await?;
        dry.refuses("no CIDR", to(json!({"ports": []})), &["cidr", "required"])
            .await?;
    }
    Ok(())
}

#[tokio::test]
async fn ports_are_checked() -> Result<()> {
    let dry = Dry::tenant().await?;
    let with = |port: Value| to(json!({"cidr": "203.0.113.0/24", "ports": [port]}));
    for good in [
        json!({"port": 1}),
        json!({"port": 65535, "protocol": "UDP"}),
        json!({"port": 80, "endPort": 80}),
        json!({"port": 80, "endPort": 90, "protocol": "TCP"}),
        json!({"port": 9, "protocol": "SCTP"}),
    ] {
        dry.accepts(&good.to_string(), with(good.clone())).await?;
    }
    for (bad, word) in [
        (json!({"port": 0}), "port"),
        (json!({"port": 65536}), "port"),
        (json!({"port": "http"}), "port"),
        (json!({"port": 80, "endPort": 79}), "endPort must not be below port"),
        (json!({"port": 80, "endPort": 70000}), "endPort"),
        (json!({"port": 80, "protocol": "ICMP"}), "protocol"),
        (json!({"endPort": 80}), "port"),
    ] {
        dry.refuses(&bad.to_string(), with(bad.clone()), &[word]).await?;
    }
    Ok(())
}

#[tokio::test]
async fn access_is_allow_or_deny() -> Result<()> {
    let dry = Dry::tenant().await?;
    for access in ["Allow", "Deny"] {
        let all =
            json!({"network": {"ingress": {"gateway": access}, "egress": {"internet": access, "apiServer": access}}});
        dry.accepts(access, all).await?;
    }
    for field in ["/ingress/gateway", "/egress/internet", "/egress/apiServer"] {
        let (side, name) = field[1..].split_once('/').unwrap_or_default();
        dry.refuses(
            field,
            json!({"network": {side: {name: "allow"}}}),
            &[name, "Unsupported value"],
        )
        .await?;
    }
    Ok(())
}

#[tokio::test]
async fn peers_are_named_once() -> Result<()> {
    let dry = Dry::tenant().await?;
    let peers = |peers: Value| json!({"network": {"ingress": {"tenants": peers}}});
    dry.accepts("two peers", peers(json!([{"name": "a"}, {"name": "b"}])))
        .await?;
    dry.refuses(
        "a peer twice",
        peers(json!([{"name": "a"}, {"name": "a"}])),
        &["tenants[1]", "Duplicate"],
    )
    .await?;
    dry.refuses("a peer without name", peers(json!([{}])), &["name"])
        .await?;
    dry.refuses("an empty name", peers(json!([{"name": ""}])), &["name"])
        .await?;
    dry.refuses("a long name", peers(json!([{"name": "x".repeat(54)}])), &["name"])
        .await?;
    let many = |count: u32| Value::Array((0..count).map(|i| json!({"name": format!("p{i}")})).collect());
    dry.accepts("64 peers", peers(many(64))).await?;
    dry.refuses("65 peers", peers(many(65)), &["tenants", "64"]).await
}

#[tokio::test]
async fn destinations_are_bounded() -> Result<()> {
    let dry = Dry::tenant().await?;
    let many = |count: u32| {
        json!({"network": {"egress": {"to":
        (0..count).map(|i| json!({"cidr": format!("203.0.{i}.0/24")})).collect::<Vec<_>>()}}})
    };
    dry.accepts("64 destinations", many(64)).await?;
    dry.refuses("65 destinations", many(65), &["egress.to", "64"]).await?;
    let ports = |count: u32| {
        to(json!({"cidr": "203.0.113.0/24",
        "ports": (1..=count).map(|p| json!({"port": p})).collect::<Vec<_>>()}))
    };
    dry.accepts("32 ports", ports(32)).await?;
    dry.refuses("33 ports", ports(33), &["ports", "32"]).await
}
