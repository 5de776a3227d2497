//! The keys of the operator who makes a vault.

use miette::Diagnostic;
use thiserror::Error;
use vault_format::{
    Change, IDENTITY_FILE, Identities, Plaintext, SIGNING_KEY_FILE, Timestamp,
    policy::PolicyEditor,
    signature::LockSigner,
    signers::{AllowedSigners, Signer},
    ssh::SshKey,
    standard::{GIT_ATTRIBUTES, GIT_IGNORE},
};

use super::Flavour;
use crate::{cli::Common, commands, keys};

/// The group that can decrypt everything in a new vault.
pub const OPERATORS: &str = "ops";

/// The operator's keys, and which of them are new.
pub struct Operator {
    /// To decrypt with.
    pub identities: Identities,
    /// To sign with.
    pub signing_key: Box<dyn LockSigner>,
    new_files: Vec<(&'static str, Plaintext)>,
}

impl Operator {
    /// Finds the keys of a new vault, and makes those that were not named.
    pub fn find(common: &Common) -> miette::Result<Self> {
        match keys::find_identities(common)? {
            Some(identities) if !identities.know_their_recipients() => Err(NoPublicKey.into()),
            Some(identities) => Self::of(identities, None, common),
            None => Self::with_new_identity(common),
        }
    }

    /// Makes an identity, whatever is there, and finds or makes the signing key.
    pub fn with_new_identity(common: &Common) -> miette::Result<Self> {
        let identities = Identities::generate();
        let file = identities.to_file(Timestamp::now());
        Self::of(identities, Some((IDENTITY_FILE, file)), common)
    }

    fn of(
        identities: Identities,
        identity_file: Option<(&'static str, Plaintext)>,
        common: &Common,
    ) -> miette::Result<Self> {
        let (signing_key, signing_key_file): (Box<dyn LockSigner>, _) = match keys::find_signing_key(common)?
        {
            Some(key) => (key, None),
            None => {
                let key = SshKey::generate("odbox vault signer")?;
                let file = key.to_file()?;
                (Box::new(key), Some((SIGNING_KEY_FILE, file)))
            }
        };
        let new_files = identity_file.into_iter().chain(signing_key_file).collect();
        Ok(Self { identities, signing_key, new_files })
    }

    /// The first state of a vault that this operator can decrypt and sign.
    pub fn first_change(&self, flavour: Flavour, now: Timestamp) -> miette::Result<Change> {
        let signer = Signer::new(&flavour.principal(), self.signing_key.public_key().clone())?;
        let policy = PolicyEditor::new(OPERATORS, &self.identities.recipients(), &signer);
        let mut change = Change::create(policy, &AllowedSigners::default().with(signer), now)?;
        change.put_public_file(".gitignore", GIT_IGNORE.into());
        change.put_public_file(".gitattributes", GIT_ATTRIBUTES.into());
        for (file, bytes) in &self.new_files {
            change.put_private_file(file, bytes.clone());
        }
        Ok(change)
    }

    /// Says which new files to keep a copy of.
    pub fn say_what_to_keep(&self, common: &Common) {
        if self.new_files.is_empty() {
            return;
        }
        let files: Vec<_> =
            self.new_files.iter().map(|(file, _)| common.vault.join(file).display().to_string()).collect();
        commands::say(
            common.quiet,
            &format!(
                "keep a copy of {} in a safe place: Git ignores these files; commit the rest",
                files.join(" and ")
            ),
        );
    }
}

/// An identity that nobody could encrypt to.
#[derive(Debug, Error, Diagnostic)]
#[error("of an age plugin's identity the public key is not known")]
#[diagnostic(help("write it into the key file, above the identity: `# public key: age1…`"))]
struct NoPublicKey;
