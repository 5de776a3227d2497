//! The `vaultgen` program.

use std::process::ExitCode;

fn main() -> ExitCode {
    vaultgen::run()
}
