//! The hidden verb that tells a monitor which program a process runs.

use std::process::ExitCode;

use miette::IntoDiagnostic;

use crate::monitor::programs;
use crate::sys::process;

pub(super) fn run() -> miette::Result<ExitCode> {
    process::forbid_dumps()?;
    programs::main().into_diagnostic()?;
    Ok(ExitCode::SUCCESS)
}
