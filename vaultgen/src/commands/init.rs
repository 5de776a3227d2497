//! `vaultgen init`: what is missing of the standard vault.

use std::{
    env, fs, io,
    path::{Path, PathBuf},
};

use miette::Diagnostic;
use rayon::iter::{IntoParallelIterator, ParallelIterator};
use thiserror::Error;
use vault_format::{
    Change, IDENTITY_FILE, Identities, POLICY_FILE, Plaintext, SIGNING_KEY_FILE, SecretName, Timestamp,
    VaultFolder, Verified,
    certificate::{self, CA_DAYS, LEAF_DAYS, Scope},
    change::{Applied, NewSecret},
    cipher,
    cipher::CipherError,
    folder::{Entry, FolderError},
    lock::Origin,
    password::Password,
    policy::PolicyEditor,
    signature::LockSigner,
    signers::{AllowedSigners, Signer},
    ssh::SshKey,
    standard::{self, CA, GIT_ATTRIBUTES, GIT_IGNORE, LOCALHOST, PASSWORDS, SSH_IDENTITY},
    transaction::ExclusiveFolder,
};
use zeroize::Zeroizing;

use crate::{
    cli::Common,
    commands, keys, prompt,
    trust::Memory,
    vault::{self, OpenVault},
};

/// The group that can decrypt everything in a new vault.
const OPERATORS: &str = "ops";
/// The snake-oil vault's password for everything.
const SNAKE_OIL_PASSWORD: &str = "abc123";
const SNAKE_OIL: &str = "snakeoil";
/// 100 years.
const SNAKE_OIL_DAYS: u32 = 36525;

/// Create what is missing of the standard vault.
///
/// Makes the operator's identity and signing key, the four passwords (root, admin, odoo-admin,
/// pgadmin-admin) with their hashes, a CA, a certificate for localhost, an SSH identity, policy,
/// lock and signature. Asks for each password; an empty answer generates a strong one, and with
/// --batch all are generated. Run again, it changes nothing that is there.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Make a vault with no secrets in it
    #[arg(long)]
    bare: bool,
    /// Make a vault for tests, whose secrets everybody knows: each password is abc123
    #[arg(long, conflicts_with = "bare", hide = true)]
    snakeoil: bool,
}

/// Creates what is missing, and says what it made.
///
/// # Errors
///
/// If the folder is no vault and not empty, the vault in it is not sound, a password is not
/// taken, or anything cannot be written. Then nothing was changed.
pub fn run(args: &Args, common: &Common) -> miette::Result<()> {
    let flavour = Flavour::of(args);
    match Present::find(common)? {
        Present::Vault(open) => complete(&open, flavour, common),
        Present::Folder(folder) => create(Some(folder), flavour, common),
        Present::Nothing => create(None, flavour, common),
    }
}

/// What lies where the vault should be.
enum Present {
    Nothing,
    /// An empty folder.
    Folder(ExclusiveFolder),
    Vault(Box<OpenVault>),
}

impl Present {
    /// Locks the folder if there is one, finishing or undoing an interrupted change, and verifies
    /// the vault in it.
    fn find(common: &Common) -> miette::Result<Self> {
        let folder = match vault::lock(&common.vault) {
            Err(FolderError::Missing(_)) => return Ok(Self::Nothing),
            other => other?,
        };
        if folder.folder().join(POLICY_FILE).exists() {
            let ca = standard::certificate_names(CA)?;
            let open = OpenVault::verify(folder, common, |name, _| ca.contains(name))?;
            return Ok(Self::Vault(Box::new(open)));
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
    let memory = Memory::open()?;
    let operator = Operator::find(common)?;
    let mut change = operator.first_change(flavour, now)?;
    if flavour != Flavour::Bare {
        let missing = Missing::from(None);
        put_missing(&mut change, &missing, None, flavour, now, common)?;
    }

    let new = NewFolder::make_unless(folder.is_some(), &common.vault)?;
    let folder = match folder {
        Some(folder) => folder,
        None => vault::lock(&common.vault)?,
    };
    // Another program may have come first between making the folder and locking it.
    require_empty(folder.folder())?;
    let applied = change.apply(&folder, operator.signing_key.as_ref(), &operator.identities)?;
    new.keep();
    say_what_was_made(&applied, common);
    operator.say_what_to_keep(common);
    vault::remember(&memory, folder.folder(), &applied)?;
    Ok(())
}

/// Adds what a vault lacks of the standard secrets.
fn complete(open: &OpenVault, flavour: Flavour, common: &Common) -> miette::Result<()> {
    let missing = Missing::from(Some(&open.vault));
    if flavour == Flavour::Bare || missing.is_nothing() {
        commands::say(common.quiet, "nothing to do: the vault is complete");
        return Ok(());
    }
    let mut change = open.change()?;
    let ca = if missing.ca { None } else { Some(present_ca(&open.vault, common)?) };
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

/// What kind of vault to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flavour {
    Standard,
    Bare,
    SnakeOil,
}

impl Flavour {
    fn of(args: &Args) -> Self {
        match (args.bare, args.snakeoil) {
            (true, _) => Self::Bare,
            (_, true) => Self::SnakeOil,
            _ => Self::Standard,
        }
    }

    fn ca_subject(self) -> &'static str {
        match self {
            Self::SnakeOil => "odbox SNAKE OIL CA - its key is public, do not trust",
            _ => "odbox vault CA",
        }
    }

    fn ssh_comment(self) -> &'static str {
        match self {
            Self::SnakeOil => "odbox-SNAKE-OIL-its-private-key-is-public",
            _ => "odbox",
        }
    }

