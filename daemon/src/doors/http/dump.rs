//! `GET /v1/changes` without a cursor: everything, as of one moment, page by page. Whoever reads slowly holds up the reading
//! of the directory, and whoever does not read at all loses the connection.

use std::io;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::response::Response;
use futures_util::stream;
use identity::{Name, Uid};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::changes::lines_of;
use super::{Code, Http, Problem};
use crate::directory::{Counts, Directory, Error, Member, Position, Sink, Team};
use crate::limits::{DUMP_DEADLINE, DUMP_STALLS};
use crate::service::Caller;
use crate::wire::{encode_begin, encode_group, encode_position, encode_users};

/// How soon whoever finds no room may come again, in seconds: a copy of some ten thousand users takes as long.
const COME_BACK_AFTER: u64 = 3;

/// Lines are sent when there are so many bytes of them.
const PIECE_BYTES: usize = 256 * 1024;

/// The answer, which goes on while it is sent.
pub async fn whole<D: Directory>(http: Arc<Http<D>>, caller: Caller) -> Result<Response, Problem> {
    let Ok(room) = Arc::clone(&http.dumps).try_acquire_owned() else {
        let text = "as many nodes as this one has room for are copying the directory at the moment";
        return Err(Problem::new(Code::Busy, text).retry_after(COME_BACK_AFTER));
    };
    // Whatever stands against it is said before the answer begins.
    http.service.position(&caller, false).await?;
    let (sender, mut receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        let mut lines = Sender { sender, waiting: Vec::new() };
        tokio::select! {
            sent = lines.send_all(&http, &caller) => if let Err(error) = sent {
                tracing::info!(%error, by = %caller, "a copy of the directory ended in the middle");
                let _ = lines.sender.send(Err(io::Error::other("the copy ended in the middle"))).await;
            },
            () = http.stopped() => {}
        }
        drop(room);
    });
    let pieces = stream::poll_fn(move |context| receiver.poll_recv(context));
    Ok(lines_of(Body::from_stream(pieces)))
}

/// Encodes what the directory dumps, and hands it on piece by piece.
struct Sender {
    sender: mpsc::Sender<io::Result<Bytes>>,
    waiting: Vec<u8>,
}

impl Sender {
    async fn send_all<D: Directory>(&mut self, http: &Http<D>, caller: &Caller) -> Result<(), Error> {
        let dumped = timeout(DUMP_DEADLINE, http.service.dump(caller, self)).await;
        let position =
            dumped.unwrap_or_else(|_| Err(Error::Away("the other node reads too slowly".into())))?;
        self.waiting.extend(encode_position(&position));
        self.flush().await
    }

    async fn send(&mut self, lines: &[u8]) -> Result<(), Error> {
        self.waiting.extend_from_slice(lines);
        if self.waiting.len() < PIECE_BYTES { Ok(()) } else { self.flush().await }
    }

    async fn flush(&mut self) -> Result<(), Error> {
        let piece = Bytes::from(std::mem::take(&mut self.waiting));
        match timeout(DUMP_STALLS, self.sender.send(Ok(piece))).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(Error::Away("the other node has gone".into())),
            Err(_) => Err(Error::Away("the other node does not read".into())),
        }
    }
}

impl Sink for Sender {
    async fn begin(&mut self, position: &Position, counts: Counts) -> Result<(), Error> {
        self.send(&encode_begin(position, counts)).await
    }

    async fn users(&mut self, page: Vec<Member>) -> Result<(), Error> {
        for some in page.chunks(500) {
            self.send(&encode_users(some)).await?;
        }
        Ok(())
    }

    async fn groups(&mut self, page: Vec<(Team, Vec<(Name, Uid)>)>) -> Result<(), Error> {
        for (team, members) in &page {
            self.send(&encode_group(team, members)).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn whoever_does_not_read_at_all_is_given_up() {
        let (sender, _unread) = mpsc::channel(1);
        let mut lines = Sender { sender, waiting: Vec::new() };
        lines.flush().await.unwrap();
        let began = Instant::now();
        let given_up = lines.flush().await;
        assert!(matches!(given_up, Err(Error::Away(_))) && began.elapsed() == DUMP_STALLS, "{given_up:?}");
    }
}
