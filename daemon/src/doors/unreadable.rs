//! What serde says of a value that it cannot read, without the value: that may be a password in the wrong place.

/// After these words serde quotes what it was given, up to what it expected.
const BEFORE_A_VALUE: [&str; 3] = ["invalid type: ", "invalid value: ", "unknown variant "];

/// The same words, without what they quote.
pub fn without_value(said: &str) -> String {
    let found = BEFORE_A_VALUE.iter().filter_map(|words| said.find(words)).min();
    match (found, said.rsplit_once(", expected ")) {
        (None, _) => said.to_owned(),
        (Some(start), Some((_, expected))) => format!("{}expected {expected}", &said[..start]),
        (Some(start), None) => format!("{}not what is expected there", &said[..start]),
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "snake_case")]
    enum Verdict {
        Granted,
    }

    fn said<T: serde::de::DeserializeOwned + std::fmt::Debug>(json: &str) -> String {
        without_value(&serde_json::from_str::<T>(json).unwrap_err().to_string())
    }

    #[test]
    fn what_was_expected_and_where_is_said_and_not_what_was_there() {
        assert_eq!(said::<Vec<u8>>("\"secret\""), "expected a sequence at line 1 column 8");
        assert_eq!(said::<u8>("\"a, expected b\""), "expected u8 at line 1 column 15");
        assert_eq!(said::<u8>("4711"), "expected u8 at line 1 column 4");
        assert_eq!(said::<Verdict>("\"secret\""), "expected `granted` at line 1 column 8");
        assert_eq!(said::<u8>("{"), "expected u8 at line 1 column 0");
    }

    #[test]
    fn other_complaints_stay_as_they_are() {
        assert_eq!(said::<Vec<u8>>("[1"), "EOF while parsing a list at line 1 column 2");
    }
}
