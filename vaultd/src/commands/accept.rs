//! `vaultd accept`.

use std::path::PathBuf;
use std::process::ExitCode;

use super::say;
use crate::state::{self, Exception, StateFolder};

/// Let an older state, or another vault, in once
///
/// It is recorded who did, and used up by the next state that needs it. What vaultd.toml demands
/// (`vault-id`, `min-serial`) holds all the same.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    what: What,

    /// Where the vault is mounted
    #[arg(value_name = "MOUNTPOINT", default_value = "/run/vault")]
    mount_point: PathBuf,

    /// Where vaultd keeps what it has accepted
    #[arg(long, value_name = "DIR", default_value = state::ROOT, hide = true)]
    state: PathBuf,
}

#[derive(Debug, clap::Args)]
#[group(required = true, multiple = false)]
struct What {
    /// The serial of the older state
    #[arg(long, value_name = "N")]
    serial: Option<u64>,

    /// A state that does not descend from the one accepted last, or another vault
    #[arg(long)]
    new_history: bool,
}

pub(super) fn run(args: &Args) -> miette::Result<ExitCode> {
    let nothing = || AcceptError::Nothing(args.mount_point.clone());
    let state = StateFolder::open_existing(&args.state, &args.mount_point)?.ok_or_else(nothing)?;
    let last = state.accepted()?.ok_or_else(nothing)?;
    let exception = match args.what.serial {
        Some(found) if found >= last.serial => {
            return Err(AcceptError::NotOlder { found, accepted: last.serial }.into());
        }
        Some(serial) => Exception::Serial(serial),
        None => Exception::NewHistory,
    };
    let waiver = state.waive(exception)?;
    let what = match exception {
        Exception::Serial(serial) => format!("serial {serial} of vault {}", last.vault_id),
        Exception::NewHistory => "a state that does not descend from it, or another vault,".to_owned(),
    };
    say(&format!("accepted last at {}: vault {}, serial {}", last.mountpoint, last.vault_id, last.serial));
    say(&format!("{what} may follow once, by {} at {}", waiver.by, waiver.at));
    Ok(ExitCode::SUCCESS)
}

/// Why nothing is let in.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
enum AcceptError {
    #[error("nothing was accepted at {} so far, so nothing has to be let in", .0.display())]
    #[diagnostic(help("name the mount point if it is another one: vaultd accept … MOUNTPOINT"))]
    Nothing(PathBuf),
    #[error("serial {found} is not older than what was accepted last, serial {accepted}")]
    #[diagnostic(help(
        "a newer state needs no exception; one that does not descend from the accepted one: vaultd accept --new-history"
    ))]
    NotOlder { found: u64, accepted: u64 },
}
