//! `vaultd status`.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use miette::IntoDiagnostic;

use super::mounted;
use crate::monitor::control::{Question, ask};
use crate::monitor::{Status, mount};

/// Show what is served, and how it goes
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Print it as JSON
    #[arg(long)]
    json: bool,

    /// Only list what is to be changed, or ends, within 30 days
    #[arg(long, conflicts_with = "json")]
    due: bool,

    /// Say nothing, but fail and tell why if the vault's present state was refused
    #[arg(long, conflicts_with_all = ["json", "due"])]
    fail_if_refused: bool,

    /// Where the vault is mounted; may be left out if there is only one
    #[arg(value_name = "MOUNTPOINT")]
    mount_point: Option<PathBuf>,
}

pub(super) fn run(args: &Args) -> miette::Result<ExitCode> {
    mount::require_root()?;
    let status: Status = ask(&mounted::vault(args.mount_point.as_deref())?, &Question::Status)?;
    if args.fail_if_refused {
        return match status.problem {
            Some(problem) => Err(Refused { problem, fallback: status.fallback }.into()),
            None => Ok(ExitCode::SUCCESS),
        };
    }
    let mut output = io::stdout().lock();
    match (args.json, args.due) {
        (true, _) => writeln!(output, "{}", serde_json::to_string_pretty(&status).into_diagnostic()?),
        (false, true) => show_due(&status, &mut output),
        (false, false) => show(&status, &mut output),
    }
    .into_diagnostic()?;
    Ok(ExitCode::SUCCESS)
}

/// The vault's present state is not what is served.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
#[error("the vault's present state is not served{}:\n{problem}", if *.fallback { ", but the one accepted last" } else { "" })]
#[diagnostic(help("put the vault right, then `vaultd reload`; what is served stays until then"))]
struct Refused {
    problem: String,
    fallback: bool,
}

/// Nothing is said where nothing is to be done.
fn show_due(status: &Status, output: &mut impl Write) -> io::Result<()> {
    status.due.iter().try_for_each(|due| writeln!(output, "{due}"))
}

fn show(status: &Status, output: &mut impl Write) -> io::Result<()> {
    let yes = |holds: bool| if holds { "yes" } else { "no" };
    writeln!(output, "mount point  {}", status.mountpoint.display())?;
    writeln!(output, "vault        {}", status.vault.display())?;
    match (status.serial, &status.signer) {
        (Some(serial), Some(signer)) => writeln!(output, "state        serial {serial}, signed by {signer}")?,
        _ => writeln!(output, "state        UNSIGNED")?,
    }
    if let Some(problem) = &status.problem {
        let what = if status.fallback { "FALLBACK, the" } else { "the" };
        writeln!(output, "REFUSED      {what} vault's present state is not served:\n{problem}")?;
    }
    writeln!(output, "serving      {} files, generation {}", status.secrets, status.generation)?;
    if !status.unresolved.is_empty() {
        writeln!(
            output,
            "unresolved   {}: what is theirs is root's until they are there",
            status.unresolved
        )?;
    }
    let server = status.server.pid.map_or_else(|| "none now".to_owned(), |pid| format!("pid {pid}"));
    writeln!(output, "server       {server}, {} restarts", status.server.restarts)?;
    writeln!(output, "monitor      pid {}", status.monitor.pid)?;
    let features = &status.features;
    writeln!(output, "passthrough  {}", yes(features.passthrough))?;
    writeln!(output, "resend       {}", yes(features.resend))?;
    writeln!(output, "noswap       {}", yes(features.noswap))?;
    writeln!(output, "hand-over    {}", yes(features.handover))
}
