//! The stage for stories of several booted Debians: trouble between them is real, and lookups notice none of it.
#![expect(clippy::unwrap_used, reason = "a story whose stage cannot be set has failed")]

mod nodes;

use nodes::*;
use tests::host::Host;
use tests::network::{Network, Trouble};
use tests::wait;

/// The stage itself: every trouble is what its name says, and ends.
#[test]
#[ignore = "needs root: boots three Debians"]
fn trouble_between_nodes_is_as_it_is_called_and_heals() {
    let network = Network::with_pody(3);
    let [a, b, c] = &network[..] else { unreachable!() };
    for node in [a, b, c] {
        start(node, CHEAP_HASH);
    }
    for (node, name) in [(a, "ada"), (b, "bob")] {
        node.run(&format!("podyctl user add {name} --no-password")).succeeds();
    }
    assert_eq!(b.run("getent passwd ada").status, 2, "each has a directory of its own");
    Lookups::prepare(b);
    let lookups = Lookups::begin(b, "bob");

    for trouble in [Trouble::Cut, Trouble::Deaf, Trouble::Mute] {
        network.strike(B, trouble);
        assert!(!reaches(b, &network.address(A)) && !reaches(a, &network.address(B)), "{trouble:?}");
        assert!(reaches(c, &network.address(A)), "{trouble:?} is the trouble of one node alone");
        network.heal(B);
        wait::until("the link", PATIENCE, || reaches(b, &network.address(A)));
    }
    a.freeze();
    assert!(!greets(b, &network.address(A)) && greets(b, &network.address(2)));
    a.thaw();
    wait::until("the node to go on", PATIENCE, || greets(b, &network.address(A)));
    println!("lookups: {}", lookups.end());
}

/// Whether a connection comes about.
fn reaches(from: &Host, address: &str) -> bool {
    from.run(&format!("timeout 1 bash -c 'exec 3<>/dev/tcp/{address}/22'")).status == 0
}

/// Whether sshd says a word, which the kernel does not do for it.
fn greets(from: &Host, address: &str) -> bool {
    from.run(&format!("timeout 1 bash -c 'head -c 3 </dev/tcp/{address}/22'")).stdout == "SSH"
}
