//! The odbox vault as data.
//!
//! A vault is a folder of [age](https://age-encryption.org/v1) files that is safe to keep in
//! Git. This crate knows what is in it and whether it is sound; it never prints, prompts or
//! reads the environment. The rooms, in the order in which a vault is read:
//!
//! | room | what it knows |
//! | --- | --- |
//! | [`files`](mod@files) | where the files of a state are read from |
//! | [`folder`] | opening files beneath the vault's own descriptor, following no link |
//! | [`stamp`] | whether a file was changed since it was read |
//! | [`signature`], [`signers`] | who signed the lock, and who may |
//! | [`lock`] | `vault.lock`: the facts about every file, written by machine |
//! | [`policy`] | `vault.toml`: who may decrypt and who may read, written by people |
//! | [`template`] | text with secrets in it |
//! | [`verify`](mod@verify) | the one way to a [`Verified`] vault |
//! | [`ancestor`] | an earlier state that a verified one descends from |
//! | [`inspect`](mod@inspect) | what only a key can tell |
//! | [`due`](mod@due) | what is to be changed soon |
//! | [`audit`] | what an auditor may know of a state without a key, what changed, and what is wrong with it |
//! | [`leak`] | plaintext that must not be in a repository |
//! | [`allow`] | findings that people let be |
//! | [`proposal`] | what there is beyond the signed state |
//! | [`cipher`], [`identity`], [`recipient`] | age encryption and decryption |
//! | [`plugin`](mod@plugin) | keys that only an age plugin can use |
//! | [`key_file`], [`passphrase`] | private keys, where their owner keeps and how he protects them |
//!
//! and in which it is written:
//!
//! | room | what it makes |
//! | --- | --- |
//! | [`password`], [`certificate`], [`ssh`] | the secrets themselves, with their public facts |
//! | [`profile`] | which of them a machine gets |
//! | [`facts`] | what an auditor may know of each |
//! | [`standard`] | the secrets that `vaultgen init` puts into every Odoo vault |
//! | [`renewal`] | new values for what a vault has, and what follows from them |
//! | [`legacy`] | the vaults of Odoo Box, to be taken over |
//! | [`change`] | a new state on top of a verified one: encrypt, lock, sign |
//! | [`merge`] | two states that were made side by side, joined into one |
//! | [`transaction`] | moving that state into place, whole or not at all |
//! | [`progress`] | how far that has come, for who waits |
#![forbid(unsafe_code)]

pub mod allow;
pub mod ancestor;
pub mod audit;
pub mod certificate;
pub mod change;
pub mod cipher;
pub mod digest;
pub mod due;
pub mod facts;
pub mod files;
pub mod folder;
pub mod identity;
pub mod inspect;
pub mod key_file;
pub mod leak;
pub mod legacy;
pub mod lock;
pub mod merge;
pub mod name;
pub mod passphrase;
pub mod password;
pub mod plaintext;
pub mod plugin;
pub mod policy;
pub mod profile;
pub mod progress;
pub mod proposal;
pub mod recipient;
pub mod renewal;
pub mod report;
pub mod signature;
pub mod signers;
pub mod ssh;
pub mod stamp;
pub mod standard;
pub mod template;
pub mod timestamp;
pub mod transaction;
pub mod verify;
mod x25519;

pub use allow::AllowList;
pub use ancestor::Ancestor;
pub use change::Change;
pub use digest::Digest;
pub use due::due;
pub use files::VaultFiles;
pub use folder::VaultFolder;
pub use identity::Identities;
pub use inspect::inspect;
pub use lock::Lock;
pub use name::SecretName;
pub use plaintext::Plaintext;
pub use policy::Policy;
pub use proposal::Proposal;
pub use recipient::Recipient;
pub use timestamp::Timestamp;
pub use verify::{Verified, verify};

/// The policy's file name.
pub const POLICY_FILE: &str = "vault.toml";
/// The lock's file name.
pub const LOCK_FILE: &str = "vault.lock";
/// The file name of the signature over the lock.
pub const SIGNATURE_FILE: &str = "vault.lock.sig";
/// The file name of the vault's own copy of its signers.
pub const SIGNERS_FILE: &str = "allowed_signers";
/// The operator's age identity, where the operator works.
pub const IDENTITY_FILE: &str = "age.key";
/// Where a replaced identity is kept: it opens older states in Git.
pub const OLD_IDENTITY_FILE: &str = "age.key.old";
/// Where a new recovery identity lies, encrypted to a passphrase, until it is moved to a safe place. It
/// does not end in `.age`, since it is no secret of the vault.
pub const RECOVERY_FILE: &str = "recovery.key";
/// The operator's signing key, where the operator works.
pub const SIGNING_KEY_FILE: &str = "signing.key";
/// What an encrypted file's name ends with.
pub const CIPHERTEXT_SUFFIX: &str = ".age";
