//! A frame for podyd-helper, on a node whose homes would be where nothing is: what comes back is one frame with one reply,
//! and an error is words that fit on one line.
#![no_main]

use std::sync::LazyLock;

use daemon::config::{OnDelete, Settings};
use daemon::directory::LocalAccounts;
use daemon::helper::{Node, Turns, answer};
use libfuzzer_sys::fuzz_target;
use protocol::{Error, Reply};

static NODE: LazyLock<Result<Node, String>> = LazyLock::new(|| {
    let mut settings = Settings::default();
    settings.homes.roots = vec!["/nonexistent/home".parse().expect("a path")];
    settings.homes.on_delete = OnDelete::Remove;
    let local = LocalAccounts::parse("root:x:0:0::/root:/bin/sh\n", "root:x:0:\n");
    Ok(Node::of(settings, local))
});

static TURNS: LazyLock<Turns> = LazyLock::new(Turns::default);

fuzz_target!(|frame: &[u8]| {
    let reply = answer(frame, &NODE, &TURNS);
    let (end, reply) = reply.split_last().expect("an answer");
    assert!(*end == 0 && !reply.contains(&0), "one frame");
    let reply: Reply = serde_json::from_slice(reply).expect("a reply");
    if let Some(name) = reply.error {
        let error = Error::from_reply(&name, &reply.parameters);
        assert!(!error.message().is_empty(), "refused without a reason");
        assert!(!error.message().chars().any(char::is_control), "{:?}", error.message());
    }
});
