//! A server's certificate with its key on their way into the vault: what to tell about them.

use miette::Diagnostic;
use thiserror::Error;
use vault_format::{
    Change, SecretName, Verified,
    certificate::CertificateFacts,
    change::NewSecret,
    facts::Facts,
    policy::{GroupKind, Kind},
    report::visible,
};

use crate::{cli::Common, commands, vault::OpenVault};

/// A certificate and its key, put into a change.
pub struct NewPair {
    certificate: SecretName,
    key: SecretName,
    facts: CertificateFacts,
}

impl NewPair {
    /// Puts a certificate and its key into a change, in place of those of the same names.
    ///
    /// # Errors
    ///
    /// If the policy says that they are something else.
    pub fn put(open: &OpenVault, change: &mut Change, secrets: [NewSecret; 2]) -> miette::Result<Self> {
        let policy = open.vault.policy();
        for NewSecret { name, table, .. } in &secrets {
            if change.policy().has_secret(name) && policy.secret(name).kind != table.kind {
                return Err(PairError { name: name.clone(), needed: kind(table.kind) }.into());
            }
        }
        let [certificate, key] = &secrets;
        let facts = CertificateFacts::of(&certificate.plaintext)?;
        let pair = Self { certificate: certificate.name.clone(), key: key.name.clone(), facts };
        secrets.into_iter().for_each(|secret| change.put_secret(secret));
        Ok(pair)
    }

    /// Says what was made or replaced, which names are no longer served, and who cannot open it yet.
    pub fn say(&self, before: &Verified, common: &Common) {
        self.say_what(before, common);
        self.say_who_cannot_open(before, common);
    }

    /// Says what was made or replaced, and which names are no longer served.
    pub fn say_what(&self, before: &Verified, common: &Common) {
        let Self { certificate, key, facts } = self;
        let lock = &before.lock().secrets;
        // Somebody else may have written the names.
        let (names, until) = (visible(&facts.names.join(", ")), facts.not_after);
        // A CA has none.
        let names = if names.is_empty() { names } else { format!("for {names}, ") };
        let done =
            if [certificate, key].iter().any(|name| lock.contains_key(*name)) { "replaced" } else { "new" };
        commands::say(common.quiet, &format!("{done}: {certificate} and {key}, {names}until {until}"));
        if let Some(Facts::Certificate(old)) = lock.get(certificate).and_then(|old| old.facts.as_ref()) {
            let gone: Vec<&str> =
                old.names.iter().filter(|name| !facts.names.contains(name)).map(String::as_str).collect();
            if !gone.is_empty() {
                let gone = visible(&gone.join(", "));
                commands::warn(&format!("{certificate} is no longer good for {gone}, as the one before was"));
            }
        }
    }

    /// A new secret is for people only, until they say which machine needs it.
    fn say_who_cannot_open(&self, before: &Verified, common: &Common) {
        let policy = before.policy();
        let machines: Vec<_> =
            policy.groups().iter().filter(|(_, group)| matches!(group.kind, GroupKind::Machine(_))).collect();
        let audience = &policy.secret(&self.key).audience;
        if !machines.is_empty() && machines.iter().all(|(_, group)| group.keys.is_disjoint(audience)) {
            let (certificate, key) = (&self.certificate, &self.key);
            commands::say(
                common.quiet,
                &format!(
                    "no machine can open them yet: `vaultgen grant {certificate} MACHINE`, and the same for {key}"
                ),
            );
        }
    }
}

fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Certificate => "certificate",
        _ => "private-key",
    }
}

/// The policy says that a secret of the name is something else.
#[derive(Debug, Error, Diagnostic)]
#[error("{name} is of another kind in vault.toml, which would stay")]
#[diagnostic(help(
    "write kind = \"{needed}\" into [secret.\"{name}\"] in vault.toml, run `vaultgen sign`, and then this command again"
))]
pub struct PairError {
    name: SecretName,
    needed: &'static str,
}
