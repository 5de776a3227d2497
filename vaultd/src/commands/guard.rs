//! The hidden verb that ends a mount if no monitor goes on with it. It fails if that is dead: somebody has to take it
//! away.

use std::process::ExitCode;

use miette::IntoDiagnostic;

use crate::monitor::guard::{self, Outcome};
use crate::sys::process;

pub(super) fn run() -> miette::Result<ExitCode> {
    process::forbid_dumps()?;
    match guard::main().into_diagnostic()? {
        Outcome::Well => Ok(ExitCode::SUCCESS),
        Outcome::Dead => Ok(ExitCode::FAILURE),
    }
}
