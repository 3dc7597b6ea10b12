//! Connections that break in the middle of an answer that carries the header [`CUT_HERE`].

use std::io::{Error, ErrorKind};
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::serve::Listener;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, Result};
use tokio::net::{TcpListener, TcpStream};

/// An answer with this header is not sent to its end.
pub const CUT_HERE: &str = "cut-here";

/// Accepts connections that can be cut.
pub struct Cutting(pub TcpListener);

impl Listener for Cutting {
    type Io = Connection;
    type Addr = std::net::SocketAddr;

    async fn accept(&mut self) -> (Connection, Self::Addr) {
        let (stream, address) = Listener::accept(&mut self.0).await;
        (Connection { stream, cut: false }, address)
    }

    fn local_addr(&self) -> Result<Self::Addr> {
        self.0.local_addr()
    }
}

/// A connection. Once cut, it takes no more bytes.
pub struct Connection {
    stream: TcpStream,
    cut: bool,
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<Result<usize>> {
        if self.cut {
            return Poll::Ready(Err(Error::new(ErrorKind::BrokenPipe, "cut")));
        }
        self.cut = bytes.windows(CUT_HERE.len()).any(|part| part == CUT_HERE.as_bytes());
        // The head is sent, and of the body what is left out is sure to be missed.
        let sent = if self.cut { &bytes[..bytes.len() - 1] } else { bytes };
        Pin::new(&mut self.stream).poll_write(cx, sent)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
