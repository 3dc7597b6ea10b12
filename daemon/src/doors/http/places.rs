//! How many connections there may be.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::limits::MIN_HTTP_CONNECTIONS_PER_ADDRESS;

/// How many connections there are, in all and from each address.
#[derive(Clone)]
pub(super) struct Places {
    taken: Arc<Mutex<HashMap<IpAddr, usize>>>,
    in_all: usize,
    from_one: usize,
}

/// One connection's place, given back when dropped.
pub(super) struct Place {
    places: Places,
    pub(super) address: IpAddr,
}

impl Places {
    /// No address gets more than a quarter of them.
    pub(super) fn new(in_all: u32) -> Self {
        let in_all = in_all as usize;
        let from_one = (in_all / 4).max(MIN_HTTP_CONNECTIONS_PER_ADDRESS);
        Self { taken: Arc::default(), in_all, from_one }
    }

    pub(super) fn take(&self, peer: SocketAddr) -> Option<Place> {
        let address = peer.ip().to_canonical();
        let mut taken = self.taken();
        let own = taken.get(&household(address)).copied().unwrap_or_default();
        if own >= self.from_one || taken.values().sum::<usize>() >= self.in_all {
            return None;
        }
        taken.insert(household(address), own + 1);
        Some(Place { places: self.clone(), address })
    }

    fn taken(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.places.taken();
        if let Some(own) = taken.get_mut(&household(self.address)) {
            *own -= 1;
            if *own == 0 {
                taken.remove(&household(self.address));
            }
        }
    }
}

/// Those who share an address: a machine with IPv6 has a whole /64 to choose from.
pub(super) fn household(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into(),
    }
}