    fn ca_days(self) -> u32 {
        if self == Self::SnakeOil { SNAKE_OIL_DAYS } else { CA_DAYS }
    }

    fn leaf_days(self) -> u32 {
        if self == Self::SnakeOil { SNAKE_OIL_DAYS } else { LEAF_DAYS }
    }

    fn scope(self) -> Scope {
        if self == Self::SnakeOil { Scope::Loopback } else { Scope::Any }
    }

    /// The name that signatures of this operator go by.
    fn principal(self) -> String {
        if self == Self::SnakeOil {
            return SNAKE_OIL.to_owned();
        }
        let name = env::var("USER").or_else(|_| env::var("LOGNAME")).unwrap_or_default();
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if name.is_empty() || !name.chars().all(plain) { "operator".to_owned() } else { name }
    }
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

/// The operator's keys, and which of them are new.
struct Operator {
    identities: Identities,
    signing_key: Box<dyn LockSigner>,
    new_files: Vec<(&'static str, Plaintext)>,
}

impl Operator {
    /// Finds the keys of a new vault, and makes those that were not named.
    fn find(common: &Common) -> miette::Result<Self> {
        let (identities, identity_file) = match keys::find_identities(common)? {
            Some(identities) => (identities, None),
            None => {
                let identities = Identities::generate();
                let file = identities.to_file(Timestamp::now());
                (identities, Some((IDENTITY_FILE, file)))
            }
        };
        let (signing_key, signing_key_file): (Box<dyn LockSigner>, _) = match keys::find_signing_key(common)?
        {
            Some(key) => (key, None),
            None => {
                let key = SshKey::generate("odbox vault signer")?;
                let file = key.to_file()?;
                (Box::new(key), Some((SIGNING_KEY_FILE, file)))
            }
        };
        let new_files = identity_file.into_iter().chain(signing_key_file).collect();
        Ok(Self { identities, signing_key, new_files })
    }

    /// The first state of a vault that this operator can decrypt and sign.
    fn first_change(&self, flavour: Flavour, now: Timestamp) -> miette::Result<Change> {
        let signer = Signer::new(&flavour.principal(), self.signing_key.public_key().clone())?;
        let policy = PolicyEditor::new(OPERATORS, &self.identities.recipients(), &signer);
        let mut change = Change::create(policy, &AllowedSigners::default().with(signer), now)?;
        change.put_public_file(".gitignore", GIT_IGNORE.into());
        change.put_public_file(".gitattributes", GIT_ATTRIBUTES.into());
        for (file, bytes) in &self.new_files {
            change.put_private_file(file, bytes.clone());
        }
        Ok(change)
    }

    fn say_what_to_keep(&self, common: &Common) {
        if self.new_files.is_empty() {
            return;
        }
        let files: Vec<_> =
            self.new_files.iter().map(|(file, _)| common.vault.join(file).display().to_string()).collect();
        commands::say(
            common.quiet,
            &format!("keep a copy of {} in a safe place: Git ignores these files", files.join(" and ")),
        );
    }
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

/// Certificate and key of the CA that the vault has.
fn present_ca(vault: &Verified, common: &Common) -> miette::Result<(Plaintext, Plaintext)> {
    let identities = keys::identities(common)?;
    let [certificate, key] = standard::certificate_names(CA)?;
    let open = |name: &SecretName| {
        let ciphertext = vault.ciphertext(name).ok_or(InitError::NoAuthority)?;
        cipher::decrypt(ciphertext, &identities)
            .map_err(|error| InitError::Decrypt { name: name.clone(), error })
    };
    Ok((open(&certificate)?, open(&key)?))
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
        let (certificate, key) = ca.as_ref().ok_or(InitError::NoAuthority)?;
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
    /// A certificate is missing and nothing can sign a new one.
    #[error("the vault has no CA to sign a certificate with")]
    NoAuthority,
    /// A secret of the vault cannot be decrypted.
    #[error("{name}: {error}")]
    Decrypt {
        /// The secret.
        name: SecretName,
        /// Why.
        #[diagnostic_source]
        error: CipherError,
    },
}
