//! Why a change was not made.

use miette::Diagnostic;
use thiserror::Error;

use crate::{
    SecretName, cipher::CipherError, facts::FactsError, folder::FolderError, lock::LockError,
    policy::PolicyError, proposal::Difference, signature::SignatureError, signers::SignersError,
    template::FilterError, verify::Unsound,
};

/// Why a change was not made. The vault is what it was before.
#[derive(Debug, Error, Diagnostic)]
pub enum ChangeError {
    /// The verified policy could not be edited.
    #[error("vault.toml cannot be edited")]
    Editor,
    /// The new policy is wrong.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Policy(#[from] PolicyError),
    /// The new signers are wrong.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Signers(#[from] SignersError),
    /// The new state contradicts itself.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Unsound(#[from] Unsound),
    /// A secret cannot be decrypted or encrypted.
    #[error("{name}: {error}")]
    Cipher {
        /// The secret.
        name: SecretName,
        /// Why.
        #[diagnostic_source]
        error: CipherError,
    },
    /// Not what its kind says.
    #[error("{name}: {error}")]
    Kind {
        /// The secret.
        name: SecretName,
        /// Why.
        #[diagnostic_source]
        error: FactsError,
    },
    /// A new value that a template cannot show: no machine would serve the new state.
    #[error("the template {template} cannot show the new value of {name}: {error}")]
    #[diagnostic(help(
        "give it a value without that, or use another filter in the template's source, where its reader knows one"
    ))]
    Template {
        /// The template.
        template: SecretName,
        /// The secret.
        name: SecretName,
        /// What is in the way.
        error: FilterError,
    },
    /// Not the ciphertext that was signed.
    #[error("{0} is not the secret that the lock names")]
    #[diagnostic(help(
        "another program changed it just now, or the revision that it comes from was tampered with: look with `vaultgen verify` and `git log`"
    ))]
    Changed(SecretName),
    /// A difference from the signed state that this change is not about.
    #[error("not as it was signed: {0}")]
    #[diagnostic(help("look with `vaultgen verify`; `vaultgen sign` shows what it means"))]
    Unsigned(Difference),
    /// Encrypting anew needs a signature.
    #[error("encrypting a secret anew cannot be proposed: only a signer can say that it counts")]
    #[diagnostic(help("leave out --no-sign, and sign with a signer's key"))]
    NothingToPropose,
    /// Nobody would accept the signature.
    #[error("the signing key {0} is none of this vault's signers")]
    #[diagnostic(help(
        "sign with a signer's key (--sign-key FILE), or have a signer add yours: `vaultgen signers add`"
    ))]
    NotASigner(String),
    /// The lock cannot be written.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Lock(#[from] LockError),
    /// The lock cannot be signed.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Signature(#[from] SignatureError),
    /// The files cannot be written.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Folder(#[from] FolderError),
}
