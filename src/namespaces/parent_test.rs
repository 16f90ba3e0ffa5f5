//! A parent and its subtenant at one API server.

use super::super::quota_fixtures::{BOOK, Scene, lock, waits, writes};
use super::*;
use crate::capability::Child;
use crate::tenant::fixtures::{self, platform, tier, valid};
use kube::api::ObjectMeta;
use serde_json::json;

const CHILD: &str = "11111111-2222-4333-8444-555555555555";

/// Acme with six pods, and its subtenant north, which asks for so many of them.
struct Families {
    parent: Scene,
    child: Scene,
}

fn families(asked: i64) -> Families {
    let parent = Scene::new(json!([]));
    lock(&parent.server).is_prompt = true;
    let mut tenant = fixtures::tenant(json!({"id": CHILD}));
    tenant.metadata = ObjectMeta {
        name: Some("north".into()),
        ..ObjectMeta::default()
    };
    let tenant = valid(&tenant, &tier(json!({"quota": {"pods": asked}})));
    let child = Scene::of(tenant, parent.server.clone(), parent.store.clone());
    let mut families = Families { parent, child };
    families.relate(asked, 6 - asked);
    families
}

impl Families {
    /// The child asks for so many pods, and the parent's own namespace has this share.
    fn relate(&mut self, asked: i64, share: i64) {
        let owner = &self.parent.tenant.owner;
        self.child.tenant.family.ancestors = vec![owner.clone()];
        let pods = k8s_openapi::apimachinery::pkg::api::resource::Quantity(asked.to_string());
        self.child.tenant.quota.insert("pods".into(), pods.clone());
        self.child.share("north", asked);
        self.parent.share("acme", share);
        self.parent.tenant.family.children = vec![Child {
            owner: Identity {
                tenant: "north".into(),
                id: CHILD.into(),
            },
            asked: [("pods".to_string(), pods)].into(),
            may_grow: true,
        }];
    }

    /// The amounts of the parent's book: granted, its own namespace's, the child's.
    fn books(&self) -> [i64; 3] {
        let (granted, own) = self.parent.book("acme");
        let child = books::tenant(&self.child.tenant.owner);
        [granted, own, self.parent.reserved(&child).1]
    }
}

#[tokio::test(start_paused = true)]
async fn a_subtenant_grows_by_what_its_parent_releases() {
    let mut families = families(2);
    assert_eq!(families.parent.pass().await.0, writes(&[("acme", "0"), ("acme", "4")]));
    assert_eq!(families.child.pass().await.0, writes(&[("north", "0"), ("north", "2")]));
    assert_eq!((families.books(), families.child.book("north")), ([6, 4, 2], (2, 2)));
    let version = lock(&families.parent.server).version;
    families.child.pass().await;
    families.parent.pass().await;
    assert_eq!(lock(&families.parent.server).version, version, "quiet");

    // The child asks for more than its parent has free: four pods run there.
    families.relate(5, 1);
    families.parent.counts("acme", 4);
    let (written, applied) = families.child.pass().await;
    assert_eq!(
        (written, waits(&applied)),
        (writes(&[]), vec!["north has 2 of 5".to_string()])
    );
    let withheld = applied.shortfalls[0]
        .withheld
        .clone()
        .expect("the parent has not granted it");
    assert_eq!(
        (withheld.granted, withheld.asked, withheld.holders),
        (
            Amount::whole(2),
            Amount::whole(5),
            vec![("namespace acme".into(), Amount::whole(4))]
        )
    );
    families.parent.pass().await;
    families.parent.counts("acme", 2);
    families.parent.pass().await;
    assert_eq!(families.books(), [6, 2, 2], "two pods have ended");
    assert_eq!(families.child.pass().await.0, writes(&[("north", "4")]));
    assert_eq!((families.books(), families.child.book("north")), ([6, 2, 4], (4, 4)));
}

#[tokio::test(start_paused = true)]
async fn a_subtenant_gives_back_what_it_no_longer_asks_for() {
    let mut families = families(4);
    families.parent.pass().await;
    families.child.pass().await;
    assert_eq!(families.books(), [6, 2, 4]);
    families.relate(1, 5);
    families.child.pass().await;
    assert_eq!((families.books(), families.child.book("north")), ([6, 2, 1], (1, 1)));
    assert_eq!(families.parent.pass().await.0, writes(&[("acme", "5")]));
    let (writer, platform) = (families.child.writer(), platform());
    end(&families.child.with(&writer, &platform), &families.child.tenant.owner)
        .await
        .expect("ended");
    assert_eq!(families.books(), [6, 5, 0], "a deleted subtenant has nothing");
}

#[tokio::test(start_paused = true)]
async fn the_recount_of_a_parent_counts_its_subtenants() {
    let mut families = families(4);
    families.parent.pass().await;
    families.child.pass().await;
    lock(&families.parent.server).quotas.remove(BOOK);
    let key = books::key(&families.parent.tenant.owner, &platform());
    families.parent.store.forget(&key);
    families.relate(3, 3);
    families.parent.pass().await;
    assert_eq!(families.books(), [6, 2, 4], "what the child holds is not granted again");
    families.child.pass().await;
    families.parent.pass().await;
    assert_eq!(families.books(), [6, 3, 3]);
}
