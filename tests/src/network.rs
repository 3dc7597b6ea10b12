//! Booted Debians on one switch, and what may go wrong between them.
//!
//! The switch is a network namespace that ends with the test, however that ends, and takes the links along.

use std::ops::Deref;
use std::process::{Child, Command};
use std::thread;

use crate::host::Host;
use crate::machine::Machine;
use crate::sandbox;

/// The switch's first process ends when the test lets go of its standard input.
const SWITCH: &str = "set -e
ip link add switch type bridge
ip link set switch up
nft add table bridge trouble
nft 'add chain bridge trouble lost { type filter hook forward priority 0; }'
echo ready; cat; exit";

/// Machines with addresses on one switch.
pub struct Network {
    machines: Vec<Machine>,
    switch: Host,
    holder: Child,
}

/// What goes wrong on the link of one machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// The cable is pulled.
    Cut,
    /// Nothing reaches the machine, which goes on sending.
    Deaf,
    /// Nothing that it sends arrives.
    Mute,
    /// Three of ten packets are lost, both ways.
    Lossy,
    /// What reaches it comes at 64 kbit/s.
    Slow,
}

impl Network {
    /// So many machines, without Pody.
    pub fn boot(count: usize) -> Self {
        let mut command = Command::new("unshare");
        command.args(["--net", "sh", "-c", SWITCH]);
        let holder = sandbox::held(&mut command);
        let switch = Host::of(holder.id());
        let network = Self { machines: Machine::boot_several(count), switch, holder };
        network.plug_in();
        network
    }

    /// So many machines with Pody installed; podyd waits to be configured and started.
    pub fn with_pody(count: usize) -> Self {
        let network = Self::boot(count);
        thread::scope(|threads| {
            for machine in &network.machines {
                threads.spawn(|| machine.install_pody());
            }
        });
        network
    }

    fn plug_in(&self) {
        for (number, machine) in self.machines.iter().enumerate() {
            let (pid, address) = (machine.pid(), self.address(number));
            self.switch
                .run(&format!(
                    "ip link add port{number} type veth peer name eth0 netns {pid}
                     ip link set port{number} master switch up"
                ))
                .succeeds();
            machine.run(&format!("ip address add {address}/24 dev eth0 && ip link set eth0 up")).succeeds();
        }
    }

    /// A machine's address.
    pub fn address(&self, number: usize) -> String {
        format!("10.77.0.{}", number + 1)
    }

    /// How many bytes have been sent to a machine.
    pub fn received(&self, number: usize) -> u64 {
        let counted = self.switch.run(&format!("ip -json -statistics link show port{number}")).succeeds();
        let links: serde_json::Value = serde_json::from_str(&counted).expect("JSON");
        links[0]["stats64"]["tx"]["bytes"].as_u64().expect("a number")
    }

    /// Begins trouble on a machine's link.
    pub fn strike(&self, number: usize, trouble: Trouble) {
        let lose = "nft add rule bridge trouble lost";
        let port = format!("port{number}");
        let script = match trouble {
            Trouble::Cut => format!("ip link set {port} down"),
            Trouble::Deaf => format!("{lose} oifname {port} drop"),
            Trouble::Mute => format!("{lose} iifname {port} drop"),
            Trouble::Lossy => format!(
                "{lose} oifname {port} numgen random mod 10 '<' 3 drop
                 {lose} iifname {port} numgen random mod 10 '<' 3 drop"
            ),
            Trouble::Slow => {
                format!("tc qdisc add dev {port} root tbf rate 64kbit burst 2kb latency 400ms")
            }
        };
        self.switch.run(&format!("set -e\n{script}")).succeeds();
    }

    /// Ends all trouble on a machine's link.
    pub fn heal(&self, number: usize) {
        let port = format!("port{number}");
        self.switch
            .run(&format!(
                "nft flush chain bridge trouble lost && ip link set {port} up
                 ! tc qdisc show dev {port} | grep -q tbf || tc qdisc delete dev {port} root"
            ))
            .succeeds();
    }
}

impl Deref for Network {
    type Target = [Machine];

    fn deref(&self) -> &[Machine] {
        &self.machines
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        drop(self.holder.stdin.take());
        let _ = self.holder.wait();
    }
}
