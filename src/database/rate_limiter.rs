//! Turns in the order of asking, at a limited rate. Pure; the clock is an argument.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Turns that were given out and not taken yet.
#[derive(Default)]
pub struct Turns {
    /// Time of the next free turn.
    free: Option<Instant>,
    given: HashMap<String, Instant>,
}

impl Turns {
    /// Returns the time until a turn; zero takes it. Turns are `gap` apart, and a turn once given stays.
    pub fn take(&mut self, who: &str, gap: Duration, now: Instant) -> Duration {
        let at = match self.given.get(who) {
            Some(at) => *at,
            None => {
                let at = self.free.map_or(now, |free| free.max(now));
                self.free = Some(at + gap);
                at
            }
        };
        if at <= now {
            self.given.remove(who);
            return Duration::ZERO;
        }
        self.given.insert(who.into(), at);
        at - now
    }

    /// Forgets a turn that nobody takes any more.
    pub fn forget(&mut self, who: &str) {
        self.given.remove(who);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_has_a_turn_in_the_order_of_asking() {
        let (mut turns, start, gap) = (Turns::default(), Instant::now(), Duration::from_millis(50));
        let names = ["a", "b", "c", "d"];
        let waits = names.map(|name| turns.take(name, gap, start));
        assert_eq!(waits, [0, 50, 100, 150].map(Duration::from_millis));
        // Asked again too early, one keeps its place; in time, it is let through once.
        assert_eq!(turns.take("d", gap, start + gap), gap * 2);
        assert_eq!(turns.take("b", gap, start + gap), Duration::ZERO);
        assert_eq!(
            turns.take("b", gap, start + gap),
            gap * 3,
            "its next turn is behind the others'"
        );
        for name in ["c", "d"] {
            assert_eq!(turns.take(name, gap, start + gap * 9), Duration::ZERO, "{name}");
        }
        assert_eq!(
            turns.take("e", gap, start + gap * 9),
            Duration::ZERO,
            "nobody waits when nobody asked"
        );
    }

    #[test]
    fn who_is_forgotten_has_no_turn_any_more() {
        let (mut turns, start, gap) = (Turns::default(), Instant::now(), Duration::from_millis(50));
        for name in ["a", "b", "c"] {
            turns.take(name, gap, start);
        }
        turns.forget("b");
        assert_eq!(turns.given.keys().collect::<Vec<_>>(), ["c"]);
        assert_eq!(turns.take("b", gap, start), gap * 3, "it begins anew");
        assert_eq!(turns.take("c", gap, start), gap * 2, "others keep their place");
    }
}
