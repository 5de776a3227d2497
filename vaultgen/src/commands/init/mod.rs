//! `vaultgen init`: what is missing of the standard vault.

pub mod flavour;
pub mod operator;
pub mod recovery;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use miette::Diagnostic;
use rayon::iter::{IntoParallelIterator, ParallelIterator};
use thiserror::Error;
use vault_format::{
    Change, POLICY_FILE, Plaintext, Timestamp, VaultFiles, VaultFolder, Verified, certificate,
    change::{Applied, NewSecret},
    files::Entry,
    folder::FolderError,
    legacy,
    lock::Origin,
    password::Password,
    standard::{self, CA, LOCALHOST, PASSWORDS, SSH_IDENTITY},
    transaction::ExclusiveFolder,
    verify,
};
use zeroize::Zeroizing;

use self::{
    flavour::Flavour,
    operator::{OPERATORS, Operator},
    recovery::Recovery,
};
use crate::{
    authority::{self, AuthorityError},
    cli::Common,
    commands, prompt,
    vault::{self, OpenError, OpenVault},
};

/// The snake-oil vault's password for everything.
const SNAKE_OIL_PASSWORD: &str = "abc123";

/// Create what is missing of the standard vault.
///
/// Makes the operator's identity and signing key, the four passwords (root, admin, odoo-admin,
/// pgadmin-admin) with their hashes, a CA, a certificate for localhost, an SSH identity, policy,
/// lock and signature. Asks for each password; an empty answer generates a strong one, and with
/// --batch all are generated. Offers a recovery identity, protected by a passphrase. Run again, it changes nothing that is there.
#[derive(Debug, Default, clap::Args)]
pub struct Args {
    /// Make a vault with no secrets in it
    #[arg(long)]
    bare: bool,
    /// Make a vault for tests, whose secrets everybody knows: each password is abc123
    #[arg(long, conflicts_with = "bare", hide = true)]
    snakeoil: bool,
}

impl Args {
    fn flavour(&self) -> Flavour {
        match (self.bare, self.snakeoil) {
            (true, _) => Flavour::Bare,
            (_, true) => Flavour::SnakeOil,
            _ => Flavour::Standard,
        }
    }
}

/// Creates what is missing, and says what it made.
///
/// # Errors
///
/// If the folder is no vault and not empty, the vault in it is not sound, a password is not
/// taken, or anything cannot be written. Then nothing was changed.
pub fn run(args: &Args, common: &Common) -> miette::Result<()> {
    let flavour = args.flavour();
    match Present::find(common)? {
        Present::Vault(folder) => complete(folder, flavour, common),
        Present::Folder(folder) => create(Some(folder), flavour, common),
        Present::Nothing => create(None, flavour, common),
    }
}

/// What lies where the vault should be.
enum Present {
    Nothing,
    /// An empty folder.
    Folder(ExclusiveFolder),
    Vault(ExclusiveFolder),
}

impl Present {
    /// Locks the folder if there is one, finishing or undoing an interrupted change.
    fn find(common: &Common) -> miette::Result<Self> {
        let folder = match vault::lock(&common.vault) {
            Err(FolderError::Missing(_)) => return Ok(Self::Nothing),
            other => other?,
        };
        if folder.folder().join(POLICY_FILE).exists() {
            return Ok(Self::Vault(folder));
        }
        if legacy::is_legacy(folder.folder()) {
            return Err(OpenError::Legacy(common.vault.clone()).into());
        }
        require_empty(folder.folder())?;
        Ok(Self::Folder(folder))
    }
}

fn require_empty(folder: &VaultFolder) -> miette::Result<()> {
    match folder.entries()?.into_iter().next() {
        None => Ok(()),
        Some(Entry { path: entry, .. }) => {
            Err(InitError::NotAVault { path: folder.path().to_owned(), entry }.into())
        }
    }
}

