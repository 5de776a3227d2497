//! `vaultd mount`.

use std::env;
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use miette::IntoDiagnostic;

use crate::monitor::loading::Source;
use crate::monitor::mount_point::{MountPoint, detach_dead};
use crate::monitor::{self, Settings, background, mount};
use crate::sys::memory::Residency;
use crate::sys::process;
use crate::sys::store::Store;

/// Verify a vault, decrypt it into memory and serve its files
///
/// Ends on SIGTERM or SIGINT, or when it is unmounted. Loads the vault anew on SIGHUP.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    source: Source,

    /// How long requests wait for a server before the mount is made anew
    #[arg(long, value_name = "TIME", default_value = "10s")]
    resume_timeout: humantime::Duration,

    /// Return once the files are readable
    #[arg(long)]
    background: bool,

    /// Set by --background for the process that serves
    #[arg(long, hide = true, requires = "background")]
    report_ready: bool,

    /// Empty directory to mount on
    #[arg(value_name = "MOUNTPOINT", default_value = "/run/vault")]
    mount_point: PathBuf,
}

/// Which of the processes of `--background` this is.
#[derive(Clone, Copy)]
enum Place {
    Foreground,
    Caller,
    Background,
}

impl Args {
    fn place(&self) -> Place {
        match (self.background, self.report_ready) {
            (false, _) => Place::Foreground,
            (true, false) => Place::Caller,
            (true, true) => Place::Background,
        }
    }
}

pub(super) fn run(args: &Args) -> miette::Result<ExitCode> {
    match args.place() {
        Place::Caller => Ok(background::start(background_arguments())?),
        Place::Foreground => serve(args, || Ok(())),
        Place::Background => {
            background::leave_session()?;
            serve(args, background::let_go)
        }
    }
}

/// read → verify → decrypt → mount → notify
fn serve(args: &Args, notify: fn() -> io::Result<()>) -> miette::Result<ExitCode> {
    mount::require_root()?;
    process::forbid_dumps()?;
    let process = process::lock_memory(args.source.locking())?;
    let mount_point = free(&args.mount_point)?;
    // Better told now than when everything is decrypted.
    drop(mount::open_device()?);
    let store = Store::open(args.source.locking(), args.source.station().into_diagnostic()?.user())?;

    let loaded = monitor::load(&args.source, &store)?;
    for warning in &loaded.warnings {
        tell("warning", warning);
    }
    if process == Residency::Swappable {
        eprintln!("warning: memory is not locked: secrets may be written to swap");
    }
    let settings =
        Settings { source: args.source.clone(), mount_point, resume_timeout: *args.resume_timeout };
    monitor::run(settings, store, loaded, notify)?;
    Ok(ExitCode::SUCCESS)
}

fn free(path: &Path) -> miette::Result<MountPoint> {
    for dead in detach_dead(path)? {
        tell("note", &format!("detached a dead mount from {}", dead.path.display()));
    }
    Ok(MountPoint::check(path)?)
}

/// Standard error may be full or closed, which is no reason not to serve.
fn tell(kind: &str, text: &str) {
    let _ = writeln!(io::stderr(), "{kind}: {text}");
}

/// Our own arguments, with the flag that marks the background process after the verb.
fn background_arguments() -> Vec<OsString> {
    let mut arguments: Vec<OsString> = env::args_os().skip(1).collect();
    arguments.insert(1, "--report-ready".into());
    arguments
}
