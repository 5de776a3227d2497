//! New values for standard secrets whose files are gone: the habit of `rm passwords/admin.*` and running
//! it again. A pusher can remove files too, so it is shown and asked; all that they can gain is that a
//! value is changed, for one that they do not know.

use std::collections::{BTreeMap, BTreeSet};

use miette::Diagnostic;
use thiserror::Error;
use vault_format::{
    Change, Digest, Lock, Plaintext, Proposal, SecretName, Timestamp, VaultFiles,
    certificate::Authority,
    cipher,
    cipher::CipherError,
    folder::MAX_FILE,
    proposal::Difference,
    standard::{self, CA, SSH_IDENTITY},
    transaction::ExclusiveFolder,
    verify::Unsound,
};

use super::{Args, Missing, make, put_template, say_what_was_made};
use crate::{
    cli::Common,
    commands::{self, sign},
    keys, prompt,
    trust::Memory,
    vault,
};

/// Makes anew what is gone, if nothing else is wrong with the vault.
///
/// # Errors
///
/// `unsound` itself if there is more to it; if the last signed state is not trusted, something that is
/// gone cannot be made anew, or nobody says yes.
pub fn renew(folder: &ExclusiveFolder, unsound: Unsound, args: &Args, common: &Common) -> miette::Result<()> {
    let memory = Memory::open()?;
    let files = folder.folder();
    let trusted = memory.signers_of(files, files)?;
    let Ok(proposal) = Proposal::read(files, &trusted) else { return Err(unsound.into()) };
    let Some(gone) = gone(&proposal) else { return Err(unsound.into()) };
    memory.judge(files, sign::state(&proposal), common.batch)?;
    agree(&gone, common)?;

    let now = Timestamp::now();
    let stands = |name: &SecretName| proposal.lock().secrets.contains_key(name) && !gone.contains(name);
    let mut missing = Missing::of(args.flavour(), proposal.policy(), proposal.lock(), stands)?;
    // What the lost CA signed is worth nothing without it.
    missing.localhost |= missing.ca;
    // It is no secret of every vault: the next run makes it.
    missing.local_ca = false;
    let opened = |name: &SecretName| open(files, proposal.lock(), name, common);
    let ca = if missing.ca || !missing.localhost { None } else { Some(authority(&opened)?) };
    let made = make(&missing, ca, &opened, args, now, common)?;
    let public_files = made.public_files.into_iter().collect::<BTreeMap<_, _>>();
    let mut change = Change::renewing(&proposal, made.secrets, public_files, now)?;
    if missing.template {
        put_template(&mut change, proposal.policy(), proposal.lock(), &opened)?;
    }
    if common.no_sign {
        change.propose(folder)?;
        commands::say(common.quiet, "proposed, not signed: it counts once a signer runs `vaultgen sign`");
        return Ok(());
    }
    let identities = keys::identities_if(change.needs_identities()?, common)?;
    let applied = vault::apply(change, folder, &memory, identities, common)?;
    say_what_was_made(&applied, common);
    Ok(())
}

/// The secrets whose files are gone, if that is the only difference and all of them can be made anew.
fn gone(proposal: &Proposal) -> Option<BTreeSet<SecretName>> {
    let standard = standard::names().ok()?;
    let public = format!("{SSH_IDENTITY}.pub");
    let mut gone = BTreeSet::new();
    for difference in proposal.differences() {
        match difference {
            Difference::Removed(name) if standard.contains(name) => drop(gone.insert(name.clone())),
            // A public key alone can be had from its private key, and is no reason for a new one.
            Difference::PublicFileGone(path) if *path == public => {}
            _ => return None,
        }
    }
    let needs_ssh = proposal.differences().contains(&Difference::PublicFileGone(public));
    let has_ssh = gone.iter().any(|name| name.as_str() == SSH_IDENTITY);
    (!gone.is_empty() && (has_ssh || !needs_ssh)).then_some(gone)
}

/// Shown even with --quiet: whoever signs must see what.
fn agree(gone: &BTreeSet<SecretName>, common: &Common) -> miette::Result<()> {
    commands::warn("files of these secrets are gone; nobody signed that:");
    for name in gone {
        commands::warn(&format!("  {name}"));
    }
    commands::warn(
        "if it was not you who removed them, find out who did: `git checkout -- FILE` brings them back",
    );
    if common.batch {
        commands::warn("they get new values now, as do the hashes and certificates that belong to them");
        return Ok(());
    }
    match prompt::confirm("Give them new values, and sign? [y/N] ")? {
        true => Ok(()),
        false => Err(RenewError::Declined.into()),
    }
}

fn authority(opened: &dyn Fn(&SecretName) -> miette::Result<Plaintext>) -> miette::Result<Authority> {
    let [certificate, key] = standard::certificate_names(CA)?;
    Ok(Authority::read(&opened(&certificate)?, &opened(&key)?)?)
}

/// The present value of a secret. Its ciphertext is held against the lock again.
pub fn open(
    files: &dyn VaultFiles,
    lock: &Lock,
    name: &SecretName,
    common: &Common,
) -> miette::Result<Plaintext> {
    let ciphertext = files.read(&name.ciphertext_path(), MAX_FILE)?;
    if lock.secrets.get(name).map(|secret| secret.sha256) != Some(Digest::of(&ciphertext)) {
        return Err(RenewError::Changed(name.clone()).into());
    }
    let opened = cipher::decrypt(&ciphertext, keys::identities(common)?);
    Ok(opened.map_err(|error| RenewError::Cipher { name: name.clone(), error })?)
}

/// Why nothing was made anew.
#[derive(Debug, Error, Diagnostic)]
enum RenewError {
    #[error("no new values; nothing was changed")]
    #[diagnostic(help("bring the files back with `git checkout -- FILE`"))]
    Declined,
    #[error("{0} was changed just now")]
    #[diagnostic(help("run the command again when nothing else writes to the vault"))]
    Changed(SecretName),
    #[error("{name}: {error}")]
    Cipher {
        name: SecretName,
        #[diagnostic_source]
        error: CipherError,
    },
}
