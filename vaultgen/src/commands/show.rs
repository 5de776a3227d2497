//! `vaultgen show`: the plaintext of one secret on standard output.

use std::io::{self, IsTerminal, Write};

use miette::Diagnostic;
use thiserror::Error;
use vault_format::{Plaintext, SecretName, cipher, cipher::CipherError, verify};

use crate::{cli::Common, keys, no_secret::NoSecret, vault};

/// Print the plaintext of a secret.
///
/// A terminal gets single-line text only, unless --force is given: a key scrolls by and stays in
/// the terminal's memory. A pipe gets the exact bytes.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The secret, such as passwords/root.txt
    name: SecretName,
    /// Print to a terminal even if it is binary or has several lines
    #[arg(long)]
    force: bool,
}

/// Verifies the vault, decrypts one secret and prints it.
///
/// # Errors
///
/// If the vault is not sound, has no such secret, or no identity opens it.
pub fn run(args: &Args, common: &Common) -> miette::Result<()> {
    let folder = vault::open(&common.vault)?;
    let signers = vault::own_signers(&folder)?;
    let verified = verify(&folder, &signers, |name, _| *name == args.name)?;
    let ciphertext = verified.ciphertext(&args.name).ok_or_else(|| NoSecret::new(&verified, &args.name))?;
    let identities = keys::identities(common)?;
    let plaintext = cipher::decrypt(ciphertext, identities)
        .map_err(|error| ShowError::Decrypt { name: args.name.clone(), error })?;
    print(&plaintext, args.force)?;
    Ok(())
}

fn print(plaintext: &Plaintext, force: bool) -> Result<(), ShowError> {
    let mut out = io::stdout().lock();
    let terminal = out.is_terminal();
    if terminal && !force && !is_one_line(plaintext) {
        return Err(ShowError::Terminal);
    }
    out.write_all(plaintext.expose()).map_err(ShowError::Write)?;
    if terminal {
        out.write_all(b"\n").map_err(ShowError::Write)?;
    }
    out.flush().map_err(ShowError::Write)
}

fn is_one_line(plaintext: &Plaintext) -> bool {
    plaintext.expose_str().is_some_and(|text| !text.chars().any(char::is_control))
}

/// Why a secret is not shown. No message shows any of it.
#[derive(Debug, Error, Diagnostic)]
pub enum ShowError {
    /// Cannot be decrypted.
    #[error("{name}: {error}")]
    Decrypt {
        /// The secret.
        name: SecretName,
        /// Why.
        #[diagnostic_source]
        error: CipherError,
    },
    /// Not fit for a terminal.
    #[error("it is binary or has several lines, and standard output is a terminal")]
    #[diagnostic(help("pipe it to where it belongs, or add --force"))]
    Terminal,
    /// Standard output is gone.
    #[error("cannot write to standard output")]
    #[diagnostic(help(
        "what reads it has ended, or its disk is full: nothing or only a part of it was written"
    ))]
    Write(#[source] io::Error),
}
