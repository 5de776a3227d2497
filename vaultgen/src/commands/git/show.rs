//! What an age file is, in words: Git shows this where it would show ciphertext.

use std::{
    fs::File,
    io::{self, Read},
    path::{Path, PathBuf},
};

use miette::Diagnostic;
use thiserror::Error;
use vault_format::{
    Digest,
    cipher::{self, CipherError, Header},
    folder::MAX_FILE,
};

use super::{facts, listing};
use crate::commands;

/// Prints what the lock says of the file that lists it, the types of the keys that open it, the length of its plaintext
/// and its digest, a line each.
///
/// # Errors
///
/// If it is no age file.
pub fn run(file: &Path) -> miette::Result<()> {
    let mut bytes = Vec::new();
    File::open(file)
        .and_then(|opened| opened.take(MAX_FILE).read_to_end(&mut bytes))
        .map_err(|error| ShowError::Read { file: file.to_owned(), error })?;
    let header = Header::parse(&bytes).map_err(ShowError::Age)?;
    let digest = Digest::of(&bytes);
    for line in listing::find(file, digest).iter().flat_map(facts::lines) {
        commands::say(false, &line);
    }
    for stanza in header.stanzas() {
        // The type comes from the file: it may not write on the terminal.
        commands::say(false, &format!("opened by {}", stanza.escape_debug()));
    }
    commands::say(false, &format!("{} bytes", cipher::plaintext_len(&bytes).map_err(ShowError::Age)?));
    commands::say(false, &format!("SHA-256 {digest}"));
    Ok(())
}

/// Why a file was not described.
#[derive(Debug, Error, Diagnostic)]
enum ShowError {
    #[error("{file}")]
    #[diagnostic(help("check that it is there and that you may read it"))]
    Read {
        file: PathBuf,
        #[source]
        error: io::Error,
    },
    #[error(transparent)]
    #[diagnostic(transparent)]
    Age(CipherError),
}
