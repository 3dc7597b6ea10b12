//! Who is served, and what is no call.

pub mod harness;
mod homes;
mod hostile;
pub mod hung;
mod quota;
mod sessions;

use std::os::unix::net::{UnixListener, UnixStream};
use std::thread;
use std::time::Duration;

use nix::unistd::geteuid;
use protocol::helper::{Hello, MAX_FRAME_BYTES};
use protocol::{Client, ClientError, Error};

use super::serve;
use crate::testing::Folder;
use harness::TestHelper;

#[test]
fn podyd_is_served_and_nobody_else() {
    let helper = TestHelper::new();
    assert_eq!(helper.call(&Hello {}).unwrap().version, env!("CARGO_PKG_VERSION"));
    assert!(helper.call(&helper.make("ada")).unwrap().made);

    let of_another = TestHelper::serving(4711, |_| {});
    let refused = of_another.call(&of_another.make("ada")).unwrap_err();
    assert!(matches!(&refused, Error::Refused { message } if message.contains("podyd alone")), "{refused}");
    assert!(of_another.names("").is_empty());
}

#[test]
fn a_helper_that_systemd_would_start_again_ends_when_nobody_asks() {
    let folder = Folder::new();
    let listener = UnixListener::bind(folder.join("socket")).unwrap();
    let connected = UnixStream::connect(folder.join("socket")).unwrap();
    let idle = Duration::from_millis(20);
    let serving =
        thread::spawn(move || serve(&listener, geteuid().as_raw(), Some(idle), || Err("none".into())));
    let mut client = Client::new(connected, Duration::from_secs(30));
    assert!(matches!(client.call(&Hello {}), Err(ClientError::Refused(Error::Failed { .. }))));
    assert!(!serving.is_finished(), "somebody is connected");
    drop(client);
    serving.join().unwrap().unwrap();
}

#[test]
fn what_is_no_call_is_answered_with_words_and_does_no_harm() {
    let helper = TestHelper::new();
    let oversized = [vec![b' '; MAX_FRAME_BYTES + 10], vec![0]].concat();
    let deep = [vec![b'['; 10_000], vec![0]].concat();
    let table: [(&[u8], &str); 13] = [
        (b"", ""),
        (b"{\"method\":\"org.pody.Helper.Home.Make\"", ""),
        (b"\0", "InvalidInput"),
        (b"{}\0", "InvalidInput"),
        (b"\xff\xfe\0", "InvalidInput"),
        (b"{\"method\":\"org.pody.Helper.Shell\"}\0", "MethodNotFound"),
        (
            b"{\"method\":\"org.pody.Helper.Home.Make\",\"parameters\":{\"name\":\"ada\",\"mode\":7}}\0",
            "InvalidInput",
        ),
        (b"{\"method\":\"org.pody.Helper.Slice.Read\",\"parameters\":{\"from\":-1}}\0", "InvalidInput"),
        (
            b"{\"method\":\"org.pody.Helper.Slice.Read\",\"parameters\":{\"unit\":\"ssh.service\"}}\0",
            "InvalidInput",
        ),
        (b"{\"method\":\"\x7f\\u001b[2J\"}\0", "MethodNotFound"),
        (b"{\"method\":\"org.pody.Helper.Hello\",\"parameters\":{\"a\\n\\u009b\":7}}\0", "InvalidInput"),
        (&oversized, "at most 65536 bytes"),
        (&deep, "InvalidInput"),
    ];
    for (bytes, said) in table {
        let reply = helper.send(bytes);
        assert!(reply.contains(said) && (!said.is_empty() || reply.is_empty()), "{bytes:?}: {reply}");
        let is_on_one_line =
            !reply.trim_end_matches('\0').contains(char::is_control) && !reply.contains("\\u00");
        assert!(is_on_one_line && !reply.contains("\\n"), "{reply:?}");
    }
    let two = b"{\"method\":\"a\"}\0{\"method\":\"b\"}\0";
    assert!(helper.send(two).contains("and then the next"), "one call at a time");
    assert!(helper.call(&helper.make("ada")).unwrap().made);
}

#[test]
fn a_helper_whose_configuration_is_not_roots_does_nothing() {
    let call = b"{\"method\":\"org.pody.Helper.Home.Make\",\"parameters\":{}}";
    let reply =
        super::answer(call, &Err("config.toml: may be written by others".into()), &Default::default());
    let reply = String::from_utf8(reply).unwrap();
    assert!(reply.contains("org.pody.Failed") && reply.contains("may be written by others"), "{reply}");
}
