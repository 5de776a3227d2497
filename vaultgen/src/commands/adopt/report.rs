//! What `vaultgen adopt` tells the operator: first what it is going to do, then what to look after.

use std::time::Duration;

use vault_format::{
    SecretName, Timestamp, Verified,
    facts::Facts,
    legacy::{FOLDERS, LegacySecret},
    password::Password,
    policy::Kind,
    report, standard,
};
use zeroize::Zeroizing;

use super::{GIT_FILES, Machine, Survey};
use crate::{cli::Common, commands};

/// Longer than any public authority allows, and than anybody should have to trust a key on a disk.
const LONG: Duration = Duration::from_secs(3660 * 24 * 60 * 60);

/// Says what is found, who will be able to read it, and what stays as it is.
pub fn plan(survey: &Survey, machine: &Machine<'_>, common: &Common) {
    let say = |text: &str| commands::say(common.quiet, text);
    say(&format!("an Odoo Box vault with {} that your key opens:", commands::counted(survey.secrets.len())));
    for name in survey.secrets.keys() {
        let readers =
            if machine.gets.contains(name) { format!("ops, {}", machine.name) } else { "ops".into() };
        say(&format!("  {name}  for {readers}"));
    }
    if !machine.keys.is_empty() {
        say(&format!("the key so far becomes the one of machine {}; you get a new one", machine.name));
    }
    for left in &survey.left {
        commands::warn(&format!("{} stays as it is, and is no secret: {}", left.path, left.why));
    }
}

/// Says what was made, and all that is worth a look. None of it makes the vault unsound.
///
/// # Errors
///
/// None in practice: standard names are names.
pub fn done(survey: &Survey, vault: &Verified, machine: &Machine<'_>, common: &Common) -> miette::Result<()> {
    let (path, lock) = (common.vault.display(), vault.lock());
    let say = |text: &str| commands::say(common.quiet, text);
    say(&format!("{path}: adopted, {}, serial {}", commands::counted(lock.secrets.len()), lock.serial));
    if let Some(file) = super::machine_file(machine.name).ok().filter(|_| !machine.keys.is_empty()) {
        say(&format!("{file} is the old key: the machine has it as /etc/age.key, and goes on with it"));
    }
    for file in GIT_FILES.iter().filter(|file| common.vault.join(format!("{file}.old")).exists()) {
        say(&format!("{file} is new; yours so far is {file}.old"));
    }
    list(
        "known to the old key, which the machine and everybody with that key has; change these at their source:",
        lock.secrets.iter().filter(|(_, secret)| !secret.exposed_to.is_empty()).map(|(name, _)| name),
    );
    list("a newline was cut off:", names(survey, |_, secret| secret.had_newline));
    list(
        "not what the name says, kept as opaque:",
        names(survey, |_, secret| secret.kind == Kind::Opaque && secret.meant != Kind::Opaque),
    );
    list("not the hash of the password beside it, or too costly to tell:", survey.strange_hashes());
    list("a weak password: change it with `vaultgen password`:", names(survey, |_, secret| is_weak(secret)));
    list("only in plaintext so far, encrypted now:", survey.from_plaintext.iter());
    certificates(survey);
    let missing: Vec<SecretName> =
        standard::names()?.into_iter().filter(|name| !lock.secrets.contains_key(name)).collect();
    list("missing of the standard vault, `vaultgen init` makes them:", missing.iter());
    Ok(())
}

/// Says which plaintext Git has: ignoring a file does not take it out.
pub fn committed(tracked: &[String]) {
    let is_public = |path: &&String| path.ends_with(".age") || path.ends_with(".pub");
    let beside = tracked.iter().filter(|path| FOLDERS.iter().any(|folder| path.starts_with(folder)));
    let paths: Vec<String> =
        beside.filter(|path| !is_public(path)).map(|path| report::visible(path)).collect();
    if !paths.is_empty() {
        commands::warn(&format!(
            "Git has plaintext: `git rm --cached` it; its history keeps it, so change these values: {}",
            paths.join(", ")
        ));
    }
}

fn certificates(survey: &Survey) {
    let now = Timestamp::now();
    let facts = survey.secrets.iter().filter_map(|(name, secret)| match &secret.facts {
        Some(Facts::Certificate(facts)) => Some((name, facts)),
        _ => None,
    });
    for (name, facts) in facts {
        if facts.not_after <= now {
            commands::warn(&format!("{name} ended at {}", facts.not_after));
        }
        if facts.not_after > facts.not_before.after(LONG) {
            commands::warn(&format!("{name} is valid until {}, which is too long", facts.not_after));
        }
        if let Some(bits) = facts.key_type.strip_prefix("rsa") {
            commands::warn(&format!("{name} has an RSA key of {bits} bits, which is slow; p256 is not"));
        }
    }
    list("may sign other certificates, though meant for a server: make it anew:", survey.stray_authorities());
}

fn is_weak(secret: &LegacySecret) -> bool {
    let text = secret.plaintext.expose_str().map(|text| Zeroizing::new(text.to_owned()));
    let judged = text.map(|text| Password::entered(text).and_then(Password::judge));
    secret.kind == Kind::Password && judged.is_none_or(|judged| judged.is_err())
}

fn names(
    survey: &Survey,
    wanted: impl Fn(&SecretName, &LegacySecret) -> bool,
) -> impl Iterator<Item = &SecretName> {
    survey.secrets.iter().filter(move |(name, secret)| wanted(name, secret)).map(|(name, _)| name)
}

/// One warning for all of them.
fn list<'a>(note: &str, names: impl Iterator<Item = &'a SecretName>) {
    let lines: String = names.map(|name| format!("\n  {name}")).collect();
    if !lines.is_empty() {
        commands::warn(&format!("{note}{lines}"));
    }
}
