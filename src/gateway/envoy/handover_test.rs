//! Order of writes: a path that asks for credentials before and after a change asks for them at every step between.

use super::super::{CREDENTIALS, guard, is_blocked, write};
use super::*;
use crate::cluster::{Desired, Kind};
use crate::tenant::fixtures::{acme, attachment, gateway_config};
use std::collections::BTreeMap;

/// A request: its host and path, and whether its `X-API-Key` is there.
type Asked = (&'static str, &'static str);

const HOSTS: [&str; 3] = ["acme.example.com", "shop.example.com", "extra.example.com"];
const PATHS: [&str; 12] = [
    "/", "/admin", "/admin/x", "/billing", "/p0", "/p1", "/p2", "/p3", "/p4", "/p5", "/p6", "/p7",
];

fn route(path: &str, roles: &[&str]) -> Value {
    json!({"path": {"type": "PathPrefix", "value": path}, "backend": {"workload": "web"}, "roles": roles})
}

fn open(path: &str) -> Value {
    json!({"path": {"type": "PathPrefix", "value": path}, "backend": {"workload": "web"}, "authentication": "None"})
}

/// Returns the objects to write for such a gateway.
fn planned(hosts: &[&str], routes: &[Value], tls: &[&str]) -> Vec<Desired> {
    let mut gateway = json!({
        "hosts": hosts, "routes": routes,
        "authentication": {"apiKeys": [{"name": "ci", "roles": ["a", "b"]}]},
    });
    if !tls.is_empty() {
        gateway["tls"] = json!([{"hosts": tls, "secretName": "own"}]);
    }
    let spec = json!({
        "network": {"ingress": {"gateway": "Allow"}},
        "workloads": [{"name": "web", "image": "web:1", "ports": [{"name": "http", "containerPort": 8080}]}],
        "gateway": gateway,
    });
    let to = attachment();
    let way = gateway_config(&acme(spec, json!({})), &to.shared_hosts);
    let mut objects = write(&way, &to).objects;
    objects.retain(|object| object.key.kind == Kind::HttpRoute);
    objects
}

type World = BTreeMap<String, Value>;

/// Returns true where a request reaches a workload without credentials: by the longest matching path, on any route that has it.
fn is_open(world: &World, (host, path): Asked) -> bool {
    let mut best: Option<(usize, bool)> = None;
    for route in world.values() {
        if !hostnames(route).any(|name| name == host) {
            continue;
        }
        for rule in rules(route) {
            for one in matches(rule) {
                let prefix = one["path"]["value"].as_str().expect("a path").trim_end_matches('/');
                let hit = path == prefix || path.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('/'));
                let is_refused = rule.get("backendRefs").is_none();
                let class = class_of(route).expect("a class");
                let is_free = !is_refused && class == "open";
                if hit && best.is_none_or(|(length, free)| (prefix.len(), is_free) > (length, free)) {
                    best = Some((prefix.len(), is_free));
                }
            }
        }
    }
    best.is_some_and(|(_, free)| free)
}

fn is_guarded(object: &Desired) -> bool {
    guard(&object.key, &object.value).is_some()
}

