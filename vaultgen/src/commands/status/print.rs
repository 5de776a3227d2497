//! The status for people: what the vault is, and below it what is worth doing.

use super::{Status, findings::Findings, key_files::KeyFiles};
use crate::commands::counted;

/// How a vault gets a recovery key. `init` would fill a bare one.
fn make_a_recovery_key(is_standard: bool) -> (String, String) {
    let command = if is_standard { "vaultgen init" } else { "vaultgen init --bare" };
    let what = "on a terminal, asks for its passphrase, makes it and encrypts everything to it too";
    (command.to_owned(), what.to_owned())
}

/// The status, a line each.
pub fn lines(status: &Status) -> Vec<String> {
    let mut lines = Vec::new();
    if let Some(state) = &status.state {
        lines.push(format!("sound: {}, serial {}", counted(state.secrets), state.serial));
        lines.push(match &state.distrust {
            None => format!("signed by {} {}, whom you know", state.signer, state.fingerprint),
            Some(why) => format!("signed by {} {}, not trusted: {why}", state.signer, state.fingerprint),
        });
    }
    let mut sections = status.findings.as_ref().map(of_the_vault).unwrap_or_default();
    sections.extend(of_key_files(&status.key_files));
    sections.retain(|section| !section.rows.is_empty());
    if sections.is_empty() && status.state.as_ref().is_none_or(|state| state.distrust.is_none()) {
        lines.push("nothing to do".to_owned());
    }
    lines.extend(sections.iter().flat_map(Section::lines));
    lines
}

/// Things of one kind that are worth doing.
struct Section {
    title: &'static str,
    /// What it is about, and what of it.
    rows: Vec<(String, String)>,
}

impl Section {
    /// The second column begins at the same place in every row.
    fn lines(&self) -> Vec<String> {
        let width = self.rows.iter().map(|(subject, _)| subject.len()).max().unwrap_or_default();
        let row =
            |(subject, what): &(String, String)| format!("  {subject:width$}  {what}").trim_end().to_owned();
        [String::new(), format!("{}:", self.title)].into_iter().chain(self.rows.iter().map(row)).collect()
    }
}

fn of_the_vault(findings: &Findings) -> Vec<Section> {
    let named = |name: &dyn ToString| (name.to_string(), String::new());
    let exposed = findings.exposed.iter().flat_map(|exposed| {
        exposed.secrets.iter().map(|name| (name.to_string(), format!("known to {}", exposed.key)))
    });
    let due = findings.due.iter().map(|due| (due.secret.to_string(), due.text.clone()));
    let costly = findings.costly.iter().map(|costly| (costly.group.clone(), costly.key.to_string()));
    let recovery = &findings.recovery;
    let no_recovery = recovery.groups.is_empty().then(|| make_a_recovery_key(findings.is_standard));
    vec![
        Section {
            title: "missing, `vaultgen init` makes it",
            rows: findings.missing.iter().map(|name| named(name)).collect(),
        },
        Section {
            title: "known to removed keys, so to be changed at the source; `vaultgen rotate NAME` takes the new value",
            rows: exposed.collect(),
        },
        Section { title: "due", rows: due.collect() },
        Section {
            title: "no recovery key: if every other key is lost, so is the vault",
            rows: no_recovery.into_iter().collect(),
        },
        Section {
            title: "not opened by any recovery key",
            rows: recovery.left_out.iter().map(|name| named(name)).collect(),
        },
        Section { title: "slow to open for the holders of ssh-rsa keys", rows: costly.collect() },
        Section {
            title: "no part of the vault, and ignored",
            rows: findings.unlisted.iter().map(|path| named(path)).collect(),
        },
    ]
}

fn of_key_files(files: &KeyFiles) -> Vec<Section> {
    let tracked = files
        .tracked
        .iter()
        .map(|path| (path.clone(), "replace this key: it is in the repository".to_owned()));
    let unchecked = files.unchecked.iter().map(|why| ("not checked".to_owned(), why.clone()));
    let lost = "its only known copy is in a Git work tree, where `git clean -x` deletes it: copy it to";
    let only = files.only_copies.iter().map(|path| (path.clone(), format!("{lost} ~/.config/odbox/{path}")));
    let away = "move it to a safe place off this machine".to_owned();
    let recovery = files.recovery.iter().map(|path| (path.clone(), away.clone()));
    vec![
        Section { title: "private keys that Git tracks", rows: tracked.chain(unchecked).collect() },
        Section { title: "private keys at risk", rows: only.chain(recovery).collect() },
    ]
}
