//! Programs of this machine, run with as little as they need.

use std::{
    env,
    ffi::OsString,
    fs,
    io::{self, Read, Seek, Write},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus},
    thread,
    time::{Duration, Instant},
};

use super::Verdict;

/// No checker takes longer, on a busy machine neither.
const DEADLINE: Duration = Duration::from_secs(60);
/// How often it is looked whether one has ended.
const TICK: Duration = Duration::from_millis(2);
/// Where programs are that only root runs; not in everybody's `PATH`.
const SYSTEM_FOLDERS: [&str; 2] = ["/usr/sbin", "/sbin"];
/// Where Debian has the programs of each version of PostgreSQL.
const POSTGRESQL: &str = "/usr/lib/postgresql";
/// The user and group without any rights, as whom checkers run where we are root.
pub(super) const NOBODY: u32 = 65534;

/// A program that checks files.
pub(super) struct Program {
    /// Its name.
    pub name: &'static str,
    /// The package of Debian that has it; none for a program of ours.
    pub package: Option<&'static str>,
}

impl Program {
    /// Where it is.
    ///
    /// # Errors
    ///
    /// That it is not here.
    pub fn find(&self) -> Result<PathBuf, Verdict> {
        let name = self.name;
        let from = match self.package {
            Some(package) => format!("Debian's package {package} has it"),
            None => format!("`cargo build -p {name}` makes it"),
        };
        let missing = || Verdict::Skipped(format!("there is no {name}: {from}"));
        let mut found = which::which_in_all(self.name, Some(search_path()), "/").into_iter().flatten();
        found.find(|path| !is_root() || is_open(path)).ok_or_else(missing)
    }

    /// A command that runs it as nobody, with an empty environment.
    ///
    /// # Errors
    ///
    /// That it is not here.
    pub fn command(&self) -> Result<Command, Verdict> {
        let mut command = self.privileged()?;
        lower(&mut command);
        Ok(command)
    }

    /// A command that runs it as who we are.
    ///
    /// # Errors
    ///
    /// That it is not here.
    pub fn privileged(&self) -> Result<Command, Verdict> {
        let mut command = Command::new(self.find()?);
        command.env_clear().env("PATH", search_path()).env("LC_ALL", "C.UTF-8");
        Ok(command)
    }
}

/// The folders in which programs are; ours may be beside this one.
fn search_path() -> OsString {
    let of_user = env::var_os("PATH").unwrap_or_default();
    let beside = env::current_exe().ok().and_then(|program| program.parent().map(Path::to_owned));
    let folders = env::split_paths(&of_user)
        .chain(beside)
        .chain(SYSTEM_FOLDERS.map(PathBuf::from))
        .chain(of_postgresql());
    env::join_paths(folders).unwrap_or(of_user)
}

/// The programs of PostgreSQL, those of the newest version first.
fn of_postgresql() -> impl Iterator<Item = PathBuf> {
    let versions = fs::read_dir(POSTGRESQL).into_iter().flatten().flatten();
    let number = |name: OsString| name.to_str().and_then(|name| name.parse::<u32>().ok());
    let mut versions: Vec<u32> = versions.filter_map(|entry| number(entry.file_name())).collect();
    versions.sort_unstable();
    versions.into_iter().rev().map(|version| Path::new(POSTGRESQL).join(version.to_string()).join("bin"))
}

/// What a program said and how it ended.
pub(super) struct Said {
    /// Its exit status; none if a signal ended it.
    pub status: Option<i32>,
    /// Both its streams, without what stands for the folders of this machine.
    pub text: String,
}

impl Said {
    /// Whether it was content.
    pub fn is_content(&self) -> bool {
        self.status == Some(0)
    }

    /// A verdict: what it said, if it was not content.
    pub fn verdict(self) -> Verdict {
        if self.is_content() { Verdict::Passed } else { Verdict::Failed(self.text) }
    }

    /// Leaves out a path of this machine wherever it was named.
    pub fn without(mut self, path: &Path) -> Self {
        self.text = self.text.replace(&*path.to_string_lossy(), "");
        self
    }
}

/// Runs a command to its end.
///
/// # Errors
///
/// If it cannot be started, or does not end.
pub(super) fn run(command: Command) -> Result<Said, Verdict> {
    run_with_input(command, "")
}

/// Runs a command that reads a text, to its end.
///
/// # Errors
///
/// As [`run`].
pub(super) fn run_with_input(mut command: Command, input: &str) -> Result<Said, Verdict> {
    // Files and no pipes: whoever writes or reads never waits for the other.
    let (mut text, output) = (tempfile::tempfile()?, tempfile::tempfile()?);
    text.write_all(input.as_bytes())?;
    text.rewind()?;
    command.stdin(text).stdout(output.try_clone()?).stderr(output.try_clone()?);
    let Some(status) = wait(&mut command.spawn()?)? else {
        return Err(Verdict::Failed(format!("it did not end within {} s", DEADLINE.as_secs())));
    };
    Ok(Said { status: status.code(), text: read(output)? })
}

fn wait(child: &mut Child) -> io::Result<Option<ExitStatus>> {
    let end = Instant::now() + DEADLINE;
    while Instant::now() < end {
        match child.try_wait()? {
            Some(status) => return Ok(Some(status)),
            None => thread::sleep(TICK),
        }
    }
    child.kill()?;
    child.wait()?;
    Ok(None)
}

fn read(mut output: fs::File) -> io::Result<String> {
    let mut bytes = Vec::new();
    output.rewind()?;
    output.read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).trim_end().to_owned())
}

/// Whether we are root: whoever owns a file that we make is who we are.
#[cfg(unix)]
pub(super) fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    tempfile::tempfile().and_then(|file| file.metadata()).is_ok_and(|metadata| metadata.uid() == 0)
}

#[cfg(not(unix))]
pub(super) fn is_root() -> bool {
    false
}

/// Whether nobody may run a program: those of somebody's home are closed to all others.
#[cfg(unix)]
fn is_open(program: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let Ok(path) = program.canonicalize() else { return false };
    [program, &path].into_iter().flat_map(Path::ancestors).all(|part| {
        part.as_os_str().is_empty() || fs::metadata(part).is_ok_and(|metadata| metadata.mode() & 0o001 != 0)
    })
}

#[cfg(not(unix))]
fn is_open(_: &Path) -> bool {
    true
}

/// Gives a file or folder to who runs the checkers.
#[cfg(unix)]
pub(super) fn hand_over(path: &Path) -> io::Result<()> {
    if is_root() { std::os::unix::fs::chown(path, Some(NOBODY), Some(NOBODY)) } else { Ok(()) }
}

#[cfg(not(unix))]
pub(super) fn hand_over(_: &Path) -> io::Result<()> {
    Ok(())
}

/// Takes root's rights from a command.
#[cfg(unix)]
fn lower(command: &mut Command) {
    use std::os::unix::process::CommandExt;
    if is_root() {
        command.uid(NOBODY).gid(NOBODY);
    }
}

#[cfg(not(unix))]
fn lower(_: &mut Command) {}
