//! `vaultgen adopt`: turn an Odoo Box vault into one of ours.

mod plaintext;
mod report;
mod survey;

use std::collections::BTreeSet;

use miette::Diagnostic;
use thiserror::Error;
use vault_format::{
    Change, IDENTITY_FILE, Identities, OLD_IDENTITY_FILE, POLICY_FILE, Plaintext, Recipient, SecretName,
    Timestamp, VaultFiles, Verified, change::NewSecret, inspect, key_file::KeyFile, legacy, lock::Origin,
    profile::Profile, standard, transaction::ExclusiveFolder, verify,
};

use self::survey::Survey;
use super::{
    init::{
        flavour::Flavour,
        operator::{OPERATORS, Operator},
        recovery::Recovery,
    },
    status::key_files,
};
use crate::{
    cli::Common,
    commands,
    keys::{self, KeyError},
    prompt,
    vault::{self, OpenVault},
};

/// Most bytes of a public file that is taken over.
const MAX_PUBLIC: u64 = 1 << 20;
/// Files that the new vault writes, and that are kept if they are there.
const GIT_FILES: [&str; 2] = [".gitignore", ".gitattributes"];

/// Turn an Odoo Box vault into a signed one.
///
/// Every secret that the old key opens keeps its value. The one key that operator and machine shared
/// becomes the machine's, who goes on with it; the operator gets a new one. What the machine's profile
/// leaves out is encrypted to the operator only, and is listed: the old key has read it. Run again, it
/// says that it is done.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What to call the machine that has the old key
    #[arg(long, value_name = "NAME", default_value = "odoo-box")]
    machine: String,
    /// Remove plaintext that lies beside its ciphertext, if that opens to the same bytes
    #[arg(long)]
    remove_plaintext: bool,
}

/// Adopts the vault, or says that it is adopted already.
///
/// # Errors
///
/// If it is no Odoo Box vault, the old key opens nothing, something in it is no plain file, nobody says
/// yes, or the change cannot be made. Then nothing was changed.
pub fn run(args: &Args, common: &Common) -> miette::Result<()> {
    if common.no_sign {
        return Err(AdoptError::NoSign.into());
    }
    let folder = vault::lock(&common.vault)?;
    if folder.folder().join(POLICY_FILE).exists() {
        return again(folder, args, common);
    }
    if !legacy::is_legacy(folder.folder()) {
        return Err(AdoptError::NotLegacy(common.vault.display().to_string()).into());
    }
    adopt(&folder, args, common)
}

/// A vault that is ours already: only plaintext may be left to remove.
fn again(folder: ExclusiveFolder, args: &Args, common: &Common) -> miette::Result<()> {
    let identities = |vault: &Verified| keys::identities_if(plaintext::is_left(vault), common);
    if args.remove_plaintext {
        // Whoever forged the vault could say that it has what only the plaintext has.
        let open = OpenVault::verify(folder, common, |_, _| false)?;
        say_adopted(common);
        return plaintext::handle(&open.folder, &open.vault, identities(&open.vault)?, true, common);
    }
    let vault = verify(folder.folder(), &vault::own_signers(folder.folder())?, |_, _| false)?;
    say_adopted(common);
    plaintext::handle(&folder, &vault, identities(&vault)?, false, common)
}

fn say_adopted(common: &Common) {
    commands::say(common.quiet, "nothing to do: the vault is adopted already");
}

