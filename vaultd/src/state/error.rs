//! Why it is not known what was accepted.

use std::io;
use std::path::PathBuf;

use miette::Diagnostic;
use thiserror::Error;

/// Why what this machine has accepted is not known, or cannot be remembered.
#[derive(Debug, Error, Diagnostic)]
pub enum StateError {
    /// A mount point that names no place.
    #[error("{}: not the absolute path of a mount point", .0.display())]
    #[diagnostic(help("name it as findmnt shows it, such as /run/vault"))]
    MountPoint(PathBuf),
    /// A folder that others could write to.
    #[error("{}: somebody else can write here, or it is no folder", .0.display())]
    #[diagnostic(help(
        "what this machine has accepted may be forged: find out why, then chown it to root and chmod 0700"
    ))]
    NotOurs(PathBuf),
    /// It cannot be read.
    #[error("cannot read what this machine has accepted, {}", .path.display())]
    #[diagnostic(help("run it as root, and check the disk"))]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        error: io::Error,
    },
    /// It cannot be written.
    #[error("cannot remember what this machine accepts, {}", .path.display())]
    #[diagnostic(help("run it as root, and make space there; what was accepted last still counts"))]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        error: io::Error,
    },
    /// It makes no sense.
    #[error("{}: what this machine has accepted is damaged", .0.display())]
    #[diagnostic(help(
        "check the disk; after comparing the vault's serial with its owner's, remove the file: the next vault is then accepted as the first"
    ))]
    Damaged(PathBuf),
}
