//! This machine's signers: a file of its own, which no repository brings along.

use std::fs::{self, DirBuilder, File};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use miette::Diagnostic;
use rustix::fs::FlockOperation;
use thiserror::Error;
use vault_format::signers::{AllowedSigners, Signer, SignersError};
use vault_format::ssh;

use crate::state::replace::replace;

/// Where a machine's signers are listed.
pub const FILE: &str = "/etc/vaultd/allowed_signers";

/// The signers of a list whose states count today: those whose key has an end date nowhere in it.
#[must_use]
pub fn trusted(signers: AllowedSigners) -> AllowedSigners {
    let trusted = signers.iter().filter(|signer| !is_ended(&signers, signer));
    trusted.fold(AllowedSigners::default(), |list, signer| list.with(signer.clone()))
}

/// Whether the key of a signer has an end date in the list, under whatever name.
#[must_use]
pub fn is_ended(signers: &AllowedSigners, signer: &Signer) -> bool {
    signers.iter().any(|other| other.ended() && is_same_key(other, signer))
}

fn is_same_key(one: &Signer, other: &Signer) -> bool {
    one.key().key_data() == other.key().key_data()
}

/// A list of signers, with whatever else stands in its file: comments, and lines for other purposes.
#[derive(Debug)]
pub struct SignersFile {
    path: PathBuf,
    text: String,
    signers: AllowedSigners,
}

impl SignersFile {
    /// Reads the file.
    ///
    /// # Errors
    /// [`SignersFileError`]: it is not there, cannot be read, or has a line that cannot be trusted.
    pub fn read(path: &Path) -> Result<Self, SignersFileError> {
        let text = fs::read_to_string(path)
            .map_err(|error| SignersFileError::Read { path: path.to_owned(), error })?;
        let signers = AllowedSigners::parse(&text)
            .map_err(|error| SignersFileError::Line { path: path.to_owned(), error })?;
        Ok(Self { path: path.to_owned(), text, signers })
    }

    /// As [`Self::read`]. A file that is not there lists nobody.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn read_if_present(path: &Path) -> Result<Self, SignersFileError> {
        match Self::read(path) {
            Err(SignersFileError::Read { error, .. }) if error.kind() == io::ErrorKind::NotFound => {
                let (text, signers) = (String::new(), AllowedSigners::default());
                Ok(Self { path: path.to_owned(), text, signers })
            }
            other => other,
        }
    }

    /// Everybody in the list, also those with an end date.
    #[must_use]
    pub fn signers(&self) -> &AllowedSigners {
        &self.signers
    }

    /// Adds a line for a signer.
    pub fn add(&mut self, signer: Signer) {
        if !self.text.is_empty() && !self.text.ends_with('\n') {
            self.text.push('\n');
        }
        self.text.push_str(&format!("{signer}\n"));
        self.signers = std::mem::take(&mut self.signers).with(signer);
    }

    /// Takes out whoever has this name, and under other names the keys of those: else they could still
    /// sign. Gives back who that was.
    pub fn remove(&mut self, name: &str) -> Vec<Signer> {
        let named: Vec<&Signer> = self.signers.iter().filter(|signer| signer.principal() == name).collect();
        let goes = |signer: &Signer| named.iter().any(|named| is_same_key(named, signer));
        let (removed, kept): (Vec<&Signer>, Vec<&Signer>) =
            self.signers.iter().partition(|signer| goes(signer));
        let lines = self.text.lines().filter(|line| !line_has(line, &goes));
        let text: String = lines.map(|line| format!("{line}\n")).collect();
        let removed = removed.into_iter().cloned().collect();
        let kept = kept.into_iter().fold(AllowedSigners::default(), |list, signer| list.with(signer.clone()));
        (self.text, self.signers) = (text, kept);
        removed
    }

    /// Writes it in place of the old one: whole, or not at all.
    ///
    /// # Errors
    /// [`SignersFileError::Write`]: the old one stays.
    pub fn write(&self) -> Result<(), SignersFileError> {
        let fault = |error| SignersFileError::Write { path: self.path.clone(), error };
        // What a link leads to is replaced, not the link.
        let path = fs::canonicalize(&self.path).unwrap_or_else(|_| self.path.clone());
        let mode = fs::metadata(&path).map_or(0o644, |metadata| metadata.permissions().mode() & 0o777);
        replace(&path, mode, |mut file| file.write_all(self.text.as_bytes())).map_err(fault)
    }
}

/// Whether a line, which was understood as part of the file, is of such a signer.
fn line_has(line: &str, is_such: &impl Fn(&Signer) -> bool) -> bool {
    AllowedSigners::parse(line).is_ok_and(|signers| signers.iter().any(is_such))
}