fn adopt(folder: &ExclusiveFolder, args: &Args, common: &Common) -> miette::Result<()> {
    let machine_file = machine_file(&args.machine)?;
    let backups = GIT_FILES.map(|file| format!("{file}.old"));
    let written = [OLD_IDENTITY_FILE.to_owned(), machine_file.clone()].into_iter().chain(backups);
    for kept in written {
        if folder.folder().join(&kept).symlink_metadata().is_ok() {
            return Err(AdoptError::InTheWay(kept).into());
        }
    }
    let tracked = key_files::known_to_git(&common.vault);
    if let Some(key) = tracked.iter().find(|path| key_files::is_private_key(path)) {
        return Err(AdoptError::Tracked(key.clone()).into());
    }
    let found = keys::find_identities(common)?;
    let named = found.is_some();
    let old = found.unwrap_or_else(Identities::none);
    let old_file = KeyFile::read_if_present(&common.vault.join(IDENTITY_FILE))?;
    let survey = Survey::of(folder.folder(), &old)?;
    if survey.secrets.is_empty() && !survey.left.is_empty() {
        // Without any key there is another remedy than with a wrong one.
        return Err(match named {
            true => AdoptError::OpensNothing(survey.left.len()).into(),
            false => KeyError::NoIdentity(common.vault.join(IDENTITY_FILE)).into(),
        });
    }
    let machine = Machine::of(&args.machine, &old, &survey);
    report::plan(&survey, &machine, common);
    if !common.batch && !prompt::confirm("Adopt this vault? [y/N] ")? {
        return Err(AdoptError::Declined.into());
    }

    let now = Timestamp::now();
    let operator = Operator::with_new_identity(common)?;
    let mut change = operator.first_change(Flavour::Standard, now)?;
    put_files(&mut change, folder, &survey)?;
    if let Some(old_file) = old_file {
        change.put_private_file(OLD_IDENTITY_FILE, old_file.text);
    }
    machine.put_into(&mut change, &machine_file, &old, now);
    put_secrets(&mut change, &survey, &machine);
    put_template(&mut change, &survey, &machine)?;
    let recovery = Recovery::offer(Flavour::Standard, common)?;
    if let Some(recovery) = &recovery {
        recovery.put_into(&mut change, OPERATORS, &Flavour::Standard.principal());
    }
    let prepared = change.prepare(folder, operator.signing_key.as_ref(), &operator.identities)?;
    vault::commit_first(prepared, folder)?;

    let vault = proven(folder, &operator.identities)?;
    report::done(&survey, &vault, &machine, common)?;
    report::committed(&tracked);
    operator.say_what_to_keep(common);
    if let Some(recovery) = recovery {
        recovery.say_what_to_do(common);
    }
    plaintext::handle(folder, &vault, &operator.identities, args.remove_plaintext, common)
}

/// What lies in the folder now is sound, and every secret opens with the new identity.
fn proven(folder: &ExclusiveFolder, identities: &Identities) -> miette::Result<Verified> {
    let vault = verify(folder.folder(), &vault::own_signers(folder.folder())?, |_, _| false)?;
    match inspect(folder.folder(), &vault, identities).1.into_iter().next() {
        Some(mismatch) => Err(mismatch.into()),
        None => Ok(vault),
    }
}

/// Public files as they are; what nobody can open too, so that it stays where it is and in Git.
fn put_files(change: &mut Change, folder: &ExclusiveFolder, survey: &Survey) -> miette::Result<()> {
    for path in &survey.public {
        change.put_public_file(path, folder.folder().read(path, MAX_PUBLIC)?);
    }
    for left in &survey.left {
        change.put_public_file(&left.path, left.bytes.clone());
    }
    for path in &survey.renamed {
        change.remove_public_file(path);
    }
    for file in GIT_FILES {
        if let Some(bytes) = folder.folder().read_if_present(file, MAX_PUBLIC)? {
            change.put_private_file(&format!("{file}.old"), Plaintext::from(bytes));
        }
    }
    Ok(())
}

fn put_secrets(change: &mut Change, survey: &Survey, machine: &Machine<'_>) {
    for (name, secret) in &survey.secrets {
        let new = NewSecret {
            name: name.clone(),
            table: secret.table(name, survey.source(name)),
            plaintext: secret.plaintext.clone(),
            origin: Origin::Imported,
            facts: secret.facts.clone(),
        };
        if survey.from_plaintext.contains(name) {
            // It was never encrypted to the old key.
            change.put_secret(new);
        } else {
            change.put_known_secret(new, &machine.keys);
        }
        if machine.gets.contains(name) {
            change.policy().add_to_audience(name, &[OPERATORS.to_owned()], machine.name);
        }
    }
}

