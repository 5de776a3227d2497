//! systemd's units: `systemd-analyze verify` loads each as the service manager would, with what it depends on, and
//! tells unknown directives, values that are none, units that are not there, and cycles.
//!
//! It looks at the tree with the units of this machine's own packages added. A unit that only a package of the box
//! has, or that is made at the boot, is there as one that does nothing. A program that is not on this machine is told
//! and no failure, where a package or an artifact of the box brings it.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::Path,
};

use super::{
    Outcome, Subject, Verdict,
    program::{Program, run},
};
use crate::system::System;

const CHECKER: &str = "systemd-analyze verify";
pub(super) const ANALYZE: Program = Program { name: "systemd-analyze", package: Some("systemd") };
/// Where our units are.
const OURS: &str = "/etc/systemd/system/";
/// Where those of packages are.
const PACKAGED: &str = "/usr/lib/systemd/system";
/// Folders that the box's packages bring programs to.
const PACKAGED_PROGRAMS: [&str; 6] = ["/usr/bin/", "/usr/sbin/", "/usr/lib/", "/bin/", "/sbin/", "/lib/"];
/// What systemd has since version 254, and the box's with it: an older one here complains of what it does not know.
const NEWER: [&str; 5] =
    ["'RestartMode'", "'FileDescriptorStorePreserve'", "'RestartSteps'", "'ImportCredential'", "@sandbox"];
/// What has a unit load others, so that it does not load without them.
const NEEDED: [&str; 3] = ["Requires", "Requisite", "BindsTo"];
/// What all services are started by: cycles are seen from there.
const ALL: &str = "multi-user.target";

pub(super) fn check(subject: &Subject<'_>) -> Vec<Outcome> {
    let names: BTreeSet<String> =
        ours(subject).map(|(name, _)| name.to_owned()).chain(extended(subject)).collect();
    if names.is_empty() {
        return Vec::new();
    }
    match verify(subject, &names) {
        Err(verdict) => vec![Outcome::of(CHECKER, "units", Err(verdict))],
        Ok(said) => said.outcomes(&subject.resolved.system, &names),
    }
}

/// The units of the tree, with their texts.
pub(super) fn ours<'a>(subject: &Subject<'a>) -> impl Iterator<Item = (&'a str, &'a str)> {
    let files = subject.texts_below(OURS);
    let named = files.filter_map(|(path, text)| Some((path.as_str().strip_prefix(OURS)?, text)));
    named.filter(|(name, _)| !name.contains('/'))
}

/// The values of a directive in the text of a unit.
pub(super) fn values<'a>(text: &'a str, key: &str) -> impl Iterator<Item = &'a str> {
    let lines = text.lines().filter_map(|line| line.split_once('='));
    lines.filter(move |(name, _)| *name == key).map(|(_, value)| value)
}

/// The units that the tree has drop-ins for.
fn extended(subject: &Subject<'_>) -> BTreeSet<String> {
    let paths = subject.texts_below(OURS).filter_map(|(path, _)| path.as_str().strip_prefix(OURS));
    let folders = paths.filter_map(|path| path.split_once(".d/"));
    folders.map(|(unit, _)| unit.to_owned()).collect()
}

fn verify(subject: &Subject<'_>, names: &BTreeSet<String>) -> Result<Complaints, Verdict> {
    let mut analyze = ANALYZE.command()?;
    add_packaged(subject)?;
    add_stand_ins(subject, names)?;
    analyze
        .args(["verify", "--man=no", "--generators=no", "--recursive-errors=yes", "--root"])
        .arg(&subject.root);
    analyze.args(names.iter().map(|name| loadable(name))).arg(ALL);
    let said = run(analyze)?;
    match said.status {
        // It ends with 1 also for what is no complaint of ours.
        Some(0 | 1) if !said.text.contains("systemd-analyze: ") => {
            Ok(Complaints::read(&said.text, &subject.root, names))
        }
        _ => Err(Verdict::Failed(said.text)),
    }
}

/// A template is loaded as one of its instances.
pub(super) fn loadable(name: &str) -> String {
    name.replace("@.", "@check.")
}

/// Adds the units of this machine's packages; what the tree has stays.
fn add_packaged(subject: &Subject<'_>) -> io::Result<()> {
    copy_missing(Path::new(PACKAGED), &subject.at(PACKAGED))
}

fn copy_missing(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from).into_iter().flatten() {
        let entry = entry?;
        let (from, to) = (entry.path(), to.join(entry.file_name()));
        // Links among units are followed: what they point to is a unit too, or a mask.
        match fs::metadata(&from) {
            Ok(metadata) if metadata.is_dir() => copy_missing(&from, &to)?,
            Ok(_) if fs::symlink_metadata(&to).is_err() => link_or_copy(&from, &to)?,
            _ => {}
        }
    }
    Ok(())
}

/// Aliases stay what they are; everything else is copied.
#[cfg(unix)]
fn link_or_copy(from: &Path, to: &Path) -> io::Result<()> {
    match fs::read_link(from) {
        Ok(target) => std::os::unix::fs::symlink(target, to),
        Err(_) => fs::copy(from, to).map(drop),
    }
}

#[cfg(not(unix))]
fn link_or_copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::copy(from, to).map(drop)
}

