//! Durations as Go and Kubernetes write them: `300ms`, `1m30s`, `1.5h`.

use std::{borrow::Cow, time::Duration};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// No duration of ours is written in more characters than this.
const LENGTH_MAX: u32 = 32;

/// A duration above zero as a string in Go's format, as it stands in a spec.
///
/// Kept as text, because a spec that cannot be understood must still be readable as an object.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GoDuration(pub String);

/// A text that is no duration, or none above zero.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a duration above zero such as 300ms, 45s or 1m30s")]
pub struct NotADuration(String);

impl GoDuration {
    /// What the text means.
    pub fn parse(&self) -> Result<Duration, NotADuration> {
        let error = || NotADuration(self.0.clone());
        // jiff also reads "1 hour, 5 minutes"; the API's pattern does not let that in.
        let span: jiff::SignedDuration = self.0.parse().map_err(|_| error())?;
        let duration = Duration::try_from(span).map_err(|_| error())?;
        if duration.is_zero() { Err(error()) } else { Ok(duration) }
    }
}

impl From<&str> for GoDuration {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

impl JsonSchema for GoDuration {
    fn schema_name() -> Cow<'static, str> {
        "GoDuration".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "maxLength": LENGTH_MAX,
            // Fractions in the last part only: Go takes them anywhere, but nobody writes 1.5h30m.
            "pattern": r"^([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$|^[0-9]+(\.[0-9]+)?(h|m|s|ms|us)$",
            "x-kubernetes-validations": [{
                "rule": "duration(self) > duration('0s')",
                "message": "must be a duration above zero, such as 300ms, 45s or 1m30s",
            }],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_mean_what_go_means() {
        for (text, millis) in
            [("300ms", 300), ("1m30s", 90_000), ("1.5h", 5_400_000), ("2h3m4s5ms", 7_384_005)]
        {
            assert_eq!(GoDuration::from(text).parse(), Ok(Duration::from_millis(millis)), "{text}");
        }
    }

    #[test]
    fn what_is_no_duration_above_zero_is_an_error() {
        for text in ["", "0s", "-5s", "5", "5 parsecs", "99999999999999999999h"] {
            assert!(GoDuration::from(text).parse().is_err(), "{text}");
        }
    }
}
