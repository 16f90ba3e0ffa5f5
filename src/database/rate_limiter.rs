//! Permission at a limited rate, in the order of asking. Pure; the clock is an argument.

use std::collections::HashMap;
use std::time::{Duration, Instant};

/// Reservations in the order of asking.
#[derive(Default)]
pub struct RateLimiter {
    /// Time of the next free reservation.
    next_free: Option<Instant>,
    reserved: HashMap<String, Instant>,
}

impl RateLimiter {
    /// Returns the time until the reservation; zero takes it. Reservations are `gap` apart, and each stays until it is taken.
    pub fn take(&mut self, who: &str, gap: Duration, now: Instant) -> Duration {
        let at = match self.reserved.get(who) {
            Some(at) => *at,
            None => {
                let at = self.next_free.map_or(now, |free| free.max(now));
                self.next_free = Some(at + gap);
                at
            }
        };
        if at <= now {
            self.reserved.remove(who);
            return Duration::ZERO;
        }
        self.reserved.insert(who.into(), at);
        at - now
    }

    /// Forgets a reservation that nobody takes any more.
    pub fn forget(&mut self, who: &str) {
        self.reserved.remove(who);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everybody_has_a_turn_in_the_order_of_asking() {
        let (mut limiter, start, gap) = (RateLimiter::default(), Instant::now(), Duration::from_millis(50));
        let names = ["a", "b", "c", "d"];
        let waits = names.map(|name| limiter.take(name, gap, start));
        assert_eq!(waits, [0, 50, 100, 150].map(Duration::from_millis));
        // Asked again too early, one keeps its place; in time, it is let through once.
        assert_eq!(limiter.take("d", gap, start + gap), gap * 2);
        assert_eq!(limiter.take("b", gap, start + gap), Duration::ZERO);
        assert_eq!(
            limiter.take("b", gap, start + gap),
            gap * 3,
            "its next turn is behind the others'"
        );
        for name in ["c", "d"] {
            assert_eq!(limiter.take(name, gap, start + gap * 9), Duration::ZERO, "{name}");
        }
        assert_eq!(
            limiter.take("e", gap, start + gap * 9),
            Duration::ZERO,
            "nobody waits when nobody asked"
        );
    }

    #[test]
    fn who_is_forgotten_has_no_turn_any_more() {
        let (mut limiter, start, gap) = (RateLimiter::default(), Instant::now(), Duration::from_millis(50));
        for name in ["a", "b", "c"] {
            limiter.take(name, gap, start);
        }
        limiter.forget("b");
        assert_eq!(limiter.reserved.keys().collect::<Vec<_>>(), ["c"]);
        assert_eq!(limiter.take("b", gap, start), gap * 3, "it begins anew");
        assert_eq!(limiter.take("c", gap, start), gap * 2, "others keep their place");
    }
}