/// Adds units that do nothing for those that are needed or extended and not here.
fn add_stand_ins(subject: &Subject<'_>, names: &BTreeSet<String>) -> io::Result<()> {
    let needed = ours(subject).flat_map(|(_, text)| NEEDED.iter().flat_map(|key| values(text, key)));
    let needed = needed.flat_map(str::split_whitespace).map(str::to_owned);
    let needed: Vec<String> = needed.filter(|name| is_of_package(subject, name)).collect();
    for name in needed.iter().chain(names) {
        let is_there = [OURS, PACKAGED].iter().any(|folder| exists(&subject.at(folder), name));
        if !is_there {
            let section =
                if name.ends_with(".service") { "[Service]\nExecStart=/bin/true\n" } else { "[Unit]\n" };
            fs::write(subject.at(PACKAGED).join(name), section)?;
        }
    }
    Ok(())
}

/// Whether a unit may come from a package of the box: one that the box switches on, an instance, or what a generator
/// or the kernel makes.
fn is_of_package(subject: &Subject<'_>, name: &str) -> bool {
    let is_made = name.rsplit_once('.').is_some_and(|(_, kind)| ["device", "mount", "swap"].contains(&kind));
    is_made || name.contains('@') || subject.resolved.system.packaged_units.contains_key(name)
}

fn exists(folder: &Path, name: &str) -> bool {
    let template = name.split_once('@').and_then(|(before, after)| {
        after.rsplit_once('.').map(|(_, kind)| folder.join(format!("{before}@.{kind}")))
    });
    [Some(folder.join(name)), template].into_iter().flatten().any(|path| fs::symlink_metadata(path).is_ok())
}

/// What systemd complains of.
#[derive(Debug, Default)]
struct Complaints {
    /// By unit.
    of_units: BTreeMap<String, Vec<String>>,
    /// Programs that are not here, by unit.
    programs: BTreeMap<String, Vec<String>>,
    /// Of no one unit.
    of_none: Vec<String>,
}

impl Complaints {
    fn read(text: &str, root: &Path, names: &BTreeSet<String>) -> Self {
        let root = root.to_string_lossy();
        let mut complaints = Self::default();
        for line in text.lines() {
            complaints.add(&line.replace(&*root, ""), names);
        }
        complaints
    }

    fn add(&mut self, line: &str, names: &BTreeSet<String>) {
        if is_newer(line) {
            return;
        }
        if let Some((unit, place)) = line.strip_prefix(OURS).and_then(of_file) {
            return self.of_units.entry(unit).or_default().push(place);
        }
        if line.starts_with(PACKAGED) || is_repeated(line) {
            return;
        }
        let Some((unit, what)) = line.split_once(": ") else { return self.of_none.push(line.to_owned()) };
        let is_ours = names.iter().any(|name| loadable(name) == unit);
        match missing_program(what) {
            Some(program) if is_ours => {
                self.programs.entry(unit.to_owned()).or_default().push(program.to_owned());
            }
            Some(_) => {}
            None if is_ours => self.of_units.entry(unit.to_owned()).or_default().push(what.to_owned()),
            None if is_of_cycle(what) => self.of_none.push(line.to_owned()),
            // What is wrong with a unit of a package is not ours to tell.
            None => {}
        }
    }

    fn outcomes(self, system: &System, names: &BTreeSet<String>) -> Vec<Outcome> {
        let mut outcomes: Vec<Outcome> = names.iter().map(|name| self.of_unit(name, system)).collect();
        if !self.of_none.is_empty() {
            outcomes.push(Outcome::of(CHECKER, "all units", Err(Verdict::Failed(self.of_none.join("\n")))));
        }
        outcomes
    }

    fn of_unit(&self, name: &str, system: &System) -> Outcome {
        let mut failures = self.of_units.get(&loadable(name)).cloned().unwrap_or_default();
        let (mut elsewhere, mut programs) =
            (Vec::new(), self.programs.get(&loadable(name)).cloned().unwrap_or_default());
        programs.dedup();
        for program in programs {
            match () {
                // Without a folder, it is found among those of packages.
                () if !program.starts_with('/') || Path::new(&program).exists() => {}
                () if is_brought(&program, system) => elsewhere.push(program),
                () => failures.push(format!("nothing brings {program}, which it runs")),
            }
        }
        let subject = match elsewhere.as_slice() {
            [] => name.to_owned(),
            programs => format!("{name} (not on this machine: {})", programs.join(", ")),
        };
        let verdict =
            if failures.is_empty() { Verdict::Passed } else { Verdict::Failed(failures.join("\n")) };
        Outcome::of(CHECKER, subject, Ok(verdict))
    }
}

/// The unit of `NAME:LINE: …` and `NAME.d/FILE:LINE: …`, and what is said with its place.
fn of_file(rest: &str) -> Option<(String, String)> {
    let (file, what) = rest.split_once(':')?;
    let unit = file.split_once(".d/").map_or(file, |(unit, _)| unit);
    Some((unit.to_owned(), format!("line {what}")))
}

/// Whether it is about what only an older systemd does not know.
fn is_newer(line: &str) -> bool {
    line.contains("Unknown ") && NEWER.iter().any(|what| line.contains(what))
}

/// Says again what was said of a unit.
fn is_repeated(line: &str) -> bool {
    line.starts_with("Requested transaction contains")
        || (line.starts_with("Unit ") && line.ends_with("has a bad unit file setting."))
}

fn is_of_cycle(what: &str) -> bool {
    ["Found ordering cycle", "Found dependency on", "Job "].iter().any(|start| what.starts_with(start))
}

fn missing_program(what: &str) -> Option<&str> {
    let rest = what.strip_prefix("Command ")?;
    rest.strip_suffix(" is not executable: No such file or directory")
}

fn is_brought(program: &str, system: &System) -> bool {
    let is_below = |folder: &str| program.starts_with(folder);
    PACKAGED_PROGRAMS.iter().any(|folder| is_below(folder))
        || system.artifacts.keys().any(|path| is_below(path.as_str()))
}
