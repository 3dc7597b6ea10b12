//! What is said of files as they are found on machines.

use std::path::PathBuf;

use super::*;

/// A directory that is gone when the test is over.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("podyctl-doctor-{name}-{}", std::process::id()));
        fs::create_dir_all(path.join("pam.d")).unwrap();
        Self(path)
    }

    fn write(&self, name: &str, text: &str, mode: u32) -> PathBuf {
        let path = self.0.join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const GOOD_LINES: &str = "passwd: files pody [UNAVAIL=return] systemd\n\
                          group:\tfiles pody [SUCCESS=merge unavail=RETURN] systemd # as shipped\n\
                          shadow: files pody [UNAVAIL=return]\n";

#[test]
fn the_lines_of_nsswitch_are_judged_one_by_one() {
    assert_eq!(nsswitch(GOOD_LINES), []);
    let said = |passwd: &str| {
        let text = GOOD_LINES.replace("files pody [UNAVAIL=return] systemd", passwd);
        let found = nsswitch(&text);
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].finding.contains("line passwd:"), "{found:?}");
        (found[0].severity, found[0].finding.clone())
    };
    assert_eq!(said("files systemd").0, Problem);
    assert_eq!(said("files # pody [UNAVAIL=return]").0, Problem);
    for words in ["files pody", "files pody systemd [UNAVAIL=return]", "files pody [NOTFOUND=return] systemd"]
    {
        let (severity, finding) = said(words);
        assert!(severity == Warning && finding.contains("no such user"), "{finding}");
    }
    assert!(said("pody [UNAVAIL=return] files").1.contains("files does not stand before"));
    assert_eq!(nsswitch("").len(), 3);
}

#[test]
fn pam_must_ask_for_passwords_and_for_accounts() {
    let judged = |lines: &[&str]| {
        let lines: Vec<String> = lines.iter().map(|line| (*line).to_owned()).collect();
        pam(&lines).map(|found| found.severity)
    };
    let (auth, account) = ("auth [success=end] pam_pody.so", "-account\trequired pam_pody.so");
    assert_eq!(judged(&[auth, account]), None);
    assert_eq!(judged(&[auth]), Some(Problem));
    assert_eq!(judged(&[account]), Some(Warning));
    assert_eq!(judged(&[]), Some(Warning));
}

#[test]
fn a_secret_in_a_file_that_everybody_can_read_is_a_problem() {
    let folder = Folder::new("secrets");
    let token = folder.write("token", "secret", 0o644);
    let named = format!("access_token_file = '{}'\n", token.display());
    let told = |text: &str, mode: u32| secrets(&folder.write("config.toml", text, mode)).len();
    for text in [
        "access_token = \"x\"",
        "provider = { access_token=\"x\" }",
        "  authToken = 'x' # mine",
        "url = \"postgres://pody:x@db/pody\"",
    ] {
        assert_eq!(told(text, 0o644), 1, "{text}");
        assert_eq!(told(text, 0o640), 0, "{text}");
    }
    for text in [
        "",
        "#access_token = \"x\"",
        "access_token = \"${TOKEN}\"",
        "url = \"postgres://pody@db/pody\"",
        "url = \"postgres://pody:${PASSWORD}@db/pody\"",
        "my_access_token = \"x\"",
        "access_token = \"\"",
    ] {
        assert_eq!(told(text, 0o644), 0, "{text}");
    }
    assert_eq!(told(&named, 0o640), 1);
    folder.write("token", "secret", 0o600);
    assert_eq!(told(&named, 0o640), 0);
    assert!(secrets(&folder.0.join("missing")).is_empty());
    let found = secrets(&folder.write("config.toml", "access_token = \"canary\"", 0o644));
    assert!(!format!("{found:?}").contains("canary"));
}

#[test]
fn id_ranges_are_roots_word() {
    let folder = Folder::new("ranges");
    let judged =
        |mode| id_ranges(&folder.write("id-ranges", "1000 2000\n", mode)).map(|found| found.severity);
    assert_eq!((judged(0o644), judged(0o664)), (None, Some(Problem)));
    assert_eq!(id_ranges(&folder.0.join("missing")).unwrap().severity, Note);
}

#[test]
fn a_machine_that_is_set_up_has_nothing_to_be_told_of() {
    let folder = Folder::new("machine");
    assert_eq!(findings(&folder.0, &folder.0).len(), 3, "neither nsswitch.conf, nor PAM, nor id-ranges");
    folder.write("nsswitch.conf", GOOD_LINES, 0o644);
    folder.write("pam.d/common-auth", "auth [success=1 default=ignore] pam_pody.so\n", 0o644);
    folder.write("pam.d/common-account", "# account pam_pody.so\naccount required pam_pody.so\n", 0o644);
    folder.write("id-ranges", "1900000000 1999999999\n", 0o644);
    folder.write("config.toml", "access_token = \"x\"\n", 0o640);
    assert_eq!(findings(&folder.0, &folder.0), []);
}
