//! The vaultd program.

/// Wipes all memory that is given back: libraries make copies of plaintext that we cannot see.
#[global_allocator]
static ALLOCATOR: zeroizing_alloc::ZeroAlloc<std::alloc::System> =
    zeroizing_alloc::ZeroAlloc(std::alloc::System);

fn main() -> std::process::ExitCode {
    vaultd::main()
}
