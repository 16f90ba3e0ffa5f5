//! What the proxies lack is found, in the words of their statistics.

use super::*;
use crate::cluster::Key;
use crate::tenant::fixtures::attachment;
use serde_json::json;

fn route(name: &str, hosts: &[&str], rules: Value) -> Desired {
    Desired {
        key: Key {
            kind: Kind::HttpRoute,
            namespace: "acme".into(),
            name: name.into(),
        },
        value: json!({"spec": {"hostnames": hosts, "rules": rules}}),
        others: Vec::new(),
        takes_over: false,
    }
}

fn served(host: &str, route: &str) -> String {
    let listeners = ["http", "https"].map(|listener| {
        format!(
            "envoy_vhost_route_upstream_rq_total{{envoy_virtual_host=\"gateway-system/platform/{listener}/{host}\",envoy_route=\"acme/{route}\"}} 0\n"
        )
    });
    listeners.concat()
}

fn rule(route: &str, number: usize, healthy: usize) -> String {
    format!(
        "envoy_cluster_membership_healthy{{envoy_cluster_name=\"httproute/acme/{route}/rule/{number}\"}} {healthy}\n"
    )
}

#[test]
fn a_proxy_serves_a_tenant_when_it_has_every_host_rule_and_workload() {
    let (own, answers) = (json!({"backendRefs": [{"name": "web"}]}), json!({"filters": []}));
    let shared = json!({"backendRefs": [{"name": "crm", "namespace": "applications"}]});
    let planned = [
        route("a", &["a.example.com", "b.example.com"], json!([own, answers, shared])),
        route("closed", &["a.example.com"], json!([answers])),
    ];
    let needs = needs(&attachment(), &planned);
    let hosts = [
        served("a_example_com", "a"),
        served("b_example_com", "a"),
        served("a_example_com", "closed"),
    ];
    let rules = [rule("a", 0, 1), rule("a", 2, 3)];
    let at = |available: bool, parts: &[&[String]]| lack(&needs, &read(&parts.concat().concat()), available);
    let has = |parts: &[&[String]]| at(false, parts);
    assert_eq!(has(&[&hosts, &rules]), None);
    // While one backend of a rule has no pod, each has a cluster of its own.
    let split: Vec<String> = rules
        .iter()
        .map(|line| line.replace("rule/0", "rule/0/backend/1"))
        .collect();
    assert_eq!(has(&[&hosts, &split]), None);
    for (what, lacks) in [
        ("host a.example.com of HTTPRoute acme/closed", has(&[])),
        ("host a.example.com of HTTPRoute acme/a", has(&[&hosts[1..], &rules])),
        (
            "host a.example.com of HTTPRoute acme/closed",
            has(&[&hosts[..2], &rules]),
        ),
        ("rule 2 of HTTPRoute acme/a", has(&[&hosts, &rules[..1]])),
        ("host a.example.com of HTTPRoute acme/closed", has(&[&rules])),
    ] {
        assert_eq!(lacks, Some(Lack::Route(what.into())));
    }
    let empty = [rule("a", 0, 0), rule("a", 2, 3)];
    assert_eq!(has(&[&hosts, &empty]), Some(Lack::Workload));
    let graver = has(&[&hosts[1..], &empty]);
    assert!(matches!(graver, Some(Lack::Route(_))), "{graver:?}");
    // Pods of the tenant serve: a proxy must know them. The shared application's may be away.
    let pod = Lack::Route("a pod behind rule 0 of HTTPRoute acme/a".into());
    assert_eq!(at(true, &[&hosts, &empty]), Some(pod));
    assert_eq!(
        at(true, &[&hosts, &[rule("a", 0, 1), rule("a", 2, 0)]]),
        Some(Lack::Workload)
    );
}

