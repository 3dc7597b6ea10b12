//! Who is served, and what is no call.

mod harness;

use protocol::Error;
use protocol::helper::{MAX_FRAME_BYTES, MakeHome};

use harness::{TestHelper, owner};

fn home_of(name: &str, helper: &TestHelper) -> MakeHome {
    let home = helper.homes.join(name).to_str().unwrap().to_owned();
    MakeHome { name: name.into(), uid: owner(), gid: owner(), home }
}

#[test]
fn podyd_is_served_and_nobody_else() {
    let helper = TestHelper::new();
    assert!(helper.call(&home_of("ada", &helper)).unwrap().made);
    assert!(!helper.call(&home_of("ada", &helper)).unwrap().made);

    let of_another = TestHelper::serving(4711);
    let refused = of_another.call(&home_of("ada", &of_another)).unwrap_err();
    assert!(matches!(&refused, Error::Refused { message } if message.contains("podyd alone")), "{refused}");
    assert!(!of_another.homes.join("ada").exists());
}

#[test]
fn what_is_no_call_is_answered_with_words_and_does_no_harm() {
    let helper = TestHelper::new();
    let oversized = [vec![b' '; MAX_FRAME_BYTES + 10], vec![0]].concat();
    let deep = [vec![b'['; 10_000], vec![0]].concat();
    let table: [(&[u8], &str); 9] = [
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
        (&oversized, "at most 65536 bytes"),
        (&deep, "InvalidInput"),
    ];
    for (bytes, said) in table {
        let reply = helper.send(bytes);
        assert!(reply.contains(said) && (!said.is_empty() || reply.is_empty()), "{bytes:?}: {reply}");
    }
    let two = b"{\"method\":\"a\"}\0{\"method\":\"b\"}\0";
    assert!(helper.send(two).contains("and then the next"), "one call at a time");
    assert!(helper.call(&home_of("ada", &helper)).unwrap().made);
}

#[test]
fn a_helper_whose_configuration_is_not_roots_does_nothing() {
    let call = b"{\"method\":\"org.pody.Helper.Home.Make\",\"parameters\":{}}";
    let reply = super::answer(call, &Err("config.toml: may be written by others".into()));
    let reply = String::from_utf8(reply).unwrap();
    assert!(reply.contains("org.pody.Failed") && reply.contains("may be written by others"), "{reply}");
}
