//! What `make install` puts where, and the script that puts Pody into nsswitch.conf.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use tests::paths;
use tests::scratch::Scratch;

/// Every file that is installed, with its mode.
const INSTALLED: &[&str] = &[
    "640 etc/pody/config.toml",
    "644 etc/pody/id-ranges",
    "755 usr/bin/podyctl",
    "644 usr/lib/here/libnss_pody.so.2",
    "644 usr/lib/here/security/pam_pody.so",
    "644 usr/lib/systemd/system/podyd-helper.service",
    "644 usr/lib/systemd/system/podyd-helper.socket",
    "644 usr/lib/systemd/system/podyd.service",
    "644 usr/lib/sysusers.d/pody.conf",
    "644 usr/lib/tmpfiles.d/pody.conf",
    "755 usr/libexec/pody/podyd-helper",
    "755 usr/sbin/podyd",
    "644 usr/share/bash-completion/completions/podyctl",
    "644 usr/share/fish/vendor_completions.d/podyctl.fish",
    "755 usr/share/pody/nsswitch",
    "644 usr/share/zsh/site-functions/_podyctl",
];

#[test]
fn make_install_puts_every_file_in_its_place_and_keeps_an_admins_configuration() {
    let root = Scratch::new();
    make_install(&root);
    // Stacks and manual pages are many; the rest is named file by file.
    let (many, files): (Vec<_>, Vec<_>) = installed(&root).into_iter().partition(|line| {
        [" usr/share/pody/pam/", " usr/share/man/"].iter().any(|place| line.contains(place))
    });
    assert_eq!(files, INSTALLED);
    for page in ["man1/podyctl-user-add.1", "man5/pody.toml.5", "man8/podyd.8"] {
        assert!(many.contains(&format!("644 usr/share/man/{page}")), "{many:?}");
    }
    assert!(many.contains(&"644 usr/share/pody/pam/pam-configs/pody".to_owned()), "{many:?}");

    for mine in ["etc/pody/config.toml", "etc/pody/id-ranges"] {
        let mine = root.join(mine);
        fs::write(&mine, "# mine\n").unwrap();
        make_install(&root);
        assert_eq!(fs::read_to_string(mine).unwrap(), "# mine\n");
    }
}

#[test]
fn nsswitch_gains_pody_behind_files_once_and_loses_it_again() {
    let before = "# group: files\npasswd:         files systemd\ngroup:\tfiles [SUCCESS=merge] systemd\nshadow: compat\nhosts: files dns\n";
    let after = "# group: files\npasswd:         files pody [UNAVAIL=return] systemd\ngroup:\tfiles [SUCCESS=merge] pody [UNAVAIL=return] systemd\nshadow: compat pody [UNAVAIL=return]\nhosts: files dns\n";
    let scratch = Scratch::new();
    let file = scratch.join("nsswitch.conf");
    fs::write(&file, before).unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    for (action, expected) in [("enable", after), ("enable", after), ("disable", before), ("disable", before)]
    {
        let script = paths::repository().join("packaging/nsswitch");
        assert!(Command::new(script).arg(action).arg(&file).status().unwrap().success());
        assert_eq!(fs::read_to_string(&file).unwrap(), expected, "{action}");
        assert_eq!(mode(&file), "644");
        assert_eq!(fs::read_dir(&*scratch).unwrap().count(), 1, "nothing is left beside it");
    }
}

fn make_install(root: &Path) {
    paths::nss_module();
    let made = Command::new("make")
        .args(["--no-print-directory", "install", "LIBDIR=/usr/lib/here"])
        .arg(format!("DESTDIR={}", root.display()))
        .arg(format!("PROFILE={}", paths::profile_name()))
        .env("CARGO_TARGET_DIR", paths::target())
        .current_dir(paths::repository())
        .output()
        .expect("make is installed");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
}

/// Every file below, as "mode path".
fn installed(root: &Path) -> Vec<String> {
    let mut files = tests::source::files(root);
    files.sort();
    files
        .iter()
        .map(|path| format!("{} {}", mode(path), path.strip_prefix(root).expect("below it").display()))
        .collect()
}

fn mode(path: &Path) -> String {
    format!("{:o}", path.metadata().expect("a file has metadata").permissions().mode() & 0o7777)
}
