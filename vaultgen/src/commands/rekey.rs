//! `vaultgen rekey`: encrypt anew, also to a new identity of the operator.

use std::path::PathBuf;

use miette::Diagnostic;
use thiserror::Error;
use vault_format::{
    IDENTITY_FILE, Identities, OLD_IDENTITY_FILE, Recipient, SecretName, Timestamp, key_file::KeyFile,
};

use crate::{cli::Common, commands, keys, no_secret::NoSecret, vault::OpenVault};

/// Encrypt secrets anew, to the same audience or with a new identity of yours.
///
/// Without --secret all of them. The values stay: who knew one knows it still, and `rotate` changes that.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Only this secret; may be given several times
    #[arg(long = "secret", value_name = "NAME", conflicts_with = "new_identity")]
    secrets: Vec<SecretName>,
    /// Replace the identity in DIR/age.key by a new one, wherever the policy names it
    #[arg(long)]
    new_identity: bool,
}

/// Encrypts anew what was asked for.
///
/// # Errors
///
/// If the vault is not sound or trusted, has no such secret, or an identity is missing.
pub fn run(args: &Args, common: &Common) -> miette::Result<()> {
    let open = OpenVault::open(common, |_, _| false)?;
    if args.new_identity {
        return replace_identity(&open, common);
    }
    let known = &open.vault.lock().secrets;
    if let Some(name) = args.secrets.iter().find(|name| !known.contains_key(*name)) {
        return Err(NoSecret::new(&open.vault, name).into());
    }
    let mut change = open.change()?;
    let wanted = |name: &&SecretName| args.secrets.is_empty() || args.secrets.contains(name);
    known.keys().filter(wanted).for_each(|name| change.rekey(name));
    let Some(applied) = open.apply(change, common)? else { return Ok(()) };
    commands::say_reencrypted(&open.vault, &applied, common.quiet);
    Ok(())
}

fn replace_identity(open: &OpenVault, common: &Common) -> miette::Result<()> {
    let path = common.vault.join(IDENTITY_FILE);
    let old_file = KeyFile::read_if_present(&path)?.ok_or_else(|| RekeyError::NoIdentity(path.clone()))?;
    let old = keys::parse_identities(&path, &old_file.text)?;
    let new = Identities::generate();
    let mut change = open.change()?;
    let new_key = only(&new).ok_or(RekeyError::Several)?;
    change.policy().replace_key(&only(&old).ok_or(RekeyError::Several)?, &new_key);
    change.put_private_file(OLD_IDENTITY_FILE, old_file.text);
    change.put_private_file(IDENTITY_FILE, new.to_file(Timestamp::now()));
    let Some(applied) = open.apply(change, common)? else { return Ok(()) };
    commands::say_reencrypted(&open.vault, &applied, common.quiet);
    let kept = common.vault.join(OLD_IDENTITY_FILE);
    commands::say(
        common.quiet,
        &format!(
            "the old identity is in {}: it opens older states in Git; keep a copy of the new one",
            kept.display()
        ),
    );
    Ok(())
}

fn only(identities: &Identities) -> Option<Recipient> {
    let mut recipients = identities.recipients().into_iter();
    recipients.next().filter(|_| recipients.next().is_none())
}

/// Why nothing was encrypted anew.
#[derive(Debug, Error, Diagnostic)]
enum RekeyError {
    #[error("{0}: there is no such identity to replace")]
    #[diagnostic(help(
        "where it is lost, make one with `age-keygen`, let it in with the recovery identity or a colleague's, \
         `vaultgen --identity FILE recipients add`, and the lost one out, `vaultgen recipients remove`"
    ))]
    NoIdentity(PathBuf),
    #[error("age.key holds several identities")]
    #[diagnostic(help("replace one of them by hand: `vaultgen recipients add` and `remove`"))]
    Several,
}