/// Makes a new vault. Nothing is written before all is asked and generated.
fn create(folder: Option<ExclusiveFolder>, flavour: Flavour, common: &Common) -> miette::Result<()> {
    let now = Timestamp::now();
    let operator = Operator::find(common)?;
    let mut change = operator.first_change(flavour, now)?;
    if flavour != Flavour::Bare {
        let missing = Missing::from(None);
        put_missing(&mut change, &missing, None, flavour, now, common)?;
    }
    let recovery = Recovery::offer(flavour, common)?;
    if let Some(recovery) = &recovery {
        recovery.put_into(&mut change, OPERATORS, &flavour.principal());
    }

    let new = NewFolder::make_unless(folder.is_some(), &common.vault)?;
    let folder = match folder {
        Some(folder) => folder,
        None => vault::lock(&common.vault)?,
    };
    // Another program may have come first between making the folder and locking it.
    require_empty(folder.folder())?;
    let prepared = change.prepare(&folder, operator.signing_key.as_ref(), &operator.identities)?;
    let applied = vault::commit_first(prepared, &folder)?;
    new.keep();
    say_what_was_made(&applied, common);
    operator.say_what_to_keep(common);
    if let Some(recovery) = recovery {
        recovery.say_what_to_do(common);
    }
    Ok(())
}

/// Adds what a vault lacks of the standard secrets.
fn complete(folder: ExclusiveFolder, flavour: Flavour, common: &Common) -> miette::Result<()> {
    let present = verify(folder.folder(), &vault::own_signers(folder.folder())?, |_, _| false)?;
    let missing = Missing::from(Some(&present));
    if flavour == Flavour::Bare || missing.is_nothing() {
        commands::say(common.quiet, "nothing to do: the vault is complete");
        return Ok(());
    }
    let open = OpenVault::verify(folder, common, |name, _| authority::has(name))?;
    let mut change = open.change()?;
    let ca = if missing.ca { None } else { Some(authority::open(&open.vault, common)?) };
    put_missing(&mut change, &missing, ca, flavour, Timestamp::now(), common)?;
    let Some(applied) = open.apply(change, common)? else { return Ok(()) };
    say_what_was_made(&applied, common);
    Ok(())
}

fn say_what_was_made(applied: &Applied, common: &Common) {
    let (vault, lock) = (common.vault.display(), &applied.lock);
    commands::say(common.quiet, &format!("{vault}: {} secrets, serial {}", lock.secrets.len(), lock.serial));
}

/// Asks for and generates what is missing.
fn put_missing(
    change: &mut Change,
    missing: &Missing,
    ca: Option<(Plaintext, Plaintext)>,
    flavour: Flavour,
    now: Timestamp,
    common: &Common,
) -> miette::Result<()> {
    let passwords = ask_passwords(&missing.passwords, flavour, common.batch)?;
    for secret in generate(passwords, missing, ca, flavour, now)? {
        change.put_secret(secret);
    }
    if missing.ssh {
        let (secret, public_line) = standard::ssh_identity(flavour.ssh_comment())?;
        change.put_public_file(&format!("{SSH_IDENTITY}.pub"), public_line.into_bytes());
        change.put_secret(secret);
    }
    Ok(())
}

/// What the vault lacks of the standard secrets.
#[derive(Debug, Default)]
struct Missing {
    passwords: Vec<&'static str>,
    ca: bool,
    localhost: bool,
    ssh: bool,
}

impl Missing {
    fn from(vault: Option<&Verified>) -> Self {
        let lacks = |name: String| !vault.is_some_and(|vault| has(vault, &name));
        let lacks_pair =
            |name| lacks(format!("certs/{name}-cert.pem")) || lacks(format!("certs/{name}-key.pem"));
        Self {
            passwords: PASSWORDS.into_iter().filter(|name| lacks(format!("passwords/{name}.txt"))).collect(),
            ca: lacks_pair(CA),
            localhost: lacks_pair(LOCALHOST),
            ssh: lacks(SSH_IDENTITY.to_owned()),
        }
    }

    fn is_nothing(&self) -> bool {
        self.passwords.is_empty() && !self.ca && !self.localhost && !self.ssh
    }
}

