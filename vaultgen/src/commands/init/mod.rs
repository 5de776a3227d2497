//! `vaultgen init`: what is missing of the standard vault.

pub mod flavour;
mod machines;
mod missing;
pub mod operator;
pub mod recovery;
mod renew;

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use miette::Diagnostic;
use rayon::iter::{IntoParallelIterator, ParallelIterator};
use thiserror::Error;
use vault_format::{
    Change, IDENTITY_FILE, Identities, Lock, POLICY_FILE, Plaintext, Policy, Recipient, SecretName,
    Timestamp, VaultFiles, VaultFolder, Verified,
    certificate::{Authority, KeyType},
    change::{Applied, NewSecret},
    files::Entry,
    folder::FolderError,
    key_file::KeyFile,
    legacy,
    lock::Origin,
    passphrase::Nobody,
    password::{Password, PasswordError, Strength},
    policy::Kind,
    standard::{self, SSH_IDENTITY},
    transaction::ExclusiveFolder,
    verify,
};
use zeroize::Zeroizing;

use self::{
    flavour::Flavour,
    machines::Machines,
    missing::Missing,
    operator::{OPERATORS, Operator},
    recovery::Recovery,
};
use crate::{
    authority::{self, AuthorityError},
    cli::Common,
    commands,
    key_type::KeyTypeName,
    prompt,
    vault::{self, OpenError, OpenVault},
};

/// The snake-oil vault's password for everything.
const SNAKE_OIL_PASSWORD: &str = "abc123";

