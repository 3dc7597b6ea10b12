//! How the module is linked: under the name that glibc looks for, never unloaded, with nothing but `_nss_pody_*`
//! to be seen.

fn main() {
    let directory = std::env!("CARGO_MANIFEST_DIR");
    let arguments = [
        "-Wl,-soname,libnss_pody.so.2".to_owned(),
        // dlclose(3) leaves it: glibc keeps pointers into NSS modules.
        "-Wl,-z,nodelete".to_owned(),
        "-Wl,-z,now".to_owned(),
        "-Wl,--as-needed".to_owned(),
        "-Wl,--gc-sections".to_owned(),
    ];
    if std::env::var_os("CARGO_FEATURE_STD").is_none() {
        // core's functions name it though nothing unwinds here. Zero tells an unwinder (pthread_cancel(3))
        // to pass over the frame.
        println!("cargo:rustc-cdylib-link-arg=-Wl,--defsym,rust_eh_personality=0");
    }
    for argument in arguments {
        println!("cargo:rustc-cdylib-link-arg={argument}");
    }
    println!("cargo:rerun-if-changed={directory}/build.rs");
}
