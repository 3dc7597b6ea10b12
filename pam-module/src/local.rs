//! Whether a name stands in /etc/passwd.
//!
//! Read directly and not through NSS: this question is asked to keep Pody away from local accounts, so
//! nothing that Pody serves may have a part in the answer.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use identity::Name;

/// passwd(5) of a machine with ten thousand local accounts is below 1 MiB; a file beyond this is none.
const MAX_PASSWD_BYTES: u64 = 64 * 1024 * 1024;

/// Whether `passwd`, a file in the format of passwd(5), has a line for `name`. A file that cannot be
/// read is an error and not a no.
pub fn is_local(passwd: &Path, name: &Name) -> io::Result<bool> {
    let mut content = Vec::new();
    File::open(passwd)?.take(MAX_PASSWD_BYTES + 1).read_to_end(&mut content)?;
    if content.len() as u64 > MAX_PASSWD_BYTES {
        return Err(io::Error::other("the file is too large"));
    }
    Ok(content
        .split(|&byte| byte == b'\n')
        .any(|line| line.strip_prefix(name.as_bytes()).is_some_and(|rest| rest.first() == Some(&b':'))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local_in(content: &[u8], name: &str) -> bool {
        let path = std::env::temp_dir().join(format!("pody-passwd-{}-{name}", std::process::id()));
        std::fs::write(&path, content).unwrap();
        let local = is_local(&path, &name.parse().unwrap()).unwrap();
        std::fs::remove_file(path).unwrap();
        local
    }

    #[test]
    fn a_name_is_local_when_a_line_begins_with_exactly_that_field() {
        let passwd =
            b"root:x:0:0:root:/root:/bin/sh\n\xff\xfe:x\n# bob:\nada\ncarol:x:1:1:::\ndan:x:2:2:bob:/:";
        for (name, expected) in [("root", true), ("carol", true), ("dan", true), ("bob", false)] {
            assert_eq!(local_in(passwd, name), expected, "{name}");
        }
        // A line without a colon is no entry, and neither a prefix nor a suffix of a name is the name.
        for name in ["ada", "caro", "carols", "an", "x"] {
            assert!(!local_in(passwd, name), "{name}");
        }
    }

    #[test]
    fn a_file_that_cannot_be_read_is_trouble() {
        assert!(is_local(Path::new("/nonexistent/passwd"), &"ada".parse().unwrap()).is_err());
    }
}
