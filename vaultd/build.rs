//! How the program is linked.

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // Eight thousand places to be relocated in some kilobytes and not in 200, of a program that is to be small. It
    // takes glibc 2.36 (Debian 12) to start it.
    if std::env::var("CARGO_CFG_TARGET_ENV").is_ok_and(|libc| libc == "gnu") {
        println!("cargo::rustc-link-arg-bins=-Wl,-z,pack-relative-relocs");
    }
}