/// The first line is what a proxy of Envoy Gateway 1.9.1 said; the others are made after it.
#[test]
fn hosts_behind_listeners_with_dots_in_their_names_are_found() {
    let own = r#"envoy_vhost_example_org_e2e_tls_a_example_org_route_acme_tenant_tls_open_upstream_rq_total{envoy_virtual_host="gateway-system/platform/acme/tenant/e2e-tls-a"} 0"#;
    let below = own.replace("example_org", "e2e_tls_a_example_org");
    let below = below.replace("e2e_tls_a_e2e_tls_a", "www_e2e_tls_a");
    let below = below.replace("tenant/e2e-tls-a", "tenant/www");
    let platform = r#"envoy_vhost_org_e2e_tls_a_example_org_route_acme_tenant_tls_open_upstream_rq_total{envoy_virtual_host="gateway-system/platform/example"} 0"#;
    let any = r#"envoy_vhost_route_upstream_rq_total{envoy_virtual_host="gateway-system/platform/acme/tenant/any-0123456789abcdef/*_example_org",envoy_route="acme/tenant-tls-open"} 0"#;
    let other = own.replace("platform/acme/", "platform/acme-tenant/");
    let does = |hosts: &[&str], lines: &[&str]| {
        let planned = [route("tenant-tls-open", hosts, json!([]))];
        lack(&needs(&attachment(), &planned), &read(&lines.join("\n")), true).is_none()
    };
    let apex = "e2e-tls-a.example.org";
    let www = "www.e2e-tls-a.example.org";
    for (hosts, lines, expected) in [
        (&[apex][..], &[own][..], true),
        (&[apex, www], &[own, &below], true),
        (&[apex, www], &[own], false),
        (&[apex, www], &[&below], false),
        (&[apex], &[&below], false),
        (&[apex], &[&other], false),
        (&[apex], &[platform], true),
        (&["b.example.org"], &[platform], false),
        (&["*.example.org"], &[any], true),
        (&["*.example.com"], &[any], false),
        (&[], &[own], true),
        (&[], &[], false),
    ] {
        assert_eq!(does(hosts, lines), expected, "{hosts:?} {lines:?}");
    }
}

#[test]
fn a_route_is_waited_for_and_a_workload_only_for_a_while() {
    let route = || Some(Lack::Route("host a".into()));
    let soon = Duration::from_secs(1);
    for (lack, was_ready, waited, expected) in [
        (None, false, soon, None),
        (Some(Lack::Workload), false, soon, Some((REST, "no ready workload yet"))),
        (Some(Lack::Workload), false, EMPTY, None),
        (Some(Lack::Workload), true, soon, None),
        (route(), true, EMPTY, Some((REST, "not have all routes yet"))),
        (route(), false, LATE, Some((LATE_REQUEUE, "host a"))),
    ] {
        let what = format!("{lack:?} {was_ready} {waited:?}");
        match (judge(lack, was_ready, waited), expected) {
            (Served::Yes, None) => {}
            (Served::NotYet(again, words), Some((due, part))) => {
                assert!(again == due && words.contains(part), "{what}: {words}");
            }
            (said, _) => panic!("{what}: {said:?}"),
        }
    }
}

#[test]
fn proxies_that_cannot_be_read_are_waited_for_unless_the_routes_were_ready() {
    let soon = Duration::from_secs(1);
    assert!(matches!(unread(false, soon), Served::NotYet(REST, words) if words.contains("cannot read")));
    assert_eq!(unread(true, soon), Served::Yes);
    assert_eq!(unread(false, LATE), Served::Yes);
}

#[test]
fn only_proxies_that_serve_are_asked() {
    let pod = |ready: &str, deleted: Value| -> Pod {
        let value = json!({"metadata": {"deletionTimestamp": deleted}, "status": {"podIP": "10.0.0.1",
            "conditions": [{"type": "Ready", "status": ready}]}});
        serde_json::from_value(value).expect("a pod")
    };
    let is_asked = serves;
    assert!(is_asked(&pod("True", Value::Null)));
    assert!(!is_asked(&pod("False", Value::Null)));
    assert!(!is_asked(&pod("True", json!("2026-01-01T00:00:00Z"))));
    assert!(!is_asked(&Pod::default()));
}

#[test]
fn pods_that_are_new_to_the_proxies_are_waited_for() {
    let now = Instant::now();
    let before = now.checked_sub(EMPTY * 2).expect("an earlier moment");
    let last = |available: bool, said: Served| Looked {
        needs: 1,
        available,
        since: before,
        said,
    };
    let waits = || not_yet(REST);
    let anew = |was_ready| Look {
        since: now,
        was_ready,
        before: None,
    };
    let on = |said| Look {
        since: before,
        was_ready: true,
        before: Some(said),
    };
    for (what, last, available, wanted) in [
        ("the first look", None, false, Some(anew(true))),
        ("what was served", Some(last(true, Served::Yes)), true, None),
        ("pods that went", Some(last(true, Served::Yes)), false, None),
        (
            "pods that came",
            Some(last(false, Served::Yes)),
            true,
            Some(anew(false)),
        ),
        (
            "pods that came while it waited",
            Some(last(false, waits())),
            true,
            Some(anew(false)),
        ),
        (
            "still without pods",
            Some(last(false, waits())),
            false,
            Some(on(waits())),
        ),
        ("still with them", Some(last(true, waits())), true, Some(on(waits()))),
        (
            "other routes",
            Some(Looked {
                needs: 2,
                ..last(true, Served::Yes)
            }),
            true,
            Some(anew(true)),
        ),
    ] {
        assert_eq!(begin(last.as_ref(), 1, available, true, now), wanted, "{what}");
    }
}
