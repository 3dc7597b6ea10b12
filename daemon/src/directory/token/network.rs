//! Where a token may be used: a list of networks in CIDR notation (RFC 4632, RFC 4291).

use std::fmt;
use std::str::FromStr;

use core::net::IpAddr;

use crate::limits::MAX_TOKEN_NETWORKS;

/// A network, such as `192.0.2.0/24` or `2001:db8::/32`; an address alone is a network of one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    prefix: u8,
}

impl Network {
    /// Whether an address is in it. IPv4 that comes over an IPv6 socket (`::ffff:192.0.2.7`) is IPv4.
    pub fn holds(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(own), IpAddr::V4(other)) => {
                (own.to_bits() ^ other.to_bits()) & mask_of_32(self.prefix) == 0
            }
            (IpAddr::V6(own), IpAddr::V6(other)) => {
                (own.to_bits() ^ other.to_bits()) & mask_of_128(self.prefix) == 0
            }
            _ => false,
        }
    }

    /// The network's own address: what an address in it begins with, and zeros.
    fn first(address: IpAddr, prefix: u8) -> IpAddr {
        match address {
            IpAddr::V4(own) => IpAddr::V4((own.to_bits() & mask_of_32(prefix)).into()),
            IpAddr::V6(own) => IpAddr::V6((own.to_bits() & mask_of_128(prefix)).into()),
        }
    }
}

/// A shift by the whole width is none: `checked_shl` knows.
fn mask_of_32(prefix: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0)
}

fn mask_of_128(prefix: u8) -> u128 {
    u128::MAX.checked_shl(128 - u32::from(prefix)).unwrap_or(0)
}

fn bits(address: IpAddr) -> u8 {
    if address.is_ipv4() { 32 } else { 128 }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.prefix == bits(self.address) {
            return write!(f, "{}", self.address);
        }
        write!(f, "{}/{}", self.address, self.prefix)
    }
}

impl FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no network: write 192.0.2.0/24, 2001:db8::/32 or one address");
        let (address, prefix) = text.split_once('/').map_or((text, None), |(a, b)| (a, Some(b)));
        let address: IpAddr = address.parse().map_err(|_| wrong())?;
        if address.to_canonical() != address {
            return Err(format!("{text} is IPv4 in the clothes of IPv6: write {}", address.to_canonical()));
        }
        let prefix = match prefix {
            None => bits(address),
            // Rust reads +8 and 08, too.
            Some(digits)
                if digits.bytes().all(|digit| digit.is_ascii_digit()) && !digits.starts_with("00") =>
            {
                digits.parse().ok().filter(|prefix| *prefix <= bits(address)).ok_or_else(wrong)?
            }
            Some(_) => return Err(wrong()),
        };
        let first = Self::first(address, prefix);
        if first != address {
            return Err(format!(
                "{text} names an address inside of a network: did you mean {first}/{prefix}?"
            ));
        }
        Ok(Self { address, prefix })
    }
}

/// The networks that a token may be used from; none at all: from anywhere.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Networks(Vec<Network>);

impl Networks {
    /// These networks, unless there are too many.
    pub fn new(networks: Vec<Network>) -> Result<Self, String> {
        if networks.len() > MAX_TOKEN_NETWORKS {
            return Err(format!("a token may be used from {MAX_TOKEN_NETWORKS} networks at the most"));
        }
        Ok(Self(networks))
    }

    /// Whether a token may be used from an address.
    pub fn allow(&self, address: IpAddr) -> bool {
        self.0.is_empty() || self.0.iter().any(|network| network.holds(address))
    }

    /// Each network.
    pub fn iter(&self) -> impl Iterator<Item = &Network> {
        self.0.iter()
    }
}

/// As they are stored: one after the other, with a blank between two.
impl fmt::Display for Networks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let texts: Vec<_> = self.0.iter().map(Network::to_string).collect();
        f.write_str(&texts.join(" "))
    }
}

impl FromStr for Networks {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::new(text.split_whitespace().map(str::parse).collect::<Result<_, _>>()?)
    }
}
