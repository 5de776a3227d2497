//! `vaultgen revert`: bring an earlier state back as a new one.

use std::collections::BTreeSet;

use miette::Diagnostic;
use thiserror::Error;
use vault_format::{
    Ancestor, Digest, LOCK_FILE, SecretName, Timestamp, folder::MAX_FILE, report, verify::Unsound,
};

use crate::{cli::Common, commands, git::Repository, prompt, vault::OpenVault};

/// Bring an earlier state of the vault back, as its next state.
///
/// Secrets and policy become what they were at REV, with the audiences of then; who may sign stays as it
/// is now. What comes back is shown first. The present state has to be committed, so that it is not lost.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The commit that has the state, such as HEAD~1
    #[arg(value_name = "REV")]
    revision: String,
    /// Do not ask. What comes back is printed all the same
    #[arg(long)]
    yes: bool,
}

/// Shows what would change, asks, and signs.
///
/// # Errors
///
/// If the vault is not sound or trusted, its present state is not committed or does not descend from
/// that one, or nobody says yes.
pub fn run(args: &Args, common: &Common) -> miette::Result<()> {
    if common.no_sign {
        return Err(RevertError::NeedsSignature.into());
    }
    let open = OpenVault::open(common, |_, _| false)?;
    let repository = Repository::of(&common.vault)?;
    let files = repository.files(repository.commit(&args.revision)?, &args.revision)?;
    let then = Ancestor::of(&open.vault, &*files).map_err(Unsound::from)?;
    if then.lock_digest() == open.vault.lock_digest() {
        commands::say(common.quiet, "nothing to do: this is the present state");
        return Ok(());
    }
    require_committed(&open, &repository)?;
    let between = between(&open, &repository, &then)?;
    for line in meaning(&open, &then, &between) {
        // Shown even with --quiet: whoever signs must see what.
        commands::say(false, &line);
    }
    if !args.yes && !prompt::confirm("Bring this back? [y/N] ")? {
        return Err(RevertError::Declined.into());
    }
    let change = then.restored(&open.vault, &files, &between, Timestamp::now())?;
    let Some(applied) = open.apply(change, common)? else { return Ok(()) };
    let note = format!(
        "serial {} is what serial {} was; now commit it with Git",
        applied.lock.serial,
        then.lock().serial
    );
    commands::say(common.quiet, &note);
    Ok(())
}

/// The states after `then` that are in a commit: who could read what comes back stands in them.
fn between(open: &OpenVault, repository: &Repository, then: &Ancestor) -> miette::Result<Vec<Ancestor>> {
    let mut looked_at = BTreeSet::new();
    let mut between = Vec::new();
    for commit in repository.history(&[repository.commit("HEAD")?])? {
        let is_new = repository.blob(commit, LOCK_FILE).is_some_and(|blob| looked_at.insert(blob));
        if !is_new {
            continue;
        }
        let state = Ancestor::of(&open.vault, &*repository.files(commit, "an earlier commit")?);
        between.extend(state.ok().filter(|state| state.lock().serial > then.lock().serial));
    }
    Ok(between)
}

/// A state that Git does not have would be gone for good.
fn require_committed(open: &OpenVault, repository: &Repository) -> miette::Result<()> {
    let head = repository.files(repository.commit("HEAD")?, "HEAD")?;
    let lock = head.read(LOCK_FILE, MAX_FILE)?;
    if Digest::of(&lock) != open.vault.lock_digest() {
        return Err(RevertError::NotCommitted(open.vault.lock().serial).into());
    }
    Ok(())
}

/// What the restored state has otherwise, a line each.
fn meaning(open: &OpenVault, then: &Ancestor, between: &[Ancestor]) -> Vec<String> {
    let (now, then_secrets) = (&open.vault.lock().secrets, &then.lock().secrets);
    let is_new = |name: &&SecretName| !now.contains_key(*name);
    let is_changed =
        |name: &&SecretName| now.get(*name).is_some_and(|secret| secret.sha256 != then_secrets[*name].sha256);
    let returned = then_secrets.keys().filter(is_new).map(|name| format!("comes back       {name}"));
    let changed = then_secrets.keys().filter(is_changed).map(|name| format!("as it was        {name}"));
    let gone = now.keys().filter(|name| !then_secrets.contains_key(*name));
    let gone = gone.map(|name| format!("goes             {name}"));
    let mut lines: Vec<String> = returned.chain(changed).chain(gone).collect();
    lines.extend(commands::policy_diff(open.vault.policy_text(), then.policy_text()));
    for (name, secret) in then_secrets {
        let readers = now.get(name).map(|secret| &secret.recipients);
        let gains =
            secret.recipients.iter().filter(|key| readers.is_none_or(|readers| !readers.contains(*key)));
        lines.extend(gains.map(|key| format!("can decrypt      {name}  {}", report::visible(key.as_str()))));
    }
    let ancestors = open.vault.lock().ancestors.iter();
    let missing = ancestors
        .take_while(|digest| **digest != then.lock_digest())
        .filter(|digest| !between.iter().any(|state| state.lock_digest() == **digest));
    let missing = missing.count();
    if missing > 0 {
        lines.push(format!(
            "not known: who could read it in {missing} states since then, which are in no commit"
        ));
    }
    lines
}

/// Why nothing was brought back.
#[derive(Debug, Error, Diagnostic)]
enum RevertError {
    #[error("bringing a state back cannot be proposed: only a signer can say that it counts")]
    #[diagnostic(help("leave out --no-sign, and sign with a signer's key"))]
    NeedsSignature,
    #[error("the present state (serial {0}) is not that of HEAD, and would be lost")]
    #[diagnostic(help("commit it with Git first; HEAD~1 is then the state before it"))]
    NotCommitted(u64),
    #[error("not brought back; nothing was changed")]
    #[diagnostic(help("take single secrets over with `vaultgen show` from a clone at that commit"))]
    Declined,
}
