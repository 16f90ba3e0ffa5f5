//! The requests for Secrets that passes over a tenant's own keys make.

use super::super::ValidCredentials;
use super::*;
use crate::api::{CredentialsStatus, DeletionPolicy};
use crate::cluster::fixtures::Cluster;
use crate::cluster::{Identity, Version};
use crate::credentials::signing;
use crate::names;
use crate::tenant::fixtures::{acme, platform};
use k8s_openapi::api::core::v1::Secret;
use serde_json::json;

const SECRETS: [&str; 2] = [names::SIGNING_KEY_SECRET, names::ENCRYPTION_KEY_SECRET];
const READS: [&str; 2] = ["GET tenant-signing-key", "GET tenant-encryption-key"];
const NONE: [&str; 0] = [];

/// A tenant with both kinds of keys, over several passes.
struct Life {
    cluster: Cluster,
    memos: Memos,
    tenant: ValidTenant,
    asked: ValidCredentials,
}

impl Life {
    fn new() -> Self {
        Self {
            cluster: Cluster::default(),
            memos: Memos::default(),
            tenant: acme(
                json!({"credentials": {"signingKey": {}, "encryptionKey": {}}}),
                json!({}),
            ),
            asked: ValidCredentials {
                signing_key: true,
                encryption_key: true,
                abandoned_keys: BTreeSet::new(),
                reported: CredentialsStatus::default(),
            },
        }
    }

    /// A tenant whose keys are there, reported and watched.
    async fn settled() -> Self {
        let mut life = Self::new();
        life.pass().await;
        life.cluster.list(&SECRETS).await;
        life.pass().await;
        life.cluster.asked();
        life
    }

    fn owner(&self) -> Identity {
        self.tenant.core.owner.clone()
    }

    /// One pass, whose status the next one sees. Returns the outcome and the requests for Secrets.
    async fn pass(&mut self) -> (AppliedKeys, Vec<String>) {
        let (writer, platform) = (self.cluster.writer(), platform());
        let pass = Pass {
            writer: &writer,
            store: &self.cluster.store,
            platform: &platform,
            capabilities: &[],
            policy: DeletionPolicy::Delete,
        };
        let outcome = reconcile(&pass, &self.tenant, &self.asked, &self.memos).await;
        let outcome = outcome.expect("a pass");
        self.asked.reported = outcome.status.clone();
        (outcome, self.cluster.asked())
    }
}

#[tokio::test]
async fn a_pass_over_unchanged_keys_reads_no_secret() {
    let mut life = Life::new();
    let (first, asked) = life.pass().await;
    assert_eq!(asked, [READS[0], "POST ", READS[1], "POST "]);
    let (_, asked) = life.pass().await;
    assert_eq!(asked, READS, "no watch shows that they are as they were");
    life.cluster.list(&SECRETS).await;
    let (second, asked) = life.pass().await;
    assert_eq!(asked, NONE);
    assert_eq!(
        (&second.status, &second.keys, second.state.problem().is_none()),
        (&first.status, &first.keys, true)
    );
    let wait = second.again.expect("a time");
    assert!(wait <= first.again.expect("a time") && wait > Duration::from_hours(1));
}

#[tokio::test]
async fn the_pass_after_the_first_needs_no_read_where_the_watch_is_there_already() {
    let mut life = Life::new();
    life.cluster.list(&SECRETS).await;
    life.pass().await;
    // It goes by the version that was written, which no event has shown yet.
    assert_eq!(life.pass().await.1, NONE);
}

