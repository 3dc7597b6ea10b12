//! Frames of the Varlink socket: what podyd takes for a call, and what the PAM module and podyctl take for a reply.
#![no_main]

use std::io::Write;
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::time::Duration;

use libfuzzer_sys::fuzz_target;
use protocol::login::{Answer, Begin, ChangePassword, CheckAccount};
use protocol::{Call, Client, ClientError, Error, Method, Reply, directory, node};

/// Long enough for a machine that is busy; nothing here waits.
const DEADLINE: Duration = Duration::from_secs(5);

fuzz_target!(|frame: &[u8]| {
    if let Ok(call) = serde_json::from_slice::<Call<'_>>(frame) {
        calls(&call);
    }
    if let Ok(reply) = serde_json::from_slice::<Reply>(frame) {
        let name = reply.error.as_deref().unwrap_or_default();
        let error = Error::from_reply(name, &reply.parameters);
        assert_eq!(Error::from_reply(error.name(), &error.parameters()).name(), error.name());
        replies(&reply);
    }
    replied::<Begin>(frame);
    replied::<CheckAccount>(frame);
    replied::<node::Status>(frame);
});

macro_rules! every_method {
    ($call:ident, $reply:ident: $($method:ty),* $(,)?) => {
        fn calls($call: &Call<'_>) {
            $(round_trip::<$method>(&$call.parameters);)*
        }

        fn replies($reply: &Reply) {
            $(round_trip::<<$method as Method>::Reply>(&$reply.parameters);)*
        }
    };
}

every_method! {
    call, reply:
    directory::CreateUser,
    directory::GetUser,
    directory::ListUsers,
    directory::UpdateUser,
    directory::DeleteUser,
    directory::SetPassword,
    directory::CreateGroup,
    directory::GetGroup,
    directory::ListGroups,
    directory::DeleteGroup,
    directory::AddMembers,
    directory::RemoveMembers,
    directory::Import,
    directory::Export,
    directory::ReadPodyDatabase,
    Begin,
    Answer,
    CheckAccount,
    ChangePassword,
    node::Status,
}

/// What was understood is sent as it was understood.
fn round_trip<T: serde::Serialize + serde::de::DeserializeOwned>(parameters: &serde_json::Value) {
    let Ok(read) = serde_json::from_value::<T>(parameters.clone()) else { return };
    let sent = serde_json::to_value(&read).expect("plain data");
    let again = serde_json::from_value::<T>(sent.clone()).expect("what we send, we understand");
    assert_eq!(serde_json::to_value(&again).expect("plain data"), sent);
}

/// A peer that has said `frame`, and hangs up.
fn replied<M: Method + Default>(frame: &[u8]) {
    let (ours, mut theirs) = UnixStream::pair().expect("a socket pair");
    theirs.write_all(frame).expect("a pair's buffer is larger than -max_len");
    theirs.shutdown(Shutdown::Write).expect("open until here");
    match Client::new(ours, DEADLINE).call(&M::default()) {
        Err(ClientError::Deadline) => panic!("the client waits for what is there"),
        Err(ClientError::Away(_)) => assert!(!frame.contains(&0), "the reply was there"),
        Err(ClientError::Refused(error)) => drop(error.to_string()),
        Err(ClientError::Malformed(_)) | Ok(_) => {}
    }
}
