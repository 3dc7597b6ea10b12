//! What kind of file it is, by its first line that says anything.

use crate::arguments::Format;

/// The beginning of every SQLite database (<https://sqlite.org/fileformat2.html> §1.3).
const SQLITE: &[u8] = b"SQLite format 3\0";

/// Guesses, or says why not.
pub fn guess(content: &[u8]) -> Result<Format, &'static str> {
    if content.starts_with(SQLITE) {
        return Ok(Format::PodyDb);
    }
    let line = content
        .split(|&byte| byte == b'\n')
        .map(<[u8]>::trim_ascii)
        .find(|line| !line.is_empty() && !matches!(line[0], b'#' | b'+' | b'-'))
        .ok_or("the file is empty")?;
    if line.starts_with(b"{") {
        return Ok(Format::Jsonl);
    }
    match line.iter().filter(|&&byte| byte == b':').count() {
        1 | 2 => Ok(Format::Htpasswd),
        6 => Ok(Format::Passwd),
        8 => Err("this looks like a shadow file: import the passwd file, with this one after --shadow"),
        3 => Err("this looks like a group file: import the passwd file, with this one after --group"),
        _ => Err("cannot guess what kind of file this is: say so with --format"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_that_says_anything_decides() {
        let table: [(&[u8], Result<Format, &str>); 9] = [
            (b"SQLite format 3\0...", Ok(Format::PodyDb)),
            (b"# users\n\n{\"name\": \"ada\"}\n", Ok(Format::Jsonl)),
            (b"+::::::\nroot:x:0:0:root:/root:/bin/bash\n", Ok(Format::Passwd)),
            (b"ada:$apr1$a$b", Ok(Format::Htpasswd)),
            (b"ada:$apr1$a$b:Ada", Ok(Format::Htpasswd)),
            (b"root:*:19000:0:99999:7:::\r\n", Err("shadow")),
            (b"root:x:0:", Err("group")),
            (b"hello", Err("--format")),
            (b"\n\n", Err("empty")),
        ];
        for (content, expected) in table {
            match (guess(content), expected) {
                (Ok(format), Ok(expected)) => assert_eq!(format, expected),
                (Err(reason), Err(expected)) => assert!(reason.contains(expected), "{reason}"),
                (guessed, _) => panic!("{content:?}: {guessed:?}"),
            }
        }
    }
}