/// Keeps other commands from editing the file, whose folder is made if it is missing, until the value
/// is dropped.
///
/// # Errors
/// [`SignersFileError::Write`].
pub fn lock(path: &Path) -> Result<File, SignersFileError> {
    let folder = path.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."));
    let locked = DirBuilder::new().mode(0o755).recursive(true).create(folder).and_then(|()| {
        let folder = File::open(folder)?;
        rustix::fs::flock(&folder, FlockOperation::LockExclusive)?;
        Ok(folder)
    });
    locked.map_err(|error| SignersFileError::Write { path: path.to_owned(), error })
}

/// A signer as people compare them: name and fingerprint.
#[must_use]
pub fn describe(signer: &Signer) -> String {
    format!("{}  {}", signer.principal(), ssh::fingerprint(signer.key()))
}

/// Why a list of signers cannot be read or written.
#[derive(Debug, Error, Diagnostic)]
pub enum SignersFileError {
    /// Not there, or not readable.
    #[error("cannot read the signers, {}", .path.display())]
    #[diagnostic(help(
        "a list of signers is made by `vaultd trust add FILE`, from the vault's allowed_signers after comparing the fingerprints with its owner"
    ))]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        error: io::Error,
    },
    /// A line that cannot be trusted.
    #[error("{}: {error}", .path.display())]
    Line {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[diagnostic_source]
        error: SignersError,
    },
    /// It cannot be written.
    #[error("cannot write the signers, {}", .path.display())]
    #[diagnostic(help("run it as root, and make space there; the signers are as before"))]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        error: io::Error,
    },
}

#[cfg(test)]
mod tests {
    use vault_format::ssh::SshKey;

    use super::*;

    fn key() -> String {
        SshKey::generate("").expect("a key").public_line().expect("a line").trim().to_owned()
    }

    fn names(signers: &AllowedSigners) -> Vec<&str> {
        signers.iter().map(Signer::principal).collect()
    }

    #[test]
    fn a_key_with_an_end_date_is_trusted_under_no_name() {
        let (alice, bob, carol) = (key(), key(), key());
        let text = format!(
            "alice {alice}\nbob valid-before=\"20990101\" {bob}\nrobert {bob}\n\
             carol valid-after=\"20200101\" {carol}\ncarol namespaces=\"git\" {alice}\n"
        );
        let signers = AllowedSigners::parse(&text).expect("signers");
        assert_eq!(names(&trusted(signers.clone())), ["alice", "carol"]);
        assert!(names(&trusted(trusted(signers))).len() == 2);
        assert_eq!(names(&trusted(AllowedSigners::default())), [""; 0]);
    }

    #[test]
    fn editing_leaves_all_other_lines_alone() {
        let temp = tempfile::tempdir().expect("a folder");
        let path = temp.path().join("allowed_signers");
        let (alice, bob) = (key(), key());
        let comment = "# people\n\n";
        let git = format!("carol namespaces=\"git\" {alice}\n");
        fs::write(&path, format!("{comment}alice {alice}\n{git}alicia {alice}\nbob {bob}")).expect("a file");
        let mut file = SignersFile::read(&path).expect("signers");
        let removed = file.remove("alice");
        assert_eq!(removed.iter().map(Signer::principal).collect::<Vec<_>>(), ["alice", "alicia"]);
        assert!(file.remove("nobody").is_empty());
        file.add(removed[0].clone());
        file.write().expect("written");
        let expected = format!("{comment}{git}bob {bob}\nalice namespaces=\"odbox-vault\" {alice}\n");
        assert_eq!(fs::read_to_string(&path).expect("the file"), expected);
        assert_eq!(names(SignersFile::read(&path).expect("signers").signers()), ["bob", "alice"]);
        assert_eq!(names(file.signers()), ["bob", "alice"]);
    }

    #[test]
    fn mode_and_link_stay() {
        let temp = tempfile::tempdir().expect("a folder");
        let (path, link) = (temp.path().join("real"), temp.path().join("link"));
        fs::write(&path, format!("alice {}\n", key())).expect("a file");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("chmod");
        std::os::unix::fs::symlink("real", &link).expect("a link");
        let mut file = SignersFile::read(&link).expect("signers");
        file.remove("alice");
        file.write().expect("written");
        assert_eq!(fs::read_to_string(&path).expect("the file"), "");
        assert!(fs::symlink_metadata(&link).expect("metadata").is_symlink());
        assert_eq!(fs::metadata(&path).expect("metadata").permissions().mode() & 0o777, 0o600);
    }
}
