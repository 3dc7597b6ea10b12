//! What differs from test to test: names, passwords, ports.

use std::net::{Ipv4Addr, TcpListener};
use std::ops::Range;

/// Below those that the kernel gives to outgoing connections: one of these could otherwise take the port of a server that
/// is just being started again, or even connect to itself there.
const PORTS: Range<u16> = 20_000..32_000;

/// A name or a password that nobody else has.
pub fn letters(count: usize) -> String {
    let mut bytes = vec![0; count];
    getrandom::fill(&mut bytes).expect("the kernel has chance");
    bytes.iter().map(|byte| char::from(b'a' + byte % 26)).collect()
}

/// A port of 127.0.0.1 on which nobody listens at this moment.
pub fn port() -> u16 {
    loop {
        let chance = getrandom::u32().expect("the kernel has chance");
        let port = PORTS.start + (chance % u32::from(PORTS.end - PORTS.start)) as u16;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return port;
        }
    }
}
