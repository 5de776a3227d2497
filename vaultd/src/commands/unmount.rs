//! `vaultd unmount`.

use std::path::PathBuf;
use std::process::ExitCode;

use miette::IntoDiagnostic;

use super::mounted;
use crate::monitor::{control, mount};

/// Stop serving a vault, or clean up a dead mount
///
/// Files that are still open stay readable until they are closed.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Where the vault is mounted; may be left out if there is only one
    #[arg(value_name = "MOUNTPOINT")]
    mount_point: Option<PathBuf>,
}

pub(super) fn run(args: &Args) -> miette::Result<ExitCode> {
    mount::require_root()?;
    let vault = mounted::vault(args.mount_point.as_deref())?;
    mount::detach(&vault)?;
    control::remove_abandoned(&vault.path).into_diagnostic()?;
    Ok(ExitCode::SUCCESS)
}
