//! The recovery identity: one more key that opens everything, protected by a passphrase, for the day
//! on which all others are gone.

use vault_format::{Change, Plaintext, RECOVERY_FILE, Recipient, Timestamp, cipher, identity::Identities};

use super::Flavour;
use crate::{cli::Common, commands, prompt};

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
        if common.batch || flavour == Flavour::SnakeOil {
            return Ok(None);
        }
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
