//! Checks of training's settings, and their form in JSON.

use crate::quote::message;
use crate::{Error, Result};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

/// Text for a number that must be finite, in f32 too.
pub(super) const AT_LEAST_ZERO: &str = "a finite number, 0 or more";

/// Text for a divisor, in f32 too.
pub(super) const ABOVE_ZERO: &str = "a finite number above 0";

/// Text for the part that an average keeps.
pub(super) const FRACTION: &str = "a number from 0 to below 1";

/// Whether a number is finite in f32 as well, and not negative.
pub(super) fn is_at_least_zero(number: f64) -> bool {
    (0.0..=f64::from(f32::MAX)).contains(&number)
}

/// Whether a number can be divided by, in f32 as well.
pub(super) fn is_above_zero(number: f64) -> bool {
    (f64::from(f32::MIN_POSITIVE)..=f64::from(f32::MAX)).contains(&number)
}

/// Whether a number is from 0 to below 1.
pub(super) fn is_fraction(number: f64) -> bool {
    (0.0..1.0).contains(&number)
}

/// Refuses a setting that does not hold.
pub(super) fn expect(
    holds: bool,
    name: &'static str,
    expected: &str,
    found: impl std::fmt::Debug,
) -> Result<()> {
    if holds {
        return Ok(());
    }
    Err(Error::Setting { name, expected: expected.into(), found: format!("{found:?}") })
}

/// Settings or a state as a JSON value.
pub(super) fn to_json(settings: &impl Serialize) -> Value {
    // Structs of numbers and names have no keys that JSON lacks.
    serde_json::to_value(settings).expect("numbers and names are JSON")
}

/// Settings or a state of a JSON value, unchecked.
pub(super) fn from_json<T: DeserializeOwned>(key: &str, expected: &str, value: &Value) -> Result<T> {
    T::deserialize(value).map_err(|error| Error::Metadata {
        key: key.into(),
        expected: expected.into(),
        found: message(&error.to_string()),
    })
}
