//! `vaultgen sign`: make what lies in the folder the vault's next state.

use std::collections::BTreeSet;

use miette::Diagnostic;
use thiserror::Error;
use vault_format::{Change, Proposal, SecretName, Timestamp, proposal::Difference, ssh};

use crate::{
    cli::Common,
    commands, keys, prompt,
    trust::{Memory, State},
    vault,
};

/// Sign what lies in the folder, after showing what it means.
///
/// For a policy that was edited by hand, and for changes that somebody without a signing key
/// proposes. The last signed state must be sound in itself and trusted.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Do not ask. What is signed is printed all the same
    #[arg(long)]
    yes: bool,
}

/// Shows the differences, asks, and signs.
///
/// # Errors
///
/// If the last signed state is not authentic or trusted, the new policy is wrong, or nobody says
/// yes.
pub fn run(args: &Args, common: &Common) -> miette::Result<()> {
    let folder = vault::lock(&common.vault)?;
    let memory = Memory::open()?;
    let proposal = Proposal::read(folder.folder(), &memory.signers_of(folder.folder(), folder.folder())?)?;
    // Signers that somebody put into the folder say nothing before this is signed.
    memory.judge(folder.folder(), state(&proposal), common.batch)?;
    if proposal.differences().is_empty() {
        commands::say(common.quiet, "nothing to do: everything is signed");
        return Ok(());
    }
    let signed_policy = memory.policy_of(proposal.lock(), proposal.lock_digest())?;
    for line in meaning(&proposal, signed_policy.as_deref()) {
        // Shown even with --quiet: whoever signs must see what.
        commands::say(false, &line);
    }
    if !args.yes && !prompt::confirm("Sign this? [y/N] ")? {
        return Err(SignError::Declined.into());
    }
    let identities = keys::identities_if(proposal.needs_identities(), common)?;
    let change = Change::of(&proposal, folder.folder(), identities, Timestamp::now())?;
    let applied = vault::apply(change, &folder, &memory, identities, common)?;
    commands::say(common.quiet, &format!("signed: serial {}", applied.lock.serial));
    Ok(())
}

/// What a proposal builds on, to be held against what was seen.
pub fn state(proposal: &Proposal) -> State<'_> {
    State {
        lock: proposal.lock(),
        digest: proposal.lock_digest(),
        signer: proposal.signer(),
        signers: proposal.signers(),
        policy_text: proposal.policy_text(),
    }
}

/// What signing would do, a line each.
fn meaning(proposal: &Proposal, signed_policy: Option<&str>) -> Vec<String> {
    let mut lines: Vec<String> = proposal.differences().iter().map(ToString::to_string).collect();
    lines.extend(policy_changes(signed_policy, proposal.policy_text()));
    if proposal.differences().contains(&Difference::PublicFile(vault_format::SIGNERS_FILE.to_owned())) {
        lines.extend(proposal.signers().iter().map(|signer| {
            let ended = if signer.ended() { " (removed)" } else { "" };
            format!("signer           {} {}{ended}", signer.principal(), ssh::fingerprint(signer.key()))
        }));
    }
    for (name, secret) in &proposal.lock().secrets {
        let audience = &proposal.policy().secret(name).audience;
        let gains = audience.difference(&secret.recipients).map(|key| ("can decrypt     ", key));
        let loses = secret.recipients.difference(audience).map(|key| ("no longer reads ", key));
        lines.extend(gains.chain(loses).map(|(verb, key)| format!("{verb} {name}  {key}")));
    }
    for name in added(proposal) {
        let audience = &proposal.policy().secret(name).audience;
        lines.extend(audience.iter().map(|key| format!("can decrypt      {name}  {key}")));
    }
    lines
}

/// The lines of the policy that came and went. Where the signed policy is not known, that is said:
/// owners, modes and services may have changed too.
fn policy_changes(signed: Option<&str>, present: &str) -> Vec<String> {
    match signed {
        Some(signed) => commands::policy_diff(signed, present),
        None => vec!["this state was never seen here, so look at vault.toml with `git diff`".to_owned()],
    }
}

fn added(proposal: &Proposal) -> BTreeSet<&SecretName> {
    let added = proposal.differences().iter().filter_map(|difference| match difference {
        Difference::Added(name) => Some(name),
        _ => None,
    });
    added.collect()
}

/// Why nothing was signed.
#[derive(Debug, Error, Diagnostic)]
enum SignError {
    #[error("not signed; nothing was changed")]
    #[diagnostic(help("undo what you do not want with `git checkout`, then run it again"))]
    Declined,
}
