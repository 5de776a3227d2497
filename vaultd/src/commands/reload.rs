//! `vaultd reload`.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use miette::IntoDiagnostic;

use super::mounted;
use crate::monitor::control::{Question, Reloaded, ask};
use crate::monitor::mount;

/// Verify the vault as it is now, and serve it if all of it is sound
///
/// Files that are open keep their bytes until they are closed. If anything is wrong, what was served before is
/// served on.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Only say what would change
    #[arg(long)]
    dry_run: bool,

    /// Where the vault is mounted; may be left out if there is only one
    #[arg(value_name = "MOUNTPOINT")]
    mount_point: Option<PathBuf>,
}

pub(super) fn run(args: &Args) -> miette::Result<ExitCode> {
    mount::require_root()?;
    let mount = mounted::vault(args.mount_point.as_deref())?;
    let reloaded: Reloaded = ask(&mount, &Question::Reload { dry_run: args.dry_run })?;
    for warning in &reloaded.warnings {
        eprintln!("warning: {warning}");
    }
    show(&reloaded).into_diagnostic()?;
    Ok(ExitCode::SUCCESS)
}

fn show(reloaded: &Reloaded) -> io::Result<()> {
    let changes = &reloaded.changes;
    let mut output = io::stdout().lock();
    for (what, names) in
        [("added", &changes.added), ("changed", &changes.changed), ("removed", &changes.removed)]
    {
        for name in names {
            writeln!(output, "{what} {name}")?;
        }
    }
    if changes.is_empty() {
        writeln!(output, "nothing changed")?;
    }
    Ok(())
}