#[tokio::test]
async fn whatever_changes_is_read_for() {
    type Change = fn(&mut Life);
    let both: [(&str, Change); 3] = [
        ("a request to rotate", |life| {
            life.tenant.core.rotation.request = Some("now".into());
        }),
        ("another interval", |life| {
            life.tenant.core.rotation.interval = Duration::from_hours(1000);
        }),
        ("a tenant that was forgotten", |life| {
            life.memos.forget(&life.owner().tenant);
        }),
    ];
    for (case, change) in both {
        let mut life = Life::settled().await;
        change(&mut life);
        let (_, asked) = life.pass().await;
        let reads: Vec<&String> = asked.iter().filter(|asked| asked.starts_with("GET")).collect();
        assert_eq!(reads, READS, "{case}");
    }
    let one: [(&str, &str, Change); 4] = [
        ("keys given up", READS[1], |life| {
            life.asked.abandoned_keys.insert("none".into());
        }),
        ("a key of the status that nobody has seen", READS[1], |life| {
            let reported = life.asked.reported.encryption_key.as_mut().expect("keys");
            reported.key_ids.push("lost".into());
        }),
        ("a watch that failed", READS[0], |life| {
            life.cluster.store.secrets.doubt(SECRETS[0]);
        }),
        ("a Secret that others changed", READS[0], |life| {
            let over = json!({"metadata": {"annotations": {"example.com/by": "others"}}});
            life.cluster.change(&life.owner(), SECRETS[0], over);
            let version = json!({"metadata": {"namespace": "acme", "uid": "x", "resourceVersion": "99"}});
            let seen: Secret = serde_json::from_value(version).expect("a Secret");
            let versions = &life.cluster.store.secrets;
            versions.note("acme", SECRETS[0], Some(Version::of(&seen)));
        }),
    ];
    for (case, read, change) in one {
        let mut life = Life::settled().await;
        change(&mut life);
        assert_eq!(life.pass().await.1, [read], "{case}");
    }
}

#[tokio::test]
async fn while_a_key_is_on_its_way_each_pass_reads() {
    let mut life = Life::settled().await;
    life.tenant.core.rotation.request = Some("now".into());
    life.pass().await;
    // The next signing key is published and does not sign yet; the time of the next encryption key is known.
    assert_eq!(life.pass().await.1, [READS[0]]);
}

#[tokio::test]
async fn a_deleted_signing_key_is_made_anew_and_a_lost_encryption_key_is_reported_without_further_reads() {
    let mut life = Life::settled().await;
    let owner = life.owner();
    let kept = SECRETS.map(|name| life.cluster.delete(&owner, name));
    life.cluster.list(&SECRETS).await;
    let (lost, asked) = life.pass().await;
    assert_eq!(asked, [READS[0], "POST ", READS[1]]);
    let is_lost = |outcome: &AppliedKeys| {
        let problem = outcome.state.problem();
        problem.is_some_and(|note| note.reason == reason::ENCRYPTION_KEY_LOST)
    };
    assert!(is_lost(&lost), "{:?}", lost.state);
    let (still, asked) = life.pass().await;
    assert!(is_lost(&still) && asked.is_empty(), "{asked:?}");
    life.cluster.restore(&owner, SECRETS[1], kept[1].clone());
    life.cluster.list(&SECRETS).await;
    let (found, asked) = life.pass().await;
    assert!(!is_lost(&found), "{:?}", found.state);
    assert_eq!(asked, [READS[1]]);
}

#[tokio::test]
async fn what_is_kept_in_memory_has_no_key() {
    let life = Life::settled().await;
    let (owner, rotation, versions) = (life.owner(), &life.tenant.core.rotation, &life.cluster.store.secrets);
    let now = Timestamp::now();
    let signed = life.memos.signing.recall(versions, &owner, rotation, now);
    let inputs = (rotation.clone(), BTreeSet::new());
    let encrypted = life.memos.encryption.recall(versions, &owner, &inputs, now);
    let kept = format!("{:?} {:?}", signed.expect("facts"), encrypted.expect("facts").encrypted);
    for (name, entry) in [(SECRETS[0], signing::PRIVATE_KEY), (SECRETS[1], "current")] {
        let secret: Secret = serde_json::from_value(life.cluster.delete(&owner, name)).expect("a Secret");
        let data = secret.data.expect("data");
        let text = |entry: &str| String::from_utf8(data[entry].0.clone()).expect("text");
        match entry {
            // Its id is no secret, and is kept.
            "current" => assert!(kept.contains(&text(entry)) && !kept.contains(&format!("{:?}", data[&text(entry)].0))),
            entry => assert!(!kept.contains(text(entry).lines().nth(1).expect("PEM")), "{kept}"),
        }
    }
}
