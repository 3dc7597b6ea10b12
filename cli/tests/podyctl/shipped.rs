//! What packages ship beside the program is made of the program's own declaration.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::podyd::Scratch;

fn pages(directory: &Path) -> BTreeMap<String, String> {
    let files = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let pages = files.filter(|path| path.extension().is_some_and(|extension| extension == "1"));
    pages
        .map(|path| {
            (path.file_name().unwrap().to_str().unwrap().to_owned(), fs::read_to_string(&path).unwrap())
        })
        .filter(|(name, _)| name.starts_with("podyctl"))
        .collect()
}

#[test]
fn the_man_pages_are_those_of_this_program() {
    let scratch = Scratch::new();
    scratch.podyctl(&["generate", "man", scratch.path().to_str().unwrap()], "").done();
    let made = pages(scratch.path());
    assert!(made["podyctl.1"].contains(".SH EXIT STATUS") && made.contains_key("podyctl-user-import.1"));
    assert!(!made.contains_key("podyctl-generate.1"));
    let shipped = pages(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/man"));
    assert!(made == shipped, "run: podyctl generate man docs/man");
}

#[test]
fn each_shell_has_its_completions() {
    let scratch = Scratch::new();
    scratch.podyctl(&["generate", "completions", scratch.path().to_str().unwrap()], "").done();
    for (shell, file) in [("bash", "podyctl.bash"), ("zsh", "_podyctl"), ("fish", "podyctl.fish")] {
        let script = scratch.podyctl(&["completions", shell], "").done().out;
        assert!(script.contains("add-member"), "{shell}");
        assert_eq!(script, fs::read_to_string(scratch.path().join(file)).unwrap());
    }
}