/// Create what is missing of the standard vault.
///
/// Makes the operator's identity and signing key, the four passwords (root, admin, odoo-admin,
/// pgadmin-admin) with their hashes, a CA, a certificate for localhost, an SSH identity, the template of
/// Odoo's configuration file, policy, lock and signature. Asks for each password; an empty answer
/// generates a strong one, and with --batch all are generated. Offers a recovery identity, protected by a
/// passphrase, where there is none. Run again, it changes nothing that is there.
#[derive(Debug, Default, clap::Args)]
pub struct Args {
    /// Make a vault with no secrets in it
    #[arg(long)]
    bare: bool,
    /// Make a vault for tests, whose secrets everybody knows: each password is abc123
    #[arg(long, conflicts_with = "bare", hide = true)]
    snakeoil: bool,
    /// The type of the keys of the CA and of the certificate for localhost
    #[arg(long, value_enum, default_value_t)]
    key_type: KeyTypeName,
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
    match Present::find(common)? {
        Present::Vault(folder) => complete(folder, args, common),
        Present::Folder(folder) => create(Some(folder), args, common),
        Present::Nothing => create(None, args, common),
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
fn create(folder: Option<ExclusiveFolder>, args: &Args, common: &Common) -> miette::Result<()> {
    let flavour = args.flavour();
    let now = Timestamp::now();
    let operator = Operator::find(common)?;
    let mut change = operator.first_change(flavour, now)?;
    if flavour != Flavour::Bare {
        let missing = Missing::all(flavour);
        let nothing = |_: &SecretName| Err(AuthorityError::Missing.into());
        let made = make(&missing, None, &nothing, args, now, common)?;
        let machines = Machines::of(&missing, made.kinds(), None)?;
        made.put_into(&mut change);
        change.put_template(&standard::odoo_configuration()?, &[]);
        machines.put_into(&mut change, now);
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
fn complete(folder: ExclusiveFolder, args: &Args, common: &Common) -> miette::Result<()> {
    let present = match verify(folder.folder(), &vault::own_signers(folder.folder())?, |_, _| false) {
        Ok(present) => present,
        Err(unsound) if !args.bare => return renew::renew(&folder, unsound, args, common),
        Err(unsound) => return Err(unsound.into()),
    };
    require_own_identity(&present, common)?;
    let has = |name: &SecretName| present.lock().secrets.contains_key(name);
    let missing = match args.bare {
        true => Missing::default(),
        false => Missing::of(args.flavour(), present.policy(), present.lock(), has)?,
    };
    if missing.passwords.len() == standard::PASSWORDS.len() && !common.batch {
        commands::note(
            "this vault is a bare one, and becomes a standard one; to leave it so: `vaultgen init --bare`",
        );
    }
    let wanted =
        args.flavour() != Flavour::SnakeOil && Recovery::is_wanted(&present, folder.folder(), common)?;
    let recovery = if wanted { Recovery::ask()? } else { None };
    if missing.is_nothing() && recovery.is_none() {
        commands::say(common.quiet, "nothing to do: the vault is complete");
        return Ok(());
    }
    let open = OpenVault::verify(folder, common, |name, _| authority::has(name))?;
    let mut change = open.change()?;
    if let Some(recovery) = &recovery {
        recovery.join(&open.vault, &mut change);
    }
    let needs_ca = (missing.localhost || missing.local_ca) && !missing.ca;
    let ca = if needs_ca { Some(authority::open(&open.vault, common)?) } else { None };
    let opened = |name: &SecretName| renew::open(open.folder.folder(), open.vault.lock(), name, common);
    let now = Timestamp::now();
    let made = make(&missing, ca, &opened, args, now, common)?;
    let machines = Machines::of(&missing, made.kinds(), Some(&open.vault))?;
    made.put_into(&mut change);
    if missing.template {
        put_template(&mut change, open.vault.policy(), open.vault.lock(), &opened)?;
    }
    machines.put_into(&mut change, now);
    let Some(applied) = open.apply(change, common)? else { return Ok(()) };
    say_what_was_made(&applied, common);
    if let Some(recovery) = recovery {
        recovery.say_what_to_do(common);
    }
    Ok(())
}

fn say_what_was_made(applied: &Applied, common: &Common) {
    let (vault, lock) = (common.vault.display(), &applied.lock);
    commands::say(
        common.quiet,
        &format!("{vault}: {}, serial {}", commands::counted(lock.secrets.len()), lock.serial),
    );
}

/// Somebody who put another identity in place of theirs is told what to do, before they rely on it.
fn require_own_identity(present: &Verified, common: &Common) -> miette::Result<()> {
    let path = common.vault.join(IDENTITY_FILE);
    let Some(file) = KeyFile::read_if_present(&path)? else { return Ok(()) };
    // With a passphrase on it nobody is asked just for this.
    let Ok(identities) = Identities::parse(&file.text, &Nobody) else { return Ok(()) };
    let ours = identities.recipients();
    let known = present.policy().groups().values().flat_map(|group| &group.keys);
    let Some(key) = ours.first().filter(|_| known.clone().all(|key| !ours.contains(key))) else {
        return Ok(());
    };
    Err(InitError::StrangeIdentity { path, key: key.clone() }.into())
}

/// Puts the template of Odoo's configuration file in, for those who may have what it shows.
fn put_template(
    change: &mut Change,
    policy: &Policy,
    lock: &Lock,
    opened: &dyn Fn(&SecretName) -> miette::Result<Plaintext>,
) -> miette::Result<()> {
    let template = standard::odoo_configuration()?;
    let shows = &template.shows;
    // A new value is checked with the change.
    if lock.secrets.contains_key(shows) && !change.has_new(shows) {
        template.takes(&opened(shows)?)?;
    }
    let (groups, defaults) = (&policy.secret(shows).groups, &policy.secret(&template.path).groups);
    change.put_template(&template, if groups == defaults { &[] } else { groups });
    Ok(())
}

/// Standard secrets with new values.
struct Made {
    secrets: Vec<NewSecret>,
    public_files: Vec<(String, Vec<u8>)>,
}

impl Made {
    fn kinds(&self) -> impl Iterator<Item = (SecretName, Kind)> {
        self.secrets.iter().map(|secret| (secret.name.clone(), secret.table.kind))
    }

    fn put_into(self, change: &mut Change) {
        self.secrets.into_iter().for_each(|secret| change.put_secret(secret));
        for (path, bytes) in self.public_files {
            change.put_public_file(&path, bytes);
        }
    }
}

/// Asks for and generates what is missing. `opened` gives the present value of a password.
fn make(
    missing: &Missing,
    ca: Option<Authority>,
    opened: &dyn Fn(&SecretName) -> miette::Result<Plaintext>,
    args: &Args,
    now: Timestamp,
    common: &Common,
) -> miette::Result<Made> {
    let flavour = args.flavour();
    let passwords = ask_passwords(&missing.passwords, flavour, common.batch)?;
    let mut secrets = Vec::new();
    for &(name, scheme) in &missing.hashes {
        let present = opened(&standard::password_name(name)?)?;
        let text = Zeroizing::new(present.expose_str().unwrap_or_default().to_owned());
        let password = Password::entered(text).map_err(|error| InitError::Unusable { name, error })?;
        secrets.push(standard::hash(name, &password, scheme)?);
    }
    secrets.extend(generate(passwords, missing, ca, args, now)?);
    let mut public_files = Vec::new();
    if missing.ssh {
        let (secret, public_line) = standard::ssh_identity(flavour.ssh_comment())?;
        public_files.push((format!("{SSH_IDENTITY}.pub"), public_line.into_bytes()));
        secrets.push(secret);
    }
    Ok(Made { secrets, public_files })
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
            _ => prompt::new_password(name, Strength::Strong)?,
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
    ca: Option<Authority>,
    args: &Args,
    now: Timestamp,
) -> miette::Result<Vec<NewSecret>> {
    let (hashed, certified) = rayon::join(
        || {
            passwords
                .into_par_iter()
                .map(|(name, password, origin)| standard::password(name, &password, origin))
                .collect::<Result<Vec<_>, _>>()
        },
        || certificates(missing, ca, args, now),
    );
    let mut secrets: Vec<NewSecret> = hashed?.into_iter().flatten().collect();
    secrets.extend(certified?);
    Ok(secrets)
}

fn certificates(
    missing: &Missing,
    ca: Option<Authority>,
    args: &Args,
    now: Timestamp,
) -> miette::Result<Vec<NewSecret>> {
    let flavour = args.flavour();
    let make = |needed: bool| needed.then(|| KeyType::from(args.key_type).generate()).transpose();
    let (ca_key, localhost_key) = rayon::join(|| make(missing.ca), || make(missing.localhost));
    let mut secrets = Vec::new();
    let mut ca = ca;
    if let Some(key) = ca_key? {
        let (subject, scope) = (flavour.ca_subject(), flavour.scope());
        let (made, pair) = authority::make(subject, scope, &key, flavour.ca_days(), now)?;
        ca = Some(made);
        secrets.extend(pair);
    }
    if let Some(key) = localhost_key? {
        let ca = ca.as_ref().ok_or(AuthorityError::Missing)?;
        secrets.extend(standard::localhost(ca, &key, flavour.leaf_days(), now)?);
    }
    if let Some(subject) = flavour.local_ca_subject().filter(|_| missing.local_ca) {
        let ca = ca.as_ref().ok_or(AuthorityError::Missing)?;
        secrets.extend(standard::loopback_ca(ca, subject, flavour.ca_days(), now)?);
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
    /// Another identity than any that the vault knows.
    #[error("{}: the vault is encrypted to other keys than this identity, {key}", .path.display())]
    #[diagnostic(help(
        "put the old file back; or let the new identity in with the old one at hand: `vaultgen recipients add ops {key} --identity OLD-FILE`, then remove the old key"
    ))]
    StrangeIdentity {
        /// Where it lies.
        path: PathBuf,
        /// Its public key.
        key: Recipient,
    },
    /// A password that no hash can be made of.
    #[error("passwords/{name}.txt: {error}; nothing was changed")]
    Unusable {
        /// Whose password.
        name: &'static str,
        /// Why not.
        #[diagnostic_source]
        error: PasswordError,
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
