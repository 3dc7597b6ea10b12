//! Makes a server of this machine reachable from a network that does not lead here: a port of its loopback address is the
//! server's, byte for byte. It stands for the Internet between a node and a provider.

use std::fs::File;
use std::io;
use std::net::{Ipv4Addr, Shutdown, TcpListener, TcpStream};
use std::path::Path;
use std::thread;

use nix::sched::{CloneFlags, setns};

/// From now on and as long as this test runs, 127.0.0.1:`port` in that network namespace leads to 127.0.0.1:`port` here.
pub fn begin(namespace: &Path, port: u16) {
    let listener = listen_in(namespace, port);
    thread::spawn(move || {
        for inside in listener.incoming().flatten() {
            if let Ok(outside) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) {
                join(&inside, &outside);
            }
        }
    });
}

/// A socket belongs to the namespace that it was made in, whoever uses it afterwards.
fn listen_in(namespace: &Path, port: u16) -> TcpListener {
    let namespace = File::open(namespace).unwrap_or_else(|error| panic!("{}: {error}", namespace.display()));
    let bound = thread::spawn(move || {
        setns(namespace, CloneFlags::CLONE_NEWNET).expect("root may enter a namespace");
        TcpListener::bind((Ipv4Addr::LOCALHOST, port)).expect("the port is free in there")
    });
    bound.join().expect("what it panics with stands above")
}

fn join(inside: &TcpStream, outside: &TcpStream) {
    for (from, to) in [(inside, outside), (outside, inside)] {
        let copy = |stream: &TcpStream| stream.try_clone().expect("a descriptor can be copied");
        let (mut from, mut to) = (copy(from), copy(to));
        thread::spawn(move || {
            let _ = io::copy(&mut from, &mut to);
            let _ = to.shutdown(Shutdown::Write);
        });
    }
}