fn has(vault: &Verified, name: &str) -> bool {
    vault.lock().secrets.keys().any(|secret| secret.as_str() == name)
}

/// The passwords to put in, each asked for or generated. Nothing is written meanwhile.
fn ask_passwords(
    names: &[&'static str],
    flavour: Flavour,
    batch: bool,
) -> miette::Result<Vec<(&'static str, Password, Origin)>> {
    let mut passwords = Vec::new();
    for &name in names {
        let entered = match flavour {
            Flavour::SnakeOil => Some(Password::entered(Zeroizing::new(SNAKE_OIL_PASSWORD.to_owned()))?),
            _ if batch => None,
            _ => prompt::new_password(name)?,
        };
        passwords.push(match entered {
            Some(password) => (name, password, Origin::Entered),
            None => (name, Password::generate()?, Origin::Generated),
        });
    }
    Ok(passwords)
}

/// Makes the secrets on all cores; hashing passwords is most of the work.
fn generate(
    passwords: Vec<(&'static str, Password, Origin)>,
    missing: &Missing,
    ca: Option<(Plaintext, Plaintext)>,
    flavour: Flavour,
    now: Timestamp,
) -> miette::Result<Vec<NewSecret>> {
    let (hashed, certified) = rayon::join(
        || {
            passwords
                .into_par_iter()
                .map(|(name, password, origin)| standard::password(name, &password, origin))
                .collect::<Result<Vec<_>, _>>()
        },
        || certificates(missing, ca, flavour, now),
    );
    let mut secrets: Vec<NewSecret> = hashed?.into_iter().flatten().collect();
    secrets.extend(certified?);
    Ok(secrets)
}

fn certificates(
    missing: &Missing,
    ca: Option<(Plaintext, Plaintext)>,
    flavour: Flavour,
    now: Timestamp,
) -> miette::Result<Vec<NewSecret>> {
    let mut secrets = Vec::new();
    let ca = match ca {
        Some(ca) => Some(ca),
        None if missing.ca => {
            let made = certificate::authority(flavour.ca_subject(), flavour.scope(), flavour.ca_days(), now)?;
            let pair = (made.certificate.clone(), made.key.clone());
            secrets.extend(standard::certificate(CA, made, "the vault's own certificate authority")?);
            Some(pair)
        }
        None => None,
    };
    if missing.localhost {
        let (certificate, key) = ca.as_ref().ok_or(AuthorityError::Missing)?;
        secrets.extend(standard::localhost((certificate, key), flavour.leaf_days(), now)?);
    }
    Ok(secrets)
}

/// A folder that was made for the vault, removed again unless the vault came to be.
struct NewFolder<'a>(Option<&'a Path>);

impl<'a> NewFolder<'a> {
    fn make_unless(exists: bool, path: &'a Path) -> Result<Self, InitError> {
        if exists {
            return Ok(Self(None));
        }
        fs::create_dir(path).map_err(|error| InitError::Create { path: path.to_owned(), error })?;
        Ok(Self(Some(path)))
    }

    fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for NewFolder<'_> {
    fn drop(&mut self) {
        if let Some(path) = self.0 {
            // Only an empty folder is removed; if even that fails, it does no harm.
            let _ = fs::remove_dir(path);
        }
    }
}

/// Why no vault was made.
#[derive(Debug, Error, Diagnostic)]
pub enum InitError {
    /// Somebody else's folder.
    #[error("{path}: it is not empty and not a vault: it holds {entry}")]
    #[diagnostic(help("name an empty or new folder with --vault DIR"))]
    NotAVault {
        /// The folder.
        path: PathBuf,
        /// Something in it.
        entry: String,
    },
    /// Cannot be made.
    #[error("{path}: cannot make the folder")]
    #[diagnostic(help(
        "the folder above it must exist and be yours to write; if it exists by now, run the command again"
    ))]
    Create {
        /// The folder.
        path: PathBuf,
        /// What the system says.
        #[source]
        error: io::Error,
    },
}
