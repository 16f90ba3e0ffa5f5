//! Sums of several Envoys' counters, each of which begins anew at its start. Pure.

use super::Counted;
use super::envoy_stats::Source;
use std::collections::{HashMap, HashSet, VecDeque};
use std::time::{Duration, Instant};

/// Period that the reported usage covers.
pub const WINDOW: Duration = Duration::from_secs(300);

/// Counts by namespace.
pub type ByNamespace = HashMap<String, Counted>;

/// Counts since the start of the ledger.
#[derive(Debug, Default)]
pub struct Ledger {
    /// Last counts of each Envoy.
    last: HashMap<String, HashMap<Source, Counted>>,
    sums: ByNamespace,
    /// The sums as they were, the oldest first: that of the window's beginning, and all within it.
    before: VecDeque<(Instant, ByNamespace)>,
}

/// Counts of one Envoy.
pub struct Sample {
    /// Identity of the Envoy.
    pub envoy: String,
    /// True if it started after the ledger was begun, so that all it counted is new.
    pub is_new: bool,
    pub counted: HashMap<Source, Counted>,
}

impl Ledger {
    /// Adds a round of samples and returns the increase by namespace. It keeps an Envoy that still exists but gave no sample.
    pub fn add(&mut self, round: Vec<Sample>, is_there: impl Fn(&str) -> bool, now: Instant) -> ByNamespace {
        self.last.retain(|envoy, _| is_there(envoy));
        let mut came = ByNamespace::new();
        for sample in round {
            let before = self.last.get(&sample.envoy);
            for (source, counted) in &sample.counted {
                let more = match before {
                    Some(before) => counted.since(before.get(source).copied().unwrap_or_default()),
                    None if sample.is_new => *counted,
                    None => continue,
                };
                if more != Counted::default() {
                    *came.entry(source.namespace().to_string()).or_default() += more;
                }
            }
            self.last.insert(sample.envoy, sample.counted);
        }
        // A namespace without a rule in any Envoy needs no sum any more.
        let counted: HashSet<&str> = self
            .last
            .values()
            .flat_map(HashMap::keys)
            .map(Source::namespace)
            .collect();
        self.sums.retain(|namespace, _| counted.contains(namespace.as_str()));
        for (namespace, more) in &came {
            *self.sums.entry(namespace.clone()).or_default() += *more;
        }
        self.before.push_back((now, self.sums.clone()));
        let is_past = |at: &Instant| now.duration_since(*at) >= WINDOW;
        while self.before.get(1).is_some_and(|(at, _)| is_past(at)) {
            self.before.pop_front();
        }
        came
    }

    /// Returns the counts of these namespaces in the last [`WINDOW`]; None before its end.
    pub fn recent<'a>(&self, namespaces: impl IntoIterator<Item = &'a str>) -> Option<Counted> {
        let ((first, before), (last, _)) = (self.before.front()?, self.before.back()?);
        if last.duration_since(*first) < WINDOW {
            return None;
        }
        let mut total = Counted::default();
        for namespace in namespaces {
            let now = self.sums.get(namespace).copied().unwrap_or_default();
            total += now.since(before.get(namespace).copied().unwrap_or_default());
        }
        Some(total)
    }
}

#[cfg(test)]
mod tests {
    use super::super::envoy_stats::read;
    use super::*;

    fn sample(envoy: &str, is_new: bool, counts: &[(&str, u64)]) -> Sample {
        let line = |(namespace, count): &(&str, u64)| {
            format!(
                "envoy_cluster_upstream_rq_completed{{envoy_cluster_name=\"httproute/{namespace}/r/rule/0\"}} {count}\n"
            )
        };
        Sample {
            envoy: envoy.into(),
            is_new,
            counted: read(&counts.iter().map(line).collect::<String>()),
        }
    }

    fn requests(came: &ByNamespace, namespace: &str) -> u64 {
        came.get(namespace).map_or(0, |counted| counted.requests)
    }

    #[test]
    fn only_what_came_since_the_beginning_counts_whoever_starts_anew() {
        let (mut ledger, now) = (Ledger::default(), Instant::now());
        let came = ledger.add(vec![sample("a", false, &[("acme", 100)])], |_| true, now);
        assert_eq!(requests(&came, "acme"), 0, "from before");
        let round = vec![
            sample("a", false, &[("acme", 130), ("globex", 5)]),
            sample("b", true, &[("acme", 7)]),
        ];
        let came = ledger.add(round, |_| true, now);
        assert_eq!((requests(&came, "acme"), requests(&came, "globex")), (37, 5));
        // One that does not answer is neither lost nor counted twice; one that began anew counts from nothing.
        let came = ledger.add(vec![sample("b", true, &[("acme", 2)])], |_| true, now);
        assert_eq!(requests(&came, "acme"), 2);
        let came = ledger.add(vec![sample("a", false, &[("acme", 131)])], |_| true, now);
        assert_eq!(requests(&came, "acme"), 1);
        // A rule that was gone for a while counts from nothing too.
        let came = ledger.add(vec![sample("a", false, &[])], |_| true, now);
        assert_eq!(requests(&came, "acme"), 0);
        let came = ledger.add(vec![sample("a", false, &[("acme", 140)])], |_| true, now);
        assert_eq!(requests(&came, "acme"), 140);
    }

    #[test]
    fn who_is_gone_is_forgotten() {
        let (mut ledger, now) = (Ledger::default(), Instant::now());
        ledger.add(vec![sample("a", false, &[("acme", 100)])], |_| true, now);
        ledger.add(vec![sample("a", false, &[("acme", 110), ("globex", 1)])], |_| true, now);
        assert_eq!(ledger.sums.len(), 2);
        ledger.add(vec![sample("a", false, &[("acme", 110)])], |_| true, now);
        assert_eq!(ledger.sums.keys().collect::<Vec<_>>(), ["acme"]);
        ledger.add(Vec::new(), |_| false, now);
        assert!(ledger.last.is_empty() && ledger.sums.is_empty());
    }

    #[test]
    fn usage_is_that_of_the_last_five_minutes() {
        let (mut ledger, begun) = (Ledger::default(), Instant::now());
        let mut tell = |minute: u64, count: u64| {
            let round = vec![sample("a", false, &[("acme", count), ("acme-staging", 2 * count)])];
            ledger.add(round, |_| true, begun + Duration::from_secs(60 * minute));
            let all = ["acme", "acme-staging", "unheard-of"];
            ledger.recent(all).map(|counted| counted.requests)
        };
        for minute in 0..5 {
            assert_eq!(tell(minute, 10 * minute), None, "no five minutes yet");
        }
        assert_eq!(tell(5, 50), Some(150));
        assert_eq!(tell(6, 50), Some(120));
        for minute in 7..11 {
            tell(minute, 50);
        }
        assert_eq!(tell(11, 50), Some(0));
        assert_eq!(ledger.before.len(), 6, "no more is kept");
    }
}