/// The template of Odoo's configuration file, as `init` makes it, if there is what it shows and nothing in
/// its place.
fn put_template(change: &mut Change, survey: &Survey, machine: &Machine<'_>) -> miette::Result<()> {
    let template = standard::odoo_configuration()?;
    let Some(secret) = survey.secrets.get(&template.shows) else { return Ok(()) };
    let paths = survey.secrets.keys();
    if template.is_among(paths, survey.public.iter().map(String::as_str)) {
        return Ok(());
    }
    if let Err(error) = template.takes(&secret.plaintext) {
        commands::warn(&format!("there is no template {}: {error}", template.path));
        return Ok(());
    }
    change.put_template(&template, &[]);
    if machine.gets.contains(&template.shows) {
        change.policy().add_to_template(&template.path, &[OPERATORS.to_owned()], machine.name);
    }
    Ok(())
}

/// Where the machine's key is kept: the name must be one part of a path, as a secret's name has them.
fn machine_file(name: &str) -> Result<String, AdoptError> {
    let file = format!("machines/{name}.key");
    if name.is_empty() || name == OPERATORS || name.contains('/') || file.parse::<SecretName>().is_err() {
        return Err(AdoptError::Machine(name.escape_default().to_string()));
    }
    Ok(file)
}

/// The machine that goes on with the old key.
struct Machine<'a> {
    name: &'a str,
    /// None where there was no key: then there is no machine either.
    keys: BTreeSet<Recipient>,
    /// What it goes on to read.
    gets: BTreeSet<SecretName>,
}

impl<'a> Machine<'a> {
    fn of(name: &'a str, old: &Identities, survey: &Survey) -> Self {
        let authorities = survey.authority_keys();
        let included = survey.secrets.iter().filter(|(name, secret)| {
            Profile::OdooBox.includes(name, secret.meant) && !authorities.contains(*name)
        });
        let gets = included.map(|(name, _)| name.clone()).collect();
        Self { name, keys: old.recipients(), gets }
    }

    fn put_into(&self, change: &mut Change, file: &str, old: &Identities, now: Timestamp) {
        let mut keys = self.keys.iter();
        let Some(first) = keys.next() else { return };
        change.policy().add_machine(self.name, first, Profile::OdooBox.name());
        keys.for_each(|key| change.policy().add_key(self.name, key));
        change.put_private_file(file, old.to_file(now));
    }
}

/// Why the vault was not adopted. Nothing was changed.
#[derive(Debug, Error, Diagnostic)]
enum AdoptError {
    #[error("{0}: it is no Odoo Box vault")]
    #[diagnostic(help(
        "one has any of age.key, certs, passwords and ssh, and no vault.toml, vault.lock or vault.lock.sig: name it with --vault DIR"
    ))]
    NotLegacy(String),
    #[error("an Odoo Box vault cannot be adopted without signing")]
    #[diagnostic(help("leave out --no-sign: whoever adopts a vault becomes its first signer"))]
    NoSign,
    #[error("the identity opens none of the {0} encrypted files")]
    #[diagnostic(help("give the one that the vault was made with: --identity FILE"))]
    OpensNothing(usize),
    #[error("Git tracks {0}: the next commit would have the new private key in it")]
    #[diagnostic(help(
        "`git rm --cached` it, commit that, and run this again; whoever has the repository has the old key, so change all that it opens"
    ))]
    Tracked(String),
    #[error("{0} is there already, and would be overwritten")]
    #[diagnostic(help("it may be somebody's only key: move it to a safe place first"))]
    InTheWay(String),
    #[error("\"{0}\" cannot be the name of a machine here")]
    #[diagnostic(help("use letters, digits and . _ - in --machine NAME, and not \"ops\""))]
    Machine(String),
    #[error("not adopted; nothing was changed")]
    #[diagnostic(help("run it again when you want to"))]
    Declined,
}