/// Writes from one plan to the next in the operator's order, and in each of its steps in every rotation of either direction. Looks at the world after each write.
fn change(before: &[Desired], after: &[Desired], see: impl Fn(&World)) {
    let whole = |objects: &[Desired]| -> World {
        let entry = |object: &Desired| (object.key.name.clone(), object.value.clone());
        objects.iter().map(entry).collect()
    };
    let before = whole(before);
    let values: Vec<&Value> = after.iter().map(|object| &object.value).collect();
    let (guarded, free): (Vec<&Desired>, Vec<&Desired>) = after.iter().partition(|object| is_guarded(object));
    let first = guarded.iter().map(|object| {
        let value = match before.get(&object.key.name) {
            Some(before) => transitional(before, &object.value, &values),
            // Until its policy was taken up.
            None => blocked(object.value.clone()),
        };
        (object.key.name.clone(), Some(value))
    });
    let last = |object: &&Desired| {
        let is_new = !before.contains_key(&object.key.name);
        let value = if is_new {
            blocked(object.value.clone())
        } else {
            object.value.clone()
        };
        (object.key.name.clone(), Some(value))
    };
    let stale = before
        .keys()
        .filter(|name| !after.iter().any(|object| object.key.name == **name));
    let closed = stale
        .clone()
        .map(|name| (name.clone(), Some(blocked(before[name].clone()))));
    let steps: [Vec<(String, Option<Value>)>; 5] = [
        closed.collect(),
        first.collect(),
        free.iter()
            .map(|object| (object.key.name.clone(), Some(object.value.clone())))
            .collect(),
        guarded.iter().map(last).collect(),
        stale.map(|name| (name.clone(), None)).collect(),
    ];
    for turn in 0..steps.iter().map(Vec::len).max().unwrap_or_default() * 2 {
        let mut world = before.clone();
        for step in &steps {
            let mut step = step.clone();
            if turn % 2 == 1 {
                step.reverse();
            }
            let by = (turn / 2).min(step.len());
            step.rotate_left(by);
            for (name, value) in step {
                match value {
                    Some(value) => world.insert(name, value),
                    None => world.remove(&name),
                };
                see(&world);
            }
        }
    }
}

/// Asserts that a path guarded in both plans stays guarded in between.
fn stays_guarded(what: &str, before: &[Desired], after: &[Desired]) {
    let whole = |objects: &[Desired]| {
        objects
            .iter()
            .map(|o| (o.key.name.clone(), o.value.clone()))
            .collect::<World>()
    };
    let (first, last) = (whole(before), whole(after));
    let matched = |world: &World, (host, path): Asked| {
        let routes = world.values().filter(|route| hostnames(route).any(|name| name == host));
        routes.flat_map(all_matches).any(|one| {
            let prefix = one["path"]["value"].as_str().expect("a path").trim_end_matches('/');
            path == prefix || path.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('/'))
        })
    };
    let asked: Vec<Asked> = HOSTS
        .iter()
        .flat_map(|host| PATHS.iter().map(move |path| (*host, *path)))
        .filter(|asked| !is_open(&last, *asked) && matched(&last, *asked))
        .filter(|asked| !is_open(&first, *asked))
        .collect();
    assert!(!asked.is_empty(), "{what}: nothing is asked");
    change(before, after, |world| {
        for asked in &asked {
            assert!(!is_open(world, *asked), "{what}: {asked:?} is open in {world:#?}");
        }
    });
}

#[test]
fn nothing_that_asks_for_credentials_is_open_between_two_writes() {
    let one = &HOSTS[..1];
    let of_class = |number: usize| -> Vec<Value> {
        let mut routes: Vec<Value> = (0..number).map(|i| route(&format!("/p{i}"), &["a"])).collect();
        routes.push(open("/"));
        routes
    };
    let plain = [open("/"), route("/admin", &["a"]), route("/billing", &["a"])];
    let cases = [
        ("first creation", Vec::new(), planned(one, &plain, &[])),
        (
            "a rule that moves to another class",
            planned(one, &plain, &[]),
            planned(
                one,
                &[open("/"), route("/admin", &["b"]), route("/billing", &["a"])],
                &[],
            ),
        ),
        (
            "a class that is there already",
            planned(
                one,
                &[
                    open("/"),
                    route("/admin", &["a"]),
                    route("/billing", &["a"]),
                    route("/p0", &["b"]),
                ],
                &[],
            ),
            planned(
                one,
                &[
                    open("/"),
                    route("/admin", &["b"]),
                    route("/billing", &["a"]),
                    route("/p0", &["b"]),
                ],
                &[],
            ),
        ),
        (
            "an eighth rule",
            planned(one, &of_class(7), &[]),
            planned(one, &of_class(8), &[]),
        ),
        (
            "seven again",
            planned(one, &of_class(8), &[]),
            planned(one, &of_class(7), &[]),
        ),
        (
            "a certificate",
            planned(&HOSTS, &plain, &[]),
            planned(&HOSTS, &plain, &HOSTS[1..2]),
        ),
        (
            "no certificate",
            planned(&HOSTS, &plain, &HOSTS[1..2]),
            planned(&HOSTS, &plain, &[]),
        ),
        (
            "a path that is asked for no more",
            planned(one, &plain, &[]),
            planned(one, &[open("/"), route("/admin", &["a"])], &[]),
        ),
    ];
    for (what, before, after) in cases {
        stays_guarded(what, &before, &after);
    }
}

