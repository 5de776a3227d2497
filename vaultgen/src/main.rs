//! The vaultgen program.

fn main() {}
