//! The hidden verb that tells a monitor which program a process runs.

use std::process::ExitCode;

use miette::IntoDiagnostic;

use crate::monitor::guard;
use crate::sys::process;

pub(super) fn run() -> miette::Result<ExitCode> {
    process::forbid_dumps()?;
    guard::main().into_diagnostic()?;
    Ok(ExitCode::SUCCESS)
}
