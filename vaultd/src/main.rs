//! The vaultd program.

fn main() {}
