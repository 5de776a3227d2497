//! The recovery identity: one more key that opens everything, protected by a passphrase, for the day
//! on which all others are gone.

use vault_format::{
    Change, Plaintext, RECOVERY_FILE, Recipient, Timestamp, VaultFolder, Verified, cipher,
    identity::Identities, policy::GroupKind,
};

use super::Flavour;
use crate::{cli::Common, commands, input, prompt, trust::Memory, vault};

/// Its name in the policy.
const RECOVERY: &str = "safe";
/// What the questions are about.
const WHAT: &str = "a recovery identity, to keep offline";

/// A new recovery identity, of which only the public half and the encrypted file are left.
pub struct Recovery {
    recipient: Recipient,
    file: Plaintext,
}

impl Recovery {
    /// Asks for the passphrase of a recovery identity and makes one. Nothing for an empty answer, and
    /// where nobody is to be asked.
    ///
    /// # Errors
    ///
    /// If there is no terminal, or the passphrase is weak or not the same twice.
    pub fn offer(flavour: Flavour, common: &Common) -> miette::Result<Option<Self>> {
        if common.batch || flavour == Flavour::SnakeOil { Ok(None) } else { Self::ask() }
    }

    /// Whether to offer one to somebody at a terminal, for a vault that they know and that has none.
    pub fn is_wanted(vault: &Verified, folder: &VaultFolder, common: &Common) -> miette::Result<bool> {
        let mut groups = vault.policy().groups().values();
        let has_one = groups.any(|group| group.kind == GroupKind::Recovery && !group.keys.is_empty());
        if common.batch || has_one || !input::is_terminal() {
            return Ok(false);
        }
        if folder.join(RECOVERY_FILE).symlink_metadata().is_ok() {
            let path = common.vault.join(RECOVERY_FILE);
            commands::warn(&format!(
                "{} is not of this vault: move it away to be offered a new one",
                path.display()
            ));
            return Ok(false);
        }
        Ok(Memory::open()?.judge(folder, vault::state(vault), true).is_ok())
    }

    /// Asks for the passphrase of a recovery identity and makes one. Nothing for an empty answer.
    ///
    /// # Errors
    ///
    /// If there is no terminal, or the passphrase is weak or not the same twice.
    pub fn ask() -> miette::Result<Option<Self>> {
        let Some(passphrase) = prompt::new_passphrase(WHAT)? else { return Ok(None) };
        let identity = Identities::generate();
        let Some(recipient) = identity.recipients().pop_first() else { return Ok(None) };
        let file = cipher::encrypt_with_passphrase(&identity.to_file(Timestamp::now()), passphrase)?;
        Ok(Some(Self { recipient, file: Plaintext::from(file) }))
    }

    /// Puts it into a new vault, whose operators are `group`; `person` becomes the first of them.
    pub fn put_into(&self, change: &mut Change, group: &str, person: &str) {
        let person = if [group, RECOVERY].contains(&person) { "operator" } else { person };
        change.policy().add_recovery(group, person, RECOVERY, &self.recipient);
        change.put_private_file(RECOVERY_FILE, self.file.clone());
    }

    /// Puts it into a vault that has none, and into every audience.
    pub fn join(&self, vault: &Verified, change: &mut Change) {
        let groups = vault.policy().groups();
        let numbered = (2..).map(|number| format!("{RECOVERY}-{number}"));
        let mut names = [RECOVERY.to_owned()].into_iter().chain(numbered);
        if let Some(name) = names.find(|name| !groups.contains_key(name)) {
            change.policy().add_recovery_everywhere(&name, &self.recipient);
        }
        change.put_private_file(RECOVERY_FILE, self.file.clone());
    }

    /// Says where it lies, and that it does not belong there.
    pub fn say_what_to_do(&self, common: &Common) {
        let path = common.vault.join(RECOVERY_FILE);
        commands::say(
            common.quiet,
            &format!(
                "move {} to a safe place off this machine: with its passphrase it opens every secret",
                path.display()
            ),
        );
    }
}
