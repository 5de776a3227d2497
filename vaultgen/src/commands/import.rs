//! `vaultgen import`: a certificate that another authority signed.

use std::{
    io::{self, Read},
    path::{Path, PathBuf},
};

use miette::Diagnostic;
use thiserror::Error;
use vault_format::{
    Plaintext, Timestamp,
    certificate::{self, ChainError, KeyError, PrivateKey},
    key_file::{KeyFile, KeyFileError},
    lock::Origin,
    report::visible,
    standard,
};

use crate::{certificate::NewPair, cli::Common, commands, vault::OpenVault};

/// Stands for standard input.
const STANDARD_INPUT: &str = "-";
/// How the files of certificates are called, beside their name.
const ENDINGS: [&str; 4] = [".pem", ".crt", ".cer", ".cert"];
/// Most bytes of a key on standard input.
const MAX_KEY: usize = 64 * 1024;

/// Take in a certificate that another authority signed, with its key.
///
/// They become certs/NAME-cert.pem, with its chain as servers send it, and certs/NAME-key.pem, in place of
/// those that are there. NAME is the file name of CERT without .pem, .crt, .cer or .cert and without -cert:
/// prod-cert.pem and prod-key.pem keep their names. All files are PEM.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The certificate; the certificates of the authorities between it and the root may come after it
    #[arg(value_name = "CERT")]
    certificate: PathBuf,
    /// Its private key, unencrypted: PKCS#8, PKCS#1 or SEC 1; - for standard input
    key: PathBuf,
    /// The certificates of the authorities between it and the root, if CERT has none
    chain: Option<PathBuf>,
    /// Call it by another name than its file's
    #[arg(long)]
    name: Option<String>,
}

/// Checks the files, and takes them in.
///
/// # Errors
///
/// If a file cannot be read or is not what it should be, the key is another one's, the chain is broken,
/// the vault is not sound or trusted, or the change cannot be made.
pub fn run(args: &Args, common: &Common) -> miette::Result<()> {
    let name = match &args.name {
        Some(name) => name.clone(),
        None => name_of(&args.certificate)?,
    };
    standard::check_server(&name)?;
    let certificate = read(&args.certificate)?;
    let chain = args.chain.as_deref().map(read).transpose()?;
    let key = PrivateKey::read(&read_key(&args.key)?)
        .map_err(|error| ImportError::Key { path: args.key.clone(), error })?;
    let imported = certificate::import(&certificate, chain.as_ref(), &key, Timestamp::now())
        .map_err(|error| ImportError::Chain { path: args.certificate.clone(), error })?;

    let open = OpenVault::open(common, |_, _| false)?;
    let mut change = open.change()?;
    let description = format!("the server certificate of {name}");
    let secrets = standard::certificate(&name, imported.certified, &description, Origin::Imported)?;
    let pair = NewPair::put(&open, &mut change, secrets)?;
    if open.apply(change, common)?.is_none() {
        return Ok(());
    }
    pair.say(&open.vault, common);
    commands::say(common.quiet, &format!("clients must trust {}", visible(&imported.anchor)));
    if args.key != Path::new(STANDARD_INPUT) {
        let key = args.key.display();
        commands::say(
            common.quiet,
            &format!("{key} is still there, unencrypted: `shred -u` it when you are done"),
        );
    }
    Ok(())
}

fn name_of(path: &Path) -> Result<String, ImportError> {
    let file = path.file_name().and_then(|name| name.to_str()).ok_or(ImportError::NoName)?;
    let lower = file.to_ascii_lowercase();
    let ending = ENDINGS.iter().find(|ending| lower.ends_with(*ending)).map_or(0, |ending| ending.len());
    let stem = &file[..file.len() - ending];
    Ok(stem.strip_suffix("-cert").unwrap_or(stem).to_owned())
}

fn read(path: &Path) -> Result<Plaintext, ImportError> {
    match KeyFile::read(path) {
        Ok(file) => Ok(file.text),
        Err(KeyFileError::Missing(path)) => Err(ImportError::Missing(path)),
        Err(KeyFileError::NotAKeyFile(path)) => Err(ImportError::NotAFile(path)),
        Err(error) => Err(error.into()),
    }
}

fn read_key(path: &Path) -> Result<Plaintext, ImportError> {
    if path != Path::new(STANDARD_INPUT) {
        return read(path);
    }
    // One more than it may have, to notice that; it never grows, so no copy stays behind.
    let mut buffer = Plaintext::zeroed(MAX_KEY + 1);
    let mut length = 0;
    let mut input = io::stdin().lock();
    while length <= MAX_KEY {
        match input.read(&mut buffer.expose_mut()[length..]) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(ImportError::Input(error)),
        }
    }
    if length > MAX_KEY {
        return Err(ImportError::NotAFile(path.to_owned()));
    }
    Ok(Plaintext::from(buffer.expose()[..length].to_vec()))
}

/// Why a certificate was not taken in. No message shows any of the key.
#[derive(Debug, Error, Diagnostic)]
enum ImportError {
    #[error("CERT has no file name that could be its name")]
    #[diagnostic(help("name it with --name"))]
    NoName,
    #[error("{0}: there is no such file")]
    #[diagnostic(help("check the path"))]
    Missing(PathBuf),
    #[error("{0}: it is not a plain file of less than 64 KiB")]
    #[diagnostic(help("give certificate, key and chain as PEM files"))]
    NotAFile(PathBuf),
    #[error(transparent)]
    #[diagnostic(transparent)]
    File(#[from] KeyFileError),
    #[error("cannot read the key from standard input")]
    #[diagnostic(help("give it as a file, or through a pipe"))]
    Input(#[source] io::Error),
    #[error("{path}: {error}")]
    Key {
        path: PathBuf,
        #[diagnostic_source]
        error: KeyError,
    },
    #[error("{path}: {error}")]
    Chain {
        path: PathBuf,
        #[diagnostic_source]
        error: ChainError,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_certificate_is_called_by_its_file() {
        for (file, name) in [
            ("prod-cert.pem", "prod"),
            ("/tmp/x-cert/prod.crt", "prod"),
            ("WWW.EXAMPLE.ORG.CER", "WWW.EXAMPLE.ORG"),
            ("www.example.org", "www.example.org"),
            ("prod-cert", "prod"),
            ("prod-key.pem", "prod-key"),
            (".pem", ""),
        ] {
            assert_eq!(name_of(Path::new(file)).unwrap(), name, "{file}");
        }
        assert!(name_of(Path::new("..")).is_err());
    }
}
