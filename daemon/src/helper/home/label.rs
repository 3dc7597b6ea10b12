//! The SELinux labels of a new home, where there is SELinux: what its policy says of the path, set as files are made
//! (setfscreatecon(3)). A home without its label is better than none: what fails here is only told of.

use std::fs::OpenOptions;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

/// There where SELinux is in force or would be.
const SELINUX: &str = "/sys/fs/selinux/enforce";

/// Asks the policy, whose files are no format to read by oneself; it comes with libselinux.
const MATCHPATHCON: &str = "/usr/sbin/matchpathcon";

/// What this thread makes has the label that was last written here; another thread starts without.
const FSCREATE: &str = "/proc/thread-self/attr/fscreate";

/// The labels of one home.
#[derive(Debug, PartialEq, Eq)]
pub struct Labels {
    home: String,
    inside: String,
}

impl Labels {
    /// What the policy says of this home; none: there is no SELinux, or no answer.
    pub fn of(home: &str) -> Option<Self> {
        if !Path::new(SELINUX).exists() {
            return None;
        }
        let asked = Command::new(MATCHPATHCON)
            .args(["-n", "-m", "dir", home, &format!("{home}/.profile")])
            .env_clear()
            .stdin(Stdio::null())
            .output();
        let labels = asked.ok().and_then(|output| parse(&String::from_utf8_lossy(&output.stdout)));
        if labels.is_none() {
            tracing::warn!(
                home,
                "a home is made without a label: {MATCHPATHCON} does not say which; restorecon -R may help"
            );
        }
        labels
    }

    /// From here on, this thread makes the home itself.
    pub fn for_the_home(&self) {
        create_with(&self.home);
    }

    /// From here on, this thread makes what is in it.
    pub fn for_what_is_inside(&self) {
        create_with(&self.inside);
    }
}

fn create_with(label: &str) {
    // It is there, and SELinux counts an open that might create it as a try.
    let fscreate = OpenOptions::new().write(true).open(FSCREATE);
    if let Err(error) = fscreate.and_then(|mut fscreate| fscreate.write_all(label.as_bytes())) {
        tracing::warn!(label, %error, "a home is made without its label: restorecon -R may help");
    }
}

/// One label a line, in the order of the paths.
fn parse(said: &str) -> Option<Labels> {
    let is_label = |line: &&str| line.split(':').count() >= 3 && !line.contains(char::is_whitespace);
    let labels: Vec<&str> = said.lines().filter(is_label).collect();
    match labels[..] {
        [home, inside] => Some(Labels { home: home.into(), inside: inside.into() }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_policy_names_two_labels_or_none() {
        let (home, inside) =
            ("unconfined_u:object_r:user_home_dir_t:s0", "unconfined_u:object_r:user_home_t:s0");
        let labels = Labels { home: home.into(), inside: inside.into() };
        assert_eq!(parse(&format!("{home}\n{inside}\n")), Some(labels));
        for said in
            ["", "<<none>>\n<<none>>\n", "matchpathcon: no such file\n", &format!("{home}\n<<none>>\n")]
        {
            assert_eq!(parse(said), None, "{said}");
        }
    }
}
