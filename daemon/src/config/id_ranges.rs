//! The id-ranges file: the ids that the modules on this node accept, one range `min max` a line. It is
//! root's, so that a podyd that has been taken over cannot widen it.

use std::path::Path;

use identity::IdRange;

use super::ConfigError;
use super::error::Place;

/// Reads the file's contents. Blank lines and lines that begin with `#` say nothing.
pub(super) fn parse(text: &str, file: &Path) -> Result<Vec<IdRange>, Vec<ConfigError>> {
    let mut ranges = Vec::new();
    let mut errors = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        match range(line) {
            Ok(range) => ranges.push(range),
            Err(message) => errors.push(ConfigError {
                place: Place::File { path: file.into(), line: index + 1, column: 1 },
                key: "range".into(),
                message,
            }),
        }
    }
    if errors.is_empty() { Ok(ranges) } else { Err(errors) }
}

fn range(line: &str) -> Result<IdRange, String> {
    let wrong = || "must be two ids, 'min max', such as '1900000000 1999999999'".to_owned();
    let (min, max) = line.split_once(char::is_whitespace).ok_or_else(wrong)?;
    let id = |text: &str| text.trim().parse().map_err(|_| wrong());
    IdRange::new(id(min)?, id(max)?).map_err(|why| why.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_stand_one_a_line_between_comments() {
        let text = "# ours\n\n1900000000 1999999999\n\t10000\t 20000 \r\n";
        let ranges = parse(text, Path::new("f")).unwrap();
        assert_eq!(ranges, [IdRange::DEFAULT, IdRange::new(10_000, 20_000).unwrap()]);
        assert_eq!(parse("", Path::new("f")), Ok(Vec::new()));
    }

    #[test]
    fn every_bad_line_is_named() {
        let errors = parse("1000\n1000 2000\n0 5\n9 1 2\n2000 1000\n-1 5\n", Path::new("f")).unwrap_err();
        let lines: Vec<String> = errors.iter().map(|error| error.place.to_string()).collect();
        assert_eq!(lines, ["f:1:1", "f:3:1", "f:4:1", "f:5:1", "f:6:1"]);
    }
}
