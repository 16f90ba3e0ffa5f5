//! The requests for Secrets that passes over a tenant's API keys make.

use super::*;
use crate::cluster::fixtures::Cluster;
use crate::gateway::fixtures::key;
use crate::tenant::fixtures::{acme, tenant, with};
use crate::time::after;
use serde_json::{Value, json};

const ALL: &str = "GET tenant-api-keys";
const NONE: [&str; 0] = [];

/// A tenant with API keys, over several passes.
struct Life {
    cluster: Cluster,
    memos: Memos,
    tenant: ValidTenant,
    wanted: Vec<ValidApiKey>,
    are_single: bool,
}

impl Life {
    fn new(are_single: bool) -> Self {
        Self {
            cluster: Cluster::default(),
            memos: Memos::default(),
            tenant: acme(json!({}), json!({})),
            wanted: vec![key("ci"), key("web")],
            are_single,
        }
    }

    /// A tenant whose keys are there and watched.
    async fn settled(are_single: bool) -> Self {
        let mut life = Self::new(are_single);
        life.pass().await;
        life.list().await;
        life
    }

    fn owner(&self) -> Identity {
        self.tenant.core.owner.clone()
    }

    async fn list(&self) {
        let names = secrets(self.are_single);
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        self.cluster.list(&names).await;
    }

    /// One pass; returns what it came to, and the requests for Secrets.
    async fn pass(&mut self) -> (ApiKeys, Vec<String>) {
        let writer = self.cluster.writer();
        let keys = reconcile(&writer, &self.tenant, &self.wanted, self.are_single, &self.memos).await;
        (keys.expect("a pass"), self.cluster.asked())
    }

    /// The reads of a pass.
    async fn reads(&mut self) -> Vec<String> {
        let mut asked = self.pass().await.1;
        asked.retain(|asked| asked.starts_with("GET"));
        asked
    }
}

/// The Secrets of two keys, and of each the former one.
const SINGLE: [&str; 4] = [
    "GET tenant-api-key-1",
    "GET tenant-api-key-1-former",
    "GET tenant-api-key-2",
    "GET tenant-api-key-2-former",
];

#[tokio::test]
async fn a_pass_over_unchanged_keys_reads_no_secret() {
    for are_single in [false, true] {
        let mut life = Life::new(are_single);
        let (first, asked) = life.pass().await;
        assert_eq!(asked.len(), if are_single { 10 } else { 2 }, "{asked:?}");
        let reads = match are_single {
            true => [&[ALL][..], &SINGLE].concat(),
            false => vec![ALL],
        };
        assert_eq!(life.reads().await, reads, "no watch shows that they are as they were");
        life.list().await;
        let (second, asked) = life.pass().await;
        assert_eq!(asked, NONE, "{are_single}");
        assert_eq!((&second.status, &second.slots), (&first.status, &first.slots));
        assert_eq!(second.slots.len(), if are_single { 2 } else { 0 });
        assert!(second.again.is_some() && second.again <= first.again);
    }
}

#[tokio::test]
async fn whatever_changes_is_read_for() {
    type Change = fn(&mut Life);
    let cases: [(&str, Change); 8] = [
        ("another key", |life| life.wanted.push(key("more"))),
        ("one key less", |life| drop(life.wanted.pop())),
        ("a key that expires", |life| {
            life.wanted[0].expires_at = Some(after(Timestamp::now(), Duration::from_hours(1)));
        }),
        ("another role", |life| life.wanted[0].roles.push("admin".into())),
        ("a request to rotate", |life| {
            life.tenant.core.rotation.request = Some("now".into());
        }),
        ("another gateway", |life| life.are_single = !life.are_single),
        ("a watch that failed", |life| {
            life.cluster.store.secrets.doubt(names::API_KEYS_SECRET);
        }),
        ("a tenant that was forgotten", |life| life.memos.forget("acme")),
    ];
    for are_single in [false, true] {
        for (case, change) in &cases {
            let mut life = Life::settled(are_single).await;
            change(&mut life);
            let reads = life.reads().await;
            assert!(reads.first().is_some_and(|read| read == ALL), "{case}: {reads:?}");
        }
    }
}

