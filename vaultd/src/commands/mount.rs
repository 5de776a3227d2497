//! `vaultd mount`.

use std::env;
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use miette::IntoDiagnostic;

use super::source::Source;
use crate::configuration::{Configuration, parse_duration};
use crate::monitor::loader::{Loaded, Loader};
use crate::monitor::mount_point::{MountPoint, detach_dead};
use crate::monitor::{self, Start, background, mount, parking};
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

    /// Serve nothing at the start rather than the state accepted last, if the present one is refused
    #[arg(long)]
    no_fallback: bool,

    /// User that the processes run as which do the work; a number that nobody has where there is none
    /// [default: vaultd]
    #[arg(long, value_name = "USER")]
    server_user: Option<String>,

    /// How long requests wait for a server before the mount is made anew [default: 10s]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    resume_timeout: Option<Duration>,

    /// Return once the files are readable
    #[arg(long)]
    background: bool,

    /// Set by --background for the process that serves
    #[arg(long, hide = true, requires = "background")]
    report_ready: bool,

    /// Empty directory to mount on [default: /run/vault]
    #[arg(value_name = "MOUNTPOINT")]
    mount_point: Option<PathBuf>,
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

/// read → verify → decrypt → mount → notify; the mount of a vaultd before this one is gone on with first
fn serve(args: &Args, notify: fn() -> io::Result<()>) -> miette::Result<ExitCode> {
    mount::require_root()?;
    process::forbid_dumps()?;
    process::raise_descriptor_limit();
    process::share_heap();
    let left = parking::left().into_diagnostic()?;
    let flags = Configuration {
        mountpoint: args.mount_point.clone(),
        fallback: args.no_fallback.then_some(false),
        server_user: args.server_user.clone(),
        resume_timeout: args.resume_timeout,
        ..Configuration::default()
    };
    let mut settings = args.source.settings(flags)?;
    let residency = process::lock_memory(settings.locking)?;
    let taken = left.take(&settings.mount_point, settings.record).into_diagnostic()?;
    let mount_point = match &taken {
        Some(taken) => MountPoint::of(&taken.manifest.mount),
        None => free(&settings.mount_point)?,
    };
    settings.mount_point = mount_point.path().to_owned();
    // Better told now than when everything is decrypted.
    drop(mount::open_device()?);
    let store = Store::open(settings.locking, settings.decryptor().user())?;

    let loader = Loader::new(settings, store)?;
    let start = match taken {
        Some(taken) => Start::Taken(Box::new(taken)),
        None => Start::Fresh(mount_point, Box::new(load(&loader)?)),
    };
    if residency == Residency::Swappable {
        tell("warning: memory is not locked: secrets may be written to swap");
    }
    monitor::run(loader, start, notify)?;
    Ok(ExitCode::SUCCESS)
}

fn load(loader: &Loader) -> miette::Result<Loaded> {
    let loaded = loader.first()?;
    if let Some(problem) = &loaded.problem {
        tell(problem);
        tell("warning: FALLBACK: serving the state that this machine accepted last");
    }
    for warning in &loaded.warnings {
        tell(&format!("warning: {warning}"));
    }
    Ok(loaded)
}

fn free(path: &Path) -> miette::Result<MountPoint> {
    for dead in detach_dead(path)? {
        tell(&format!("note: detached a dead mount from {}", dead.path.display()));
    }
    Ok(MountPoint::check(path)?)
}

/// Standard error may be full or closed, which is no reason not to serve.
fn tell(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// Our own arguments, with the flag that marks the background process after the verb.
fn background_arguments() -> Vec<OsString> {
    let mut arguments: Vec<OsString> = env::args_os().skip(1).collect();
    arguments.insert(1, "--report-ready".into());
    arguments
}
