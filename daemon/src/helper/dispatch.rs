//! From a frame to the verb that it calls, and from what became of it to a frame.

use protocol::helper::{
    ArchiveHome, EndSessions, Hello, MAX_FRAME_BYTES, MakeHome, ReadSlices, RemoveHome, SetSlices, Welcome,
    quota,
};
use protocol::{Call, Error, Method, Reply};
use serde_json::Value;

use super::turns::{Subject, Turns};
use super::{Node, failed, invalid};

/// A verb.
pub(super) trait Handle: Method {
    /// Carries it out, once all of it has been checked by what this node allows.
    fn handle(self, node: &Node) -> Result<Self::Reply, Error>;

    /// What it may hang on: it waits for its turn with that.
    fn touches(&self) -> Vec<Subject> {
        Vec::new()
    }
}

impl Handle for Hello {
    fn handle(self, _: &Node) -> Result<Welcome, Error> {
        Ok(Welcome { version: env!("CARGO_PKG_VERSION").into() })
    }
}

/// The verb of this name; none: there is no such.
fn carry_out(method: &str, parameters: Value, node: &Node, turns: &Turns) -> Option<Result<Value, Error>> {
    Some(match method {
        Hello::NAME => handle::<Hello>(parameters, node, turns),
        MakeHome::NAME => handle::<MakeHome>(parameters, node, turns),
        ArchiveHome::NAME => handle::<ArchiveHome>(parameters, node, turns),
        RemoveHome::NAME => handle::<RemoveHome>(parameters, node, turns),
        quota::Filesystems::NAME => handle::<quota::Filesystems>(parameters, node, turns),
        quota::Read::NAME => handle::<quota::Read>(parameters, node, turns),
        quota::Set::NAME => handle::<quota::Set>(parameters, node, turns),
        quota::Homes::NAME => handle::<quota::Homes>(parameters, node, turns),
        quota::CountHome::NAME => handle::<quota::CountHome>(parameters, node, turns),
        EndSessions::NAME => handle::<EndSessions>(parameters, node, turns),
        ReadSlices::NAME => handle::<ReadSlices>(parameters, node, turns),
        SetSlices::NAME => handle::<SetSlices>(parameters, node, turns),
        _ => return None,
    })
}

/// What is answered to a frame, its NUL and all. Without a node that can be read nothing is done.
pub fn answer(frame: &[u8], node: &Result<Node, String>, turns: &Turns) -> Vec<u8> {
    let outcome = outcome(frame, node, turns).map_err(on_one_line);
    let mut reply = encode(outcome.inspect_err(tell));
    if reply.len() > MAX_FRAME_BYTES {
        reply = encode(Err(failed("the answer is too large for one message; ask for less at a time")));
    }
    reply.push(0);
    reply
}

/// What a node is like podyd tells of, once and not at every login; that it was refused something is to be read here, too.
fn tell(error: &Error) {
    match error {
        Error::NotFound { .. } | Error::Conflict { .. } | Error::Away { .. } => tracing::debug!("{error}"),
        _ => tracing::warn!("{error}"),
    }
}

fn outcome(frame: &[u8], node: &Result<Node, String>, turns: &Turns) -> Result<Value, Error> {
    let call: Call<'_> = serde_json::from_slice(frame).map_err(|error| invalid("call", error))?;
    let node = node.as_ref().map_err(|why| failed(format!("podyd-helper does nothing: {why}")))?;
    // A call without parameters is one with an empty object.
    let parameters =
        if call.parameters.is_null() { Value::Object(Default::default()) } else { call.parameters };
    carry_out(&call.method, parameters, node, turns).unwrap_or_else(|| {
        let message = format!("podyd-helper {} has no method {}", env!("CARGO_PKG_VERSION"), call.method);
        Err(Error::MethodNotFound { message })
    })
}

fn handle<M: Handle>(parameters: Value, node: &Node, turns: &Turns) -> Result<Value, Error> {
    let method: M = serde_json::from_value(parameters).map_err(|error| invalid("parameters", error))?;
    let _turn = turns.wait(method.touches())?;
    method.handle(node).and_then(|reply| serde_json::to_value(reply).map_err(failed))
}

/// What was asked for may be quoted in the words, and they go to a log and a terminal.
fn on_one_line(error: Error) -> Error {
    let mut parameters = error.parameters();
    if let Some(Value::String(message)) = parameters.get_mut("message") {
        *message = message.replace(char::is_control, " ");
    }
    Error::from_reply(error.name(), &parameters)
}

pub(super) fn encode(outcome: Result<Value, Error>) -> Vec<u8> {
    let reply = match outcome {
        Ok(parameters) => Reply { error: None, parameters },
        Err(error) => Reply { error: Some(error.name().to_owned()), parameters: error.parameters() },
    };
    serde_json::to_vec(&reply).expect("names and texts are JSON")
}
