//! vaultd: `vaultd check` reads its settings and verifies the vault of the tree, by the signers of the tree; with the
//! identity of the snake-oil vault it decrypts it too.
//!
//! It looks at a copy of the settings, in which the vault, the signers and the identity are those of the tree, and the
//! user of its server is one that is here. Without an identity in the tree it gets one that opens nothing.

use std::{fs, process::Command};

use toml::{Table, Value};
use vault_format::{Timestamp, identity::Identities};

use super::{
    Outcome, Subject, Verdict,
    program::{Program, is_root, run},
    subject::set_mode,
};

const VAULTD: Program = Program { name: "vaultd", package: None };
/// Its settings.
const FILE: &str = "/etc/vaultd/vaultd.toml";
/// What it takes where they are silent.
const DEFAULTS: [(&str, &str); 3] = [
    ("vault", "/etc/vaultd/vault"),
    ("allowed-signers", "/etc/vaultd/allowed_signers"),
    ("identity", "/etc/age.key"),
];
/// A user that is on every machine.
const USER: &str = "nobody";

pub(super) fn check(subject: &Subject<'_>) -> Vec<Outcome> {
    let file = subject.text(FILE).map(|text| {
        let judged = VAULTD.privileged().and_then(|vaultd| judge(subject, text, vaultd));
        Outcome::of("vaultd check", FILE, judged)
    });
    file.into_iter().collect()
}

/// What that program says of the settings.
pub(super) fn judge(subject: &Subject<'_>, text: &str, mut vaultd: Command) -> Result<Verdict, Verdict> {
    if !is_root() {
        return Err(Verdict::Skipped("it takes root".to_owned()));
    }
    let folder = subject.folder("vaultd")?;
    let copy = folder.join("vaultd.toml");
    // What is no TOML is for the program to tell.
    let settings = text.parse::<Table>().map(|settings| here(subject, settings).to_string());
    fs::write(&copy, settings.unwrap_or_else(|_| text.to_owned()))?;
    vaultd
        .arg("check")
        .arg("--allow-empty")
        .arg("--config")
        .arg(&copy)
        .arg("--state")
        .arg(folder.join("state"));
    if !has_identity(subject) {
        let path = folder.join("identity");
        fs::write(&path, Identities::generate().to_file(Timestamp::now()).expose())?;
        set_mode(&path, 0o400)?;
        vaultd.arg("--identity").arg(path);
    }
    Ok(run(vaultd)?.without(&subject.root).without(&folder).verdict())
}

/// The settings with the paths of the tree.
fn here(subject: &Subject<'_>, mut settings: Table) -> Table {
    for (key, default) in DEFAULTS {
        let path = settings.get(key).and_then(Value::as_str).unwrap_or(default);
        let path = subject.at(path).display().to_string();
        settings.insert(key.to_owned(), Value::String(path));
    }
    settings.insert("server-user".to_owned(), Value::String(USER.to_owned()));
    settings
}

fn has_identity(subject: &Subject<'_>) -> bool {
    subject.resolved.vault.as_ref().is_some_and(|vault| vault.identity.is_some())
}
