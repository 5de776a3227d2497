//! The vaultd program.

fn main() -> std::process::ExitCode {
    vaultd::main()
}
