//! What the benchmarks share: who lives in them, and how what they measured is put together.

pub mod floor;
pub mod http;
pub mod population;
pub mod sources;
pub mod sqlite;

use std::time::Duration;

/// How many users there are, from few to many.
pub const SIZES: [u32; 3] = [1_000, 100_000, 1_000_000];

/// The middle of what was measured: a disturbance of the machine moves it little.
pub fn median<T: PartialOrd + Copy>(values: &mut [T]) -> T {
    values.sort_by(|a, b| a.partial_cmp(b).expect("numbers"));
    values[values.len() / 2]
}

/// A time for a table.
pub fn shown(time: Duration) -> String {
    match time.as_nanos() {
        nanoseconds @ 0..10_000 => format!("{:.2} µs", nanoseconds as f64 / 1e3),
        nanoseconds @ 10_000..1_000_000 => format!("{:.0} µs", nanoseconds as f64 / 1e3),
        nanoseconds @ 1_000_000..1_000_000_000 => format!("{:.1} ms", nanoseconds as f64 / 1e6),
        nanoseconds => format!("{:.2} s", nanoseconds as f64 / 1e9),
    }
}
