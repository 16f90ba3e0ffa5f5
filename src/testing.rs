//! Helpers that the tests of all rooms share.

use serde_json::Value;

/// Sets the values of `over` in `base`; only objects are merged.
pub fn lay_over(base: &mut Value, over: Value) {
    match (base, over) {
        (Value::Object(base), Value::Object(over)) => {
            for (key, value) in over {
                lay_over(base.entry(key).or_insert(Value::Null), value);
            }
        }
        (base, over) => *base = over,
    }
}
