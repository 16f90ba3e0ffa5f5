//! Facts hold until any of what they follow from changes.

use super::*;
use crate::cluster::fixtures::Cluster;
use crate::cluster::secret;
use std::collections::BTreeMap;

const NAME: &str = "tenant-database";

fn owner(id: &str) -> Identity {
    Identity {
        tenant: "acme".into(),
        id: id.into(),
    }
}

fn at(text: &str) -> Timestamp {
    format!("2026-01-01T{text}Z").parse().expect("a time")
}

#[tokio::test]
async fn facts_hold_until_something_changes_that_they_follow_from() {
    let (cluster, owner) = (Cluster::default(), owner("id-1"));
    let (writer, memo) = (cluster.writer(), Memo::default());
    let made = secret::opaque(&owner, NAME, BTreeMap::new());
    let version = secret::put(&writer, &owner, None, made).await.expect("written");
    let secrets = || {
        vec![
            (NAME.to_string(), Some(version.clone())),
            ("tenant-api-keys".into(), None),
        ]
    };
    let keep = |until: Option<Timestamp>| {
        let entry = MemoEntry {
            secrets: secrets(),
            inputs: "spec",
            since: at("10:00:00"),
            until,
            facts: 7,
        };
        memo.keep(&owner, entry);
    };
    let at_noon = |owner: &Identity, inputs| memo.recall(writer.secrets(), owner, &inputs, at("12:00:00"));
    keep(Some(at("13:00:00")));
    assert_eq!(at_noon(&owner, "spec"), None, "no watch has shown anything");
    cluster.list(&[NAME]).await;
    assert_eq!(at_noon(&owner, "spec"), None, "one watch is missing");
    cluster.list(&["tenant-api-keys"]).await;
    assert_eq!(at_noon(&owner, "spec"), Some(7));

    assert_eq!(at_noon(&owner, "another spec"), None);
    let another = Identity {
        id: "id-2".into(),
        ..owner.clone()
    };
    assert_eq!(at_noon(&another, "spec"), None, "another tenant of the same name");
    for (time, facts) in [
        ("09:59:59", None),
        ("10:00:00", Some(7)),
        ("12:59:59", Some(7)),
        ("13:00:00", None),
    ] {
        assert_eq!(
            memo.recall(writer.secrets(), &owner, &"spec", at(time)),
            facts,
            "{time}"
        );
    }
    keep(None);
    assert_eq!(memo.recall(writer.secrets(), &owner, &"spec", at("23:00:00")), Some(7));

    cluster.store.secrets.doubt(NAME);
    assert_eq!(at_noon(&owner, "spec"), None, "the watch failed");
    cluster.list(&[NAME]).await;
    assert_eq!(at_noon(&owner, "spec"), Some(7));
    cluster.change(&owner, NAME, serde_json::json!({"data": {"a": "Yg=="}}));
    cluster.list(&[NAME]).await;
    assert_eq!(at_noon(&owner, "spec"), None, "others changed the Secret");

    memo.forget("acme");
    assert!(memo.lock().is_empty());
}
