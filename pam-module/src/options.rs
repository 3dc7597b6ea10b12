//! The arguments that stand behind `pam_pody.so` in a PAM file.

/// What an admin wrote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// `use_first_pass`: never ask; an earlier module's password is the only one.
    pub use_first_pass: bool,
    /// `use_authtok`: never ask for a *new* password; an earlier module (pam_pwquality) did.
    pub use_authtok: bool,
    /// `quiet`: show nothing but questions, and log errors alone.
    pub quiet: bool,
    /// `debug`: log every step.
    pub debug: bool,
}

impl Options {
    /// Reads the arguments. Those we do not know come back beside what was understood: a misspelt word
    /// in a PAM file must not lock anybody out.
    pub fn parse<'a>(arguments: impl IntoIterator<Item = &'a [u8]>) -> (Self, Vec<String>) {
        let mut options = Self::default();
        let mut unknown = Vec::new();
        for argument in arguments {
            match argument {
                b"use_first_pass" => options.use_first_pass = true,
                // What we do anyway: a password that is there already is tried before anybody is asked.
                b"try_first_pass" => {}
                b"use_authtok" => options.use_authtok = true,
                b"quiet" => options.quiet = true,
                b"debug" => options.debug = true,
                other => unknown.push(String::from_utf8_lossy(other).into_owned()),
            }
        }
        (options, unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_arguments_are_named_and_ignored() {
        let (options, unknown) = Options::parse([b"debug".as_slice(), b"try_first_pass", b"nullok", b"\xff"]);
        assert_eq!(options, Options { debug: true, ..Options::default() });
        assert_eq!(unknown, ["nullok", "\u{fffd}"]);
    }

    #[test]
    fn each_argument_does_its_own_thing() {
        let all = [b"use_first_pass".as_slice(), b"use_authtok", b"quiet", b"debug"];
        let (options, unknown) = Options::parse(all);
        assert_eq!(options, Options { use_first_pass: true, use_authtok: true, quiet: true, debug: true });
        assert!(unknown.is_empty());
    }
}
