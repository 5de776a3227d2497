//! The `vaultgen` program.

use std::process::ExitCode;

/// Wipes all memory that is given back: libraries make copies of plaintext that we cannot see.
#[global_allocator]
static ALLOCATOR: zeroizing_alloc::ZeroAlloc<std::alloc::System> =
    zeroizing_alloc::ZeroAlloc(std::alloc::System);

fn main() -> ExitCode {
    vaultgen::run()
}