#[test]
fn the_hosts_of_many_routes_shift_unseen() {
    let many: Vec<String> = (0..17).map(|i| format!("h{i:02}.example.com")).collect();
    let mut fewer: Vec<&str> = many.iter().map(String::as_str).collect();
    fewer.push(HOSTS[0]);
    let mut more = vec!["a.example.com"];
    more.extend(&fewer);
    let plain = [open("/"), route("/admin", &["a"])];
    let (before, after) = (planned(&fewer, &plain, &[]), planned(&more, &plain, &[]));
    let guarded = |objects: &[Desired]| objects.iter().filter(|object| is_guarded(object)).count();
    assert_eq!((guarded(&before), guarded(&after)), (2, 2));
    let last: Vec<&'static str> = more.iter().map(|host| &*host.to_string().leak()).collect();
    change(&before, &after, |world| {
        // The new host had no routes before.
        for host in last.iter().filter(|host| **host != "a.example.com") {
            assert!(!is_open(world, (host, "/admin")), "{host} is open in {world:#?}");
        }
    });
}

#[test]
fn an_unrelated_rule_goes_on_being_served_and_what_does_not_fit_is_refused() {
    let one = &HOSTS[..1];
    let of_class = |number: usize| -> Vec<Value> { (0..number).map(|i| route(&format!("/p{i:02}"), &["a"])).collect() };
    let (before, after) = (planned(one, &of_class(65), &[]), planned(one, &of_class(64), &[]));
    let by_name = |objects: &[Desired], name: &str| {
        let found = objects.iter().find(|object| object.key.name == name);
        found.map(|object| object.value.clone())
    };
    let name = after[0].key.name.clone();
    let (old, new) = (
        by_name(&before, &name).expect("a route"),
        by_name(&after, &name).expect("a route"),
    );
    let values: Vec<&Value> = after.iter().map(|object| &object.value).collect();
    assert_eq!(transitional(&old, &new, &values), new, "the last is in the other");

    let (before, after) = (planned(one, &of_class(64), &[]), planned(one, &of_class(65), &[]));
    let values: Vec<&Value> = after.iter().map(|object| &object.value).collect();
    let (old, new) = (
        by_name(&before, &name).expect("a route"),
        by_name(&after, &name).expect("a route"),
    );
    let held_route = transitional(&old, &new, &values);
    assert!(rules(&held_route).iter().all(|rule| rule.get("backendRefs").is_some()));
    let own: Vec<&Value> = all_matches(&old).collect();
    assert!(own.iter().all(|one| all_matches(&held_route).any(|kept| kept == *one)));

    let methods = ["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"];
    let each = |prefix: &str| -> Value {
        let matches = |i: usize| -> Vec<Value> {
            let one =
                |method| json!({"path": {"type": "PathPrefix", "value": format!("/{prefix}{i}")}, "method": method});
            methods.iter().chain(&methods).map(one).collect()
        };
        let rules: Vec<Value> = (0..7)
            .map(|i| json!({"matches": matches(i), "backendRefs": [{}]}))
            .collect();
        json!({"metadata": {"labels": {CREDENTIALS: "key"}}, "spec": {"hostnames": ["h"], "rules": rules}})
    };
    let closed = transitional(&each("a"), &each("b"), &[]);
    assert!(is_blocked(&closed));
    assert_eq!(all_matches(&closed).count(), 98);
    assert_eq!(all_matches(&closed).next(), all_matches(&each("a")).next());
}
