//! `vaultgen remove`: take secrets out.

use std::collections::{BTreeMap, BTreeSet};

use miette::Diagnostic;
use thiserror::Error;
use vault_format::{
    SecretName, VaultFiles, Verified, renewal,
    template::{MAX_BYTES, Template},
};

use crate::{cli::Common, commands, no_secret::NoSecret, prompt, vault::OpenVault};

/// Take secrets out of policy, lock and folder.
///
/// Older states in Git keep them: a value that somebody could read there has to be changed at its
/// source. Refused while a view, a template or a derived secret needs them.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The secrets, such as odoo/smtp-password
    #[arg(value_name = "NAME", required = true)]
    names: Vec<SecretName>,
    /// Take out what is derived from them too, such as the hashes of a password
    #[arg(long)]
    with_derived: bool,
    /// Do not ask. What goes is printed all the same
    #[arg(long)]
    yes: bool,
}

/// Shows what goes, asks, and takes it out.
///
/// # Errors
///
/// If the vault is not sound or trusted, has no such secret, something needs it, or nobody says yes.
pub fn run(args: &Args, common: &Common) -> miette::Result<()> {
    let open = OpenVault::open(common, |_, _| false)?;
    let mut going: BTreeSet<SecretName> = BTreeSet::new();
    for name in &args.names {
        if !open.vault.lock().secrets.contains_key(name) {
            return Err(NoSecret::new(&open.vault, name).into());
        }
        going.insert(name.clone());
    }
    if args.with_derived {
        add_derived(&open.vault, &mut going);
    }
    let needed_by = needed_by(&open, &going)?;
    if let Some((name, needed_by)) = needed_by.into_iter().next() {
        return Err(RemoveError::Needed { name, by: needed_by.join(", ") }.into());
    }
    if !args.yes {
        confirm(&going, common)?;
    }

    let mut change = open.change()?;
    for name in &going {
        if let Some(path) = renewal::public_file(&open.vault, name) {
            change.remove_public_file(&path);
        }
        change.remove_secret(name);
    }
    let Some(applied) = open.apply(change, common)? else { return Ok(()) };
    for name in &going {
        commands::say(common.quiet, &format!("removed: {name}"));
    }
    let serial = applied.lock.serial;
    commands::say(common.quiet, &format!("serial {serial}; older states in Git still have what was removed"));
    Ok(())
}

fn confirm(going: &BTreeSet<SecretName>, common: &Common) -> miette::Result<()> {
    if common.batch {
        return Err(RemoveError::Batch.into());
    }
    for name in going {
        // Shown even with --quiet: whoever says yes must see to what.
        commands::say(false, &format!("goes: {name}"));
    }
    if prompt::confirm("Remove for good? [y/N] ")? { Ok(()) } else { Err(RemoveError::Declined.into()) }
}

/// At any remove: what is derived from something derived goes too.
fn add_derived(vault: &Verified, going: &mut BTreeSet<SecretName>) {
    let mut sources: Vec<SecretName> = going.iter().cloned().collect();
    while let Some(source) = sources.pop() {
        let present =
            renewal::derived(vault, &source).filter(|name| vault.lock().secrets.contains_key(*name));
        for name in present {
            if going.insert(name.clone()) {
                sources.push(name.clone());
            }
        }
    }
}

/// What of the rest of the vault needs a secret that goes.
fn needed_by(
    open: &OpenVault,
    going: &BTreeSet<SecretName>,
) -> miette::Result<BTreeMap<SecretName, Vec<String>>> {
    let mut needed: BTreeMap<SecretName, Vec<String>> = BTreeMap::new();
    let policy = open.vault.policy();
    let mut note = |name: &SecretName, by: String| {
        if going.contains(name) {
            needed.entry(name.clone()).or_default().push(by);
        }
    };
    for name in open.vault.lock().secrets.keys().filter(|name| !going.contains(*name)) {
        if let Some(source) = &policy.secret(name).from {
            note(source, format!("the derived secret {name}"));
        }
    }
    for (path, view) in policy.views() {
        note(&view.of, format!("the view {path}"));
    }
    for (path, template) in policy.templates() {
        let source = open.folder.folder().read(template.source.as_str(), MAX_BYTES as u64)?;
        let text = String::from_utf8(source).unwrap_or_default();
        // A verified vault has sound templates only.
        let parsed: Template = text.parse().unwrap_or_default();
        parsed.secrets().into_iter().for_each(|name| note(name, format!("the template {path}")));
    }
    Ok(needed)
}

/// Why nothing was removed.
#[derive(Debug, Error, Diagnostic)]
enum RemoveError {
    #[error("{name} is needed by {by}")]
    #[diagnostic(help(
        "remove that too: a derived secret with --with-derived, a view or template from vault.toml with `vaultgen sign`"
    ))]
    Needed { name: SecretName, by: String },
    #[error("nobody said yes; nothing was removed")]
    #[diagnostic(help("add --yes to --batch"))]
    Batch,
    #[error("not removed; nothing was changed")]
    #[diagnostic(help("nothing to do"))]
    Declined,
}
