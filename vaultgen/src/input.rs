//! Plaintext that comes in: from standard input or a file, into buffers that are wiped.

use std::{
    fs::File,
    io::{self, IsTerminal, Read},
    os::fd::AsFd,
    path::{Path, PathBuf},
};

use miette::Diagnostic;
use rustix::io::dup;
use thiserror::Error;
use vault_format::{Plaintext, cipher::MAX_PLAINTEXT, password};
use zeroize::Zeroizing;

/// Bytes read at once.
const PIECE: usize = 1 << 20;

/// One line of standard input, without its end.
///
/// # Errors
///
/// If standard input is a terminal, which would show what is typed, or has no line of text.
pub fn line() -> Result<Zeroizing<String>, InputError> {
    let line = password::read_line(&mut standard_input()?).map_err(InputError::Line)?;
    if line.is_empty() { Err(InputError::Empty("standard input".into())) } else { Ok(line) }
}

/// All of standard input.
///
/// # Errors
///
/// As [`line`], and if it is empty or longer than a secret may be.
pub fn all() -> Result<Plaintext, InputError> {
    read("standard input".as_ref(), standard_input()?)
}

/// All of a file or pipe.
///
/// # Errors
///
/// If it cannot be read, is a folder, is empty, or longer than a secret may be.
pub fn file(path: &Path) -> Result<Plaintext, InputError> {
    let file = File::open(path).map_err(|error| InputError::Read { path: path.to_owned(), error })?;
    if file.metadata().is_ok_and(|metadata| metadata.is_dir()) {
        return Err(InputError::Folder(path.to_owned()));
    }
    read(path, file)
}

/// The same value without the end of its one line, which no password and no hash has.
#[must_use]
pub fn without_line_end(text: &Plaintext) -> Plaintext {
    let bytes = text.expose();
    let line = bytes.strip_suffix(b"\n").map_or(bytes, |line| line.strip_suffix(b"\r").unwrap_or(line));
    copy(line)
}

/// Whether somebody sits in front of standard input.
#[must_use]
pub fn is_terminal() -> bool {
    io::stdin().is_terminal()
}

/// Without the buffer of the standard library, which is never wiped.
fn standard_input() -> Result<File, InputError> {
    if is_terminal() {
        return Err(InputError::Terminal);
    }
    let own = dup(io::stdin().as_fd());
    own.map(File::from)
        .map_err(|errno| InputError::Read { path: "standard input".into(), error: errno.into() })
}

/// In pieces, since nobody knows the length of a pipe, and joined once it is known.
fn read(path: &Path, mut input: impl Read) -> Result<Plaintext, InputError> {
    let mut pieces: Vec<Plaintext> = Vec::new();
    let mut total = 0;
    loop {
        let mut piece = Plaintext::zeroed(PIECE);
        let len = fill(&mut input, piece.expose_mut())
            .map_err(|error| InputError::Read { path: path.to_owned(), error })?;
        if len == 0 {
            break;
        }
        total += len;
        if total > MAX_PLAINTEXT {
            return Err(InputError::Long(path.to_owned()));
        }
        pieces.push(if len < PIECE { copy(&piece.expose()[..len]) } else { piece });
    }
    if total == 0 {
        return Err(InputError::Empty(path.to_owned()));
    }
    let mut whole = Plaintext::zeroed(total);
    let mut rest = whole.expose_mut();
    for piece in &pieces {
        let (start, end) = rest.split_at_mut(piece.expose().len());
        start.copy_from_slice(piece.expose());
        rest = end;
    }
    Ok(whole)
}

/// Fills the buffer, unless the input ends before. Gives back how many bytes are in it.
fn fill(input: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut len = 0;
    while len < buffer.len() {
        match input.read(&mut buffer[len..]) {
            Ok(0) => break,
            Ok(more) => len += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(len)
}

fn copy(bytes: &[u8]) -> Plaintext {
    let mut copy = Plaintext::zeroed(bytes.len());
    copy.expose_mut().copy_from_slice(bytes);
    copy
}

/// Why there is no plaintext. No message shows any of it.
#[derive(Debug, Error, Diagnostic)]
pub enum InputError {
    /// Typed text would be seen.
    #[error("standard input is a terminal, which shows what is typed")]
    #[diagnostic(help("pipe the value in, or name a file"))]
    Terminal,
    /// No line of text.
    #[error("there is no password in the first line of standard input")]
    #[diagnostic(help("pipe one line of UTF-8 text in, of 511 bytes at most"))]
    Line(#[source] io::Error),
    /// Nothing.
    #[error("{}: it is empty", .0.display())]
    #[diagnostic(help("a secret has one byte at least: look at the command that should have written it"))]
    Empty(PathBuf),
    /// Too much.
    #[error("{}: it is longer than 1 GiB", .0.display())]
    #[diagnostic(help("keep what is that large elsewhere, and only its key in the vault"))]
    Long(PathBuf),
    /// Several files.
    #[error("{}: it is a folder", .0.display())]
    #[diagnostic(help("take all files of it with `vaultgen add --from DIR`"))]
    Folder(PathBuf),
    /// The system refused.
    #[error("{}: cannot be read", path.display())]
    #[diagnostic(help("check the path, and that you may read it"))]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        #[source]
        error: io::Error,
    },
}
