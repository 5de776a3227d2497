//! The folders with addons of Odoo that a node names, read as the files that travel.
//!
//! A folder is an addon if it has a manifest; if not, each folder in it that has one is ("Module manifest" in Odoo's
//! manual). What begins with a dot, and what Python compiled, stays behind.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

use include_dir::Dir;
use vault_format::{LOCK_FILE, POLICY_FILE, leak};

use crate::{
    node::SHIPPED,
    problem::{Problem, Problems},
    value::Located,
};

/// The file that makes a folder an addon.
const MANIFEST: &str = "__manifest__.py";
/// Most bytes of all addons.
const MAX_BYTES: usize = 256 << 20;
/// Most folders within each other.
const MAX_DEPTH: usize = 32;

/// Addons by name, each with its files by path below its folder.
#[derive(Debug, Default)]
pub struct Addons(pub BTreeMap<String, BTreeMap<String, Vec<u8>>>);

/// A folder's files, by path.
type Files = BTreeMap<PathBuf, Vec<u8>>;

impl Addons {
    /// Reads the addons in these folders.
    ///
    /// # Errors
    ///
    /// If a folder cannot be read, has no addon, or has one of the same name as another.
    pub fn read(folders: &[Located]) -> Result<Self, Problems> {
        let mut addons = Self::default();
        let mut problems = Problems::default();
        for folder in folders {
            if let Err(problem) = addons.add(folder) {
                problems.push(problem.about("service-stack", "odoo-addons"));
            }
        }
        problems.none().map(|()| addons)
    }

    fn add(&mut self, folder: &Located) -> Result<(), Problem> {
        let files = match folder {
            Located::OnDisk(path) => on_disk(path)?,
            Located::InProgram(path) => in_program(path)?,
        };
        let files = if files.contains_key(Path::new(MANIFEST)) { below(folder.path(), files) } else { files };
        let is_manifest = |path: &&PathBuf| path.ends_with(MANIFEST) && path.iter().count() == 2;
        let addons: Vec<PathBuf> =
            files.keys().filter(is_manifest).filter_map(|path| path.parent()).map(Path::to_owned).collect();
        if addons.is_empty() {
            let problem = Problem::new(format!("there is no addon in `{}`", folder.path().display()));
            return Err(problem.help(format!("an addon is a folder with a file {MANIFEST}")));
        }
        addons.into_iter().try_for_each(|addon| self.put(&addon, &files))
    }

    fn put(&mut self, addon: &Path, files: &Files) -> Result<(), Problem> {
        let text = |path: &Path| {
            let text = path.to_str().map(str::to_owned);
            text.ok_or_else(|| Problem::new(format!("the name `{}` is not of UTF-8", path.display())))
        };
        let own = files.iter().filter_map(|(path, bytes)| Some((path.strip_prefix(addon).ok()?, bytes)));
        let own: Result<_, Problem> = own.map(|(path, bytes)| Ok((text(path)?, bytes.clone()))).collect();
        let name = text(addon)?;
        let message = format!("there are two addons `{name}`");
        match self.0.insert(name, own?) {
            None => Ok(()),
            Some(_) => Err(Problem::new(message).help("leave one of them out")),
        }
    }
}

/// The files of a folder as those of its parent.
fn below(folder: &Path, files: Files) -> Files {
    let name = folder.file_name().map(PathBuf::from).unwrap_or_default();
    files.into_iter().map(|(path, bytes)| (name.join(path), bytes)).collect()
}

fn on_disk(folder: &Path) -> Result<Files, Problem> {
    let mut files = Files::new();
    read_below(folder, Path::new(""), MAX_DEPTH, &mut files)?;
    refuse_secrets(folder, &files)?;
    Ok(files)
}

/// Refuses what must not travel in the open: everybody on the machine can read an addon, and beside a vault, or in a
/// repository that is one addon, lie private keys that Git ignores.
fn refuse_secrets(folder: &Path, files: &Files) -> Result<(), Problem> {
    let full = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    let is_in_vault = full.ancestors().any(|folder| folder.join(LOCK_FILE).exists());
    let of_vault = [LOCK_FILE, POLICY_FILE].map(Some);
    let has_vault =
        files.keys().any(|path| of_vault.contains(&path.file_name().and_then(|name| name.to_str())));
    if is_in_vault || has_vault {
        return Err(Problem::new(format!("there is a vault in `{}`, or around it", folder.display()))
            .help("name the folder of the addons alone: all of it is copied to the machine, where everybody can read it"));
    }
    match files.iter().find(|(_, bytes)| !leak::scan(bytes).is_empty()) {
        None => Ok(()),
        Some((path, _)) => Err(Problem::new(format!(
            "`{}` has a private key or a password's hash in it",
            folder.join(path).display()
        ))
        .help("it would be copied to the machine, where everybody can read it: move it elsewhere")),
    }
}

/// Reads what is below a folder; links are not followed, since they may lead anywhere.
fn read_below(folder: &Path, below: &Path, depth: usize, files: &mut Files) -> Result<(), Problem> {
    let at = if below.as_os_str().is_empty() { folder.to_owned() } else { folder.join(below) };
    let unread = |path: &Path, why: &dyn std::fmt::Display| {
        Problem::new(format!("cannot read `{}`: {why}", path.display())).help(
            "name a folder with addons: its path begins at the file that it is written in, and all in it are files and folders",
        )
    };
    if depth == 0 {
        return Err(unread(&at, &format_args!("more than {MAX_DEPTH} folders within each other")));
    }
    for entry in fs::read_dir(&at).map_err(|error| unread(&at, &error))? {
        let entry = entry.map_err(|error| unread(&at, &error))?;
        let (name, path) = (below.join(entry.file_name()), entry.path());
        let kind = entry.file_type().map_err(|error| unread(&path, &error))?;
        if stays_behind(&name) {
            continue;
        }
        if kind.is_dir() {
            read_below(folder, &name, depth - 1, files)?;
        } else if kind.is_file() {
            files.insert(name, fs::read(&path).map_err(|error| unread(&path, &error))?);
        } else {
            return Err(unread(&path, &"it is neither a file nor a folder"));
        }
        if files.values().map(Vec::len).sum::<usize>() > MAX_BYTES {
            return Err(unread(folder, &format_args!("it has more than {MAX_BYTES} bytes")));
        }
    }
    Ok(())
}

fn in_program(folder: &Path) -> Result<Files, Problem> {
    let found = SHIPPED.get_dir(folder);
    let found = found.ok_or_else(|| Problem::new(format!("the program has no `{}`", folder.display())))?;
    let mut files = Files::new();
    embedded_below(found, found.path(), &mut files);
    Ok(files)
}

fn embedded_below(folder: &Dir<'_>, root: &Path, files: &mut Files) {
    for file in folder.files() {
        let path = file.path().strip_prefix(root).unwrap_or(file.path());
        if !stays_behind(path) {
            files.insert(path.to_owned(), file.contents().to_vec());
        }
    }
    folder.dirs().for_each(|folder| embedded_below(folder, root, files));
}

fn stays_behind(path: &Path) -> bool {
    let mut parts = path.iter().map(|part| part.to_string_lossy());
    parts.any(|part| part.starts_with('.') || part == "__pycache__")
        || path.extension().is_some_and(|kind| kind == "pyc")
}
