//! Where the browser comes back to (RFC 8252, section 7.3): one request is waited for on an address that only this machine
//! reaches. What it brings is judged by podyd; nothing of it is shown in the page.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use protocol::directory::Secret;

/// How long one connection may take: browsers open some and say nothing.
const CONNECTION: Duration = Duration::from_secs(2);

/// A request, in bytes: a code, and whatever cookies the browser has for this machine.
const MAX_REQUEST_BYTES: usize = 64 * 1024;

const DONE: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Pody</title>\
    <p>The rest happens in the terminal: you can close this window.</p></html>\n";

const NOTHING: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Pody</title>\
    <p>There is nothing here.</p></html>\n";

/// A port of this machine's own.
pub struct Loopback {
    listener: TcpListener,
    address: SocketAddr,
}

impl Loopback {
    /// Takes a free port.
    pub fn open() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .or_else(|_| TcpListener::bind((Ipv6Addr::LOCALHOST, 0)))?;
        Ok(Self { address: listener.local_addr()?, listener })
    }

    /// Where a browser is to be sent back to.
    pub fn redirect(&self) -> String {
        format!("http://{}/", self.address)
    }

    /// Waits for the browser that was sent to `url`, and says with which query it came back.
    pub fn wait(self, url: &str, patience: Duration) -> Option<Secret> {
        let state =
            url.split(['?', '&']).find(|pair| pair.starts_with("state=")).unwrap_or_default().to_owned();
        let (sender, came) = mpsc::channel();
        thread::spawn(move || {
            let streams = self.listener.incoming().filter_map(io::Result::ok);
            let query = streams.filter_map(|stream| receive(stream, &state).ok().flatten()).next();
            drop(self.listener);
            query.map(|query| sender.send(query))
        });
        came.recv_timeout(patience).ok()
    }
}

/// Answers one request. Whatever else somebody on this machine asks for does not end the login.
fn receive(mut stream: TcpStream, state: &str) -> io::Result<Option<Secret>> {
    let request = read(&mut stream)?;
    let query = query(&request).filter(|query| query.split('&').any(|pair| pair == state));
    let (status, page) = if query.is_some() { ("200 OK", DONE) } else { ("404 Not Found", NOTHING) };
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\nCache-Control: no-store\r\n\
         Content-Security-Policy: default-src 'none'\r\nReferrer-Policy: no-referrer\r\nConnection: close\r\n\r\n{page}",
        page.len()
    );
    let query = query.map(|query| Secret(query.to_owned()));
    // The login goes on, whether or not the page is seen.
    let _ = stream.set_write_timeout(Some(CONNECTION)).and_then(|()| stream.write_all(answer.as_bytes()));
    Ok(query)
}

/// The request up to the end of its header.
fn read(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    let until = Instant::now() + CONNECTION;
    let (mut request, mut chunk) = (Vec::new(), [0; 4096]);
    while !request.windows(4).any(|bytes| bytes == b"\r\n\r\n") {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() || request.len() > MAX_REQUEST_BYTES {
            return Err(io::ErrorKind::TimedOut.into());
        }
        stream.set_read_timeout(Some(left))?;
        match stream.read(&mut chunk)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            read => request.extend_from_slice(&chunk[..read]),
        }
    }
    Ok(request)
}

/// What stands behind the question mark, if the page is the one that the provider was told.
fn query(request: &[u8]) -> Option<&str> {
    let line = request.split(|byte| *byte == b'\r').next()?;
    let mut words = std::str::from_utf8(line).ok()?.split(' ');
    let (method, path) = (words.next()?, words.next()?);
    path.strip_prefix("/?").filter(|_| method == "GET")
}

#[cfg(test)]
mod tests {
    use super::*;

    const URL: &str = "https://login.example.com/auth?client_id=pody&state=right&nonce=x";

    fn ask(address: SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        answer
    }

    #[test]
    fn the_browser_is_waited_for_and_nobody_else_ends_the_login() {
        let loopback = Loopback::open().unwrap();
        let address = loopback.address;
        assert_eq!(loopback.redirect(), format!("http://127.0.0.1:{}/", address.port()));
        let waiting = thread::spawn(move || loopback.wait(URL, Duration::from_secs(60)));
        let others = [
            "GET /favicon.ico HTTP/1.1\r\n\r\n",
            "GET /?code=1&state=wrong HTTP/1.1\r\n\r\n",
            "GET /?code=1&state=right2 HTTP/1.1\r\n\r\n",
            "GET / HTTP/1.1\r\n\r\n",
            "POST /?code=1&state=right HTTP/1.1\r\n\r\n",
            "\r\n\r\n",
            "GET /\u{fc}\r\n\r\n",
        ];
        for other in others {
            assert!(ask(address, other).starts_with("HTTP/1.1 404 "), "{other}");
        }
        // Browsers open connections that they may need, and leave some of them.
        drop(TcpStream::connect(address).unwrap());
        let silent = TcpStream::connect(address).unwrap();
        let answer = ask(address, "GET /?code=%3Cb%3E&state=right HTTP/1.1\r\nHost: x\r\n\r\n");
        assert!(answer.starts_with("HTTP/1.1 200 OK\r\n") && answer.contains("terminal"), "{answer}");
        assert!(!answer.contains("code") && !answer.contains("right"), "{answer}");
        assert_eq!(waiting.join().unwrap().unwrap().0, "code=%3Cb%3E&state=right");
        drop(silent);
        assert!(TcpStream::connect(address).is_err(), "nobody listens any more");
    }

    #[test]
    fn patience_ends() {
        assert!(Loopback::open().unwrap().wait(URL, Duration::from_millis(10)).is_none());
    }

    #[test]
    fn a_request_has_a_size() {
        let loopback = Loopback::open().unwrap();
        let address = loopback.address;
        let waiting = thread::spawn(move || loopback.wait(URL, Duration::from_secs(60)));
        let large = format!("GET /?state=right HTTP/1.1\r\nCookie: {}", "x".repeat(2 * MAX_REQUEST_BYTES));
        let mut stream = TcpStream::connect(address).unwrap();
        let _ = stream.write_all(large.as_bytes());
        assert!(!ask(address, "GET /?state=right HTTP/1.1\r\n\r\n").is_empty());
        assert_eq!(waiting.join().unwrap().unwrap().0, "state=right");
    }
}
