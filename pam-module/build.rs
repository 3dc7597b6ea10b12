//! How pam_pody.so is linked: against libpam, never unloaded, with the six entries as its only symbols.

fn main() {
    let exports = concat!(env!("CARGO_MANIFEST_DIR"), "/exports.map");
    println!("cargo::rerun-if-changed={exports}");
    println!("cargo::rustc-cdylib-link-arg=-Wl,--version-script={exports}");
    // libpam closes its modules in pam_end, and Rust's standard library has registered thread-local
    // destructors by then: code that stays mapped cannot be jumped to after it is gone.
    println!("cargo::rustc-cdylib-link-arg=-Wl,-z,nodelete");
}