#[tokio::test]
async fn each_of_its_secrets_is_mended_when_others_change_or_delete_it() {
    let names = secrets(true);
    for name in &names[..5] {
        let mut life = Life::settled(true).await;
        let owner = life.owner();
        life.cluster.change(&owner, name, json!({"data": {"theirs": "eA=="}}));
        life.list().await;
        let (_, asked) = life.pass().await;
        assert!(asked.contains(&format!("PUT {name}")), "{asked:?}");
        assert_eq!(life.pass().await.1, NONE, "{name}");
        life.cluster.delete(&owner, name);
        life.list().await;
        let (_, asked) = life.pass().await;
        assert!(asked.contains(&"POST ".to_string()), "{asked:?}");
        assert_eq!(life.pass().await.1, NONE, "{name}");
    }
}

#[tokio::test]
async fn a_rotation_in_time_is_not_missed() {
    let mut life = Life::settled(false).await;
    life.tenant.core.rotation.interval = Duration::from_secs(1);
    life.tenant.core.rotation.overlap = Duration::ZERO;
    life.pass().await;
    assert_eq!(life.pass().await.1, NONE, "it is not due yet");
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!(life.reads().await, [ALL]);
}

/// A Tenant whose status reports these keys, and whose spec names `ci` only.
fn reporting(keys: &[&str]) -> Tenant {
    let keys: Vec<Value> = keys
        .iter()
        .map(|name| json!({"name": name, "issuedAt": "2026-01-01T00:00:00Z"}))
        .collect();
    let mut tenant = tenant(json!({"gateway": {"authentication": {"apiKeys": [{"name": "ci"}]}}}));
    tenant.status = serde_json::from_value(json!({"gateway": {"apiKeys": keys}})).expect("a status");
    tenant
}

#[tokio::test]
async fn an_invalid_tenant_whose_keys_were_revoked_is_not_read_for_again() {
    let life = Life::settled(false).await;
    let (writer, owner) = (life.cluster.writer(), life.owner());
    let tenant = reporting(&["ci", "web"]);
    life.cluster.asked();
    let revoke = async || {
        revoke_keys(&writer, &tenant, &owner, &life.memos)
            .await
            .expect("revoked");
        revoke_expired_keys(&writer, &tenant, &owner, &life.memos)
            .await
            .expect("revoked");
        life.cluster.asked()
    };
    assert_eq!(revoke().await, [ALL, "PUT tenant-api-keys", ALL]);
    assert_eq!(revoke().await, NONE);
    life.cluster
        .change(&owner, names::API_KEYS_SECRET, json!({"data": {"web": "b3RoZXI="}}));
    life.list().await;
    assert_eq!(revoke().await, [ALL, "PUT tenant-api-keys", ALL]);
    life.cluster.delete(&owner, names::API_KEYS_SECRET);
    life.list().await;
    assert_eq!(revoke().await, [ALL, ALL]);
    assert_eq!(revoke().await, NONE);
}

#[tokio::test]
async fn a_former_key_of_an_invalid_tenant_dies_in_time() {
    let mut life = Life::settled(false).await;
    life.tenant.core.rotation.request = Some("now".into());
    life.pass().await;
    let (writer, owner) = (life.cluster.writer(), life.owner());
    // As a pass leaves it that ended a turn.
    let until = |millis: u64| after(Timestamp::now(), Duration::from_millis(millis));
    let record = |until: Timestamp| {
        let record = json!({"ci": {"issuedAt": "2026-01-01T00:00:00Z", "previousUntil": until}});
        json!({"metadata": {"annotations": {names::API_KEYS: record.to_string()}}, "data": {"ci.previous": "b2xk"}})
    };
    life.cluster.change(&owner, names::API_KEYS_SECRET, record(until(700)));
    life.list().await;
    life.cluster.asked();
    let tenant = reporting(&["ci"]);
    let revoke_expired = async || {
        revoke_expired_keys(&writer, &tenant, &owner, &life.memos)
            .await
            .expect("revoked");
        life.cluster.asked()
    };
    let first = revoke_expired().await;
    assert_eq!(first[0], ALL);
    assert_eq!(revoke_expired().await, NONE);
    tokio::time::sleep(Duration::from_millis(800)).await;
    assert_eq!(revoke_expired().await, [ALL, "PUT tenant-api-keys"]);
    assert_eq!(revoke_expired().await, NONE);
}

#[tokio::test]
async fn a_tenant_without_keys_is_not_read_for() {
    let mut life = Life::new(true);
    life.wanted.clear();
    life.tenant = with(life.tenant, ReportedKeys(false));
    assert_eq!(life.pass().await.1, NONE);
}
