//! Just enough of HTTP/1.1 to ask a service for something again and again over one connection: what a client costs beside
//! that would be measured, too.

use std::error::Error;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// A connection that stays open.
pub struct Connection {
    stream: BufReader<TcpStream>,
    address: String,
    token: String,
}

/// What came back.
pub struct Answer {
    /// The body.
    pub body: Vec<u8>,
    /// All that came, head and body.
    pub bytes: usize,
}

impl Connection {
    /// Connects to whoever listens there, to show this token.
    pub fn open(address: &str, token: &str) -> Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(Duration::from_secs(90)))?;
        Ok(Self { stream: BufReader::new(stream), address: address.into(), token: token.into() })
    }

    /// Asks and waits for the answer.
    pub fn get(&mut self, path: &str) -> Result<Answer> {
        self.ask(path)?;
        self.answer()
    }

    /// Asks.
    pub fn ask(&mut self, path: &str) -> Result<()> {
        let Self { address, token, .. } = self;
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n\r\n");
        Ok(self.stream.get_mut().write_all(request.as_bytes())?)
    }

    /// Waits for the answer to what was asked.
    pub fn answer(&mut self) -> Result<Answer> {
        let status = self.line()?;
        if !status.contains(" 200 ") {
            return Err(format!("the answer is {status}").into());
        }
        let (mut bytes, mut length) = (status.len(), None);
        loop {
            let line = self.line()?;
            bytes += line.len();
            let line = line.trim().to_ascii_lowercase();
            if let Some(value) = line.strip_prefix("content-length:") {
                length = Some(value.trim().parse()?);
            }
            if line.is_empty() {
                break;
            }
        }
        let body = match length {
            Some(length) => self.exactly(length)?,
            None => self.chunks()?,
        };
        Ok(Answer { bytes: bytes + body.len(), body })
    }

    fn line(&mut self) -> Result<String> {
        let mut line = String::new();
        if self.stream.read_line(&mut line)? == 0 {
            return Err("the connection ended".into());
        }
        Ok(line)
    }

    fn exactly(&mut self, length: usize) -> Result<Vec<u8>> {
        let mut body = vec![0; length];
        self.stream.read_exact(&mut body)?;
        Ok(body)
    }

    /// RFC 9112 section 7.1, without trailers.
    fn chunks(&mut self) -> Result<Vec<u8>> {
        let mut body = Vec::new();
        loop {
            let length = usize::from_str_radix(self.line()?.trim(), 16)?;
            body.extend(self.exactly(length)?);
            self.line()?;
            if length == 0 {
                return Ok(body);
            }
        }
    }
}
