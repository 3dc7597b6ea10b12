//! The id-ranges file: the ids that the modules on this node accept, one range `min max` a line. It is
//! root's, so that a podyd that has been taken over cannot widen it.

use std::path::Path;

use identity::IdRange;

use super::ConfigError;
use super::error::Place;

/// How many ranges and how many bytes the modules on this node read: as much as fits on the stack of a
/// lookup. With more, they would serve nobody.
const MAX_RANGES: usize = 16;
pub(super) const MAX_BYTES: usize = 4095;

/// Reads the file's contents. `#` begins a comment.
pub(super) fn parse(text: &str, file: &Path) -> Result<Vec<IdRange>, Vec<ConfigError>> {
    let mut ranges = Vec::new();
    let mut errors = Vec::new();
    for (index, line) in text.split('\n').enumerate() {
        let words: Vec<&str> = line.split('#').next().unwrap_or_default().split_ascii_whitespace().collect();
        let error = match range(&words) {
            None => continue,
            Some(Ok(_)) if ranges.len() == MAX_RANGES => {
                "is one range too many; a node has 16 at the most".into()
            }
            Some(Ok(range)) => {
                ranges.push(range);
                continue;
            }
            Some(Err(message)) => message,
        };
        let place = Place::File { path: file.into(), line: index + 1, column: 1 };
        errors.push(ConfigError { place, key: "range".into(), message: error });
    }
    if errors.is_empty() { Ok(ranges) } else { Err(errors) }
}

fn range(words: &[&str]) -> Option<Result<IdRange, String>> {
    let ids = match words {
        [] => return None,
        [min, max] => id(min).zip(id(max)),
        _ => None,
    };
    let wrong = || "must be two ids, 'min max', such as '1900000000 1999999999'".to_owned();
    Some(ids.ok_or_else(wrong).and_then(|(min, max)| IdRange::new(min, max).map_err(|why| why.to_string())))
}

/// `parse` alone would take a sign, which the modules do not.
fn id(word: &str) -> Option<u32> {
    word.bytes().all(|byte| byte.is_ascii_digit()).then(|| word.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_stand_one_a_line_between_comments() {
        let text = "# ours\n\n1900000000 1999999999\n\t10000\t 20000 # old\r\n";
        let ranges = parse(text, Path::new("f")).unwrap();
        assert_eq!(ranges, [IdRange::DEFAULT, IdRange::new(10_000, 20_000).unwrap()]);
        assert_eq!(parse("", Path::new("f")), Ok(Vec::new()));
    }

    #[test]
    fn every_bad_line_is_named() {
        let errors =
            parse("1000\n1000 2000\n0 5\n9 1 2\n2000 1000\n-1 5\n+1000 5000\n", Path::new("f")).unwrap_err();
        let lines: Vec<String> = errors.iter().map(|error| error.place.to_string()).collect();
        assert_eq!(lines, ["f:1:1", "f:3:1", "f:4:1", "f:5:1", "f:6:1", "f:7:1"]);
    }

    #[test]
    fn a_file_that_the_modules_would_not_read_is_refused() {
        assert!(parse(&"5000 6000\n".repeat(16), Path::new("f")).is_ok());
        let errors = parse(&"5000 6000\n".repeat(17), Path::new("f")).unwrap_err();
        assert_eq!(errors[0].to_string(), "f:17:1: range: is one range too many; a node has 16 at the most");
    }
}
