//! What can be wrong with a vault or its repository: each with a stable code, a severity and a remedy.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use super::Grade;
use crate::SecretName;

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// Worth a look.
    Low,
    /// To be planned.
    Medium,
    /// To be done now.
    High,
    /// A secret is known, or the vault cannot be believed.
    Critical,
}

impl Severity {
    /// All of them, the worst last.
    pub const ALL: [Self; 4] = [Self::Low, Self::Medium, Self::High, Self::Critical];

    /// As it is written.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

impl FromStr for Severity {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|severity| severity.word() == text).ok_or("low, medium, high or critical")
    }
}

/// One place where something is wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// What is wrong. It never changes its meaning.
    pub code: Code,
    /// How bad it is.
    pub severity: Severity,
    /// How far it can be believed.
    pub grade: Grade,
    /// Where.
    pub place: Place,
    /// The secret that it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret: Option<SecretName>,
    /// What is wrong there, in a sentence.
    pub reason: String,
    /// What to do.
    pub remedy: &'static str,
}

/// Where something is wrong.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Place {
    /// The file's path in the repository, whatever cannot be shown escaped.
    pub path: String,
    /// The line, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// The commit that brought it; nothing where it is so now.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub commit: Option<String>,
}

impl Finding {
    /// A finding of this code at its usual severity.
    #[must_use]
    pub fn new(code: Code, grade: Grade, place: Place, reason: impl Into<String>) -> Self {
        Self {
            code,
            severity: code.severity(),
            grade,
            place,
            secret: None,
            reason: reason.into(),
            remedy: code.remedy(),
        }
    }

    /// The same, about a secret.
    #[must_use]
    pub fn about(mut self, secret: &SecretName) -> Self {
        self.secret = Some(secret.clone());
        self
    }

    /// The same, at another severity.
    #[must_use]
    pub fn at(mut self, severity: Severity) -> Self {
        self.severity = severity;
        self
    }
}

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $variant:ident = $word:literal, $severity:ident, $remedy:literal;)+) => {
        /// What can be wrong.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Code {
            $($(#[doc = $doc])+ #[serde(rename = $word)] $variant,)+
        }

        impl Code {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// As it is written; it never changes.
            #[must_use]
            pub fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }

            /// How bad it usually is.
            #[must_use]
            pub fn severity(self) -> Severity {
                match self { $(Self::$variant => Severity::$severity),+ }
            }

            /// What to do about it.
            #[must_use]
            pub fn remedy(self) -> &'static str {
                match self { $(Self::$variant => $remedy),+ }
            }

            /// What it is, in a sentence.
            #[must_use]
            pub fn title(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),+).trim_ascii()),+ }
            }
        }
    };
}

codes! {
    /// A private key in plain text.
    PrivateKey = "plaintext-private-key", Critical,
        "replace the key everywhere: who has a clone has it; then take it out, from the history too if that is worth it";
    /// An age identity in plain text.
    AgeIdentity = "plaintext-age-identity", Critical,
        "remove its recipient with `vaultgen recipients remove`, and rotate everything that it could open";
    /// The crypt(3) hash of a password in plain text.
    PasswordHash = "plaintext-password-hash", High,
        "change the password: a hash can be guessed at by whoever has a clone; keep hashes in the vault";
    /// A file that `.gitignore` of a vault keeps out was committed all the same.
    IgnoredFile = "ignored-file-committed", Critical,
        "treat the key as known: replace it, then `git rm --cached` the file";
    /// A file in the vault's folder that is no part of the vault.
    UnlistedFile = "unlisted-file", Low,
        "remove it, or add it as a secret with `vaultgen add`";
    /// A file beside its own ciphertext.
    PlaintextBeside = "plaintext-beside-ciphertext", High,
        "treat the value as known: rotate it with `vaultgen rotate`, and remove the file";
    /// A file is not the one that was signed.
    NotAsSigned = "file-not-as-signed", Critical,
        "bring it back from the commit that was signed; if the change is meant, `vaultgen sign` shows what it means";
    /// A file of the vault is missing.
    Missing = "file-missing", High,
        "bring it back from the commit that was signed";
    /// Ciphertext or a template that nobody signed.
    UnsignedFile = "unsigned-file", High,
        "remove it, or look at it and sign it with `vaultgen sign`";
    /// The state has no signature.
    Unsigned = "unsigned-state", High,
        "sign it with `vaultgen sign`, after looking at what it means";
    /// The signature is not one over this lock.
    WrongSignature = "wrong-signature", Critical,
        "find out who changed vault.lock or vault.lock.sig; bring both back from the last sound state";
    /// The state is signed by a key that is no signer's.
    UntrustedSigner = "untrusted-signer", Critical,
        "find out whose key it is; if it is a signer's, add it to the list that you trust, else bring back the last sound state";
    /// The signer is trusted only because this repository says so.
    TrustAnchoredHere = "trust-anchored-here", Low,
        "pass --allowed-signers with a list that does not come from this repository";
    /// The policy, the lock or another public file of the vault cannot be read.
    Unreadable = "vault-unreadable", High,
        "run `vaultgen verify` on it, which says what is wrong and where";
    /// A file of the vault that ends in .age is not an age file.
    NotAge = "not-an-age-file", High,
        "bring back the file that was signed; if it is plaintext, treat the value as known";
    /// A link or a special file in the vault's folder.
    NotPlain = "not-a-plain-file", High,
        "remove it: a vault holds plain files and folders only";
    /// A file is encrypted to others than the policy or the lock says.
    RecipientsDiffer = "recipients-differ", High,
        "encrypt it anew with `vaultgen sign`, and find out who signed this state";
    /// A template shows more than its audience or its services may see.
    TemplateTooWide = "template-too-wide", High,
        "narrow the template's audience or services to those of the secrets that it shows";
    /// The serial number did not grow with a change.
    SerialDoesNotGrow = "serial-does-not-grow", High,
        "an older state was brought back: make it a new one with `vaultgen revert`";
    /// A state does not descend from the one before it.
    PredecessorMissing = "predecessor-missing", High,
        "find out where the state comes from; machines that accepted the one before refuse it";
    /// Two states with the same serial number of which neither descends from the other.
    Fork = "fork", High,
        "join them with `vaultgen merge`; machines accept only what descends from what they have";
    /// Another vault lies in the place of this one.
    AnotherVault = "another-vault", Critical,
        "find out who replaced it; a new vault belongs into another folder";
    /// A state of the past was not sound.
    BrokenInHistory = "broken-in-history", Low,
        "nothing to do if the next state is sound and you know why; machines refused it";
    /// A vault in the layout of Odoo Box: nobody signed it.
    Legacy = "legacy-layout", Medium,
        "take it over with `vaultgen adopt`";
    /// Keys that were removed still know the present value.
    Exposed = "known-to-removed-key", High,
        "change the value at its source, and `vaultgen rotate` it";
    /// A machine can decrypt what none of its services needs.
    AudienceTooWide = "audience-wider-than-needed", Medium,
        "take the machine out with `vaultgen revoke`, and rotate the value if it left people's hands";
    /// No key is kept offline for the day on which all others are lost.
    NoRecovery = "no-recovery-recipient", Medium,
        "run `vaultgen init`, which offers a recovery identity, and keep that offline";
    /// A secret that the recovery key does not open.
    NotRecoverable = "secret-without-recovery", Low,
        "grant it to the recovery group with `vaultgen grant`, unless it can be made anew";
    /// A password hash that is cheap to guess at.
    WeakHash = "weak-hash", Medium,
        "make it anew with `vaultgen password`, which writes yescrypt and sha512crypt at a high cost";
    /// A key that is too short for today.
    WeakKey = "weak-key", High,
        "replace it with P-256, Ed25519 or RSA of 3072 bits or more";
    /// A certificate that is not valid any more.
    CertificateExpired = "certificate-expired", High,
        "make a new one with `vaultgen certs` or `vaultgen import`";
    /// A certificate that ends within 30 days.
    CertificateExpires = "certificate-expires-soon", Medium,
        "make a new one with `vaultgen certs` or `vaultgen import`";
    /// A secret whose end date has come.
    SecretExpired = "secret-expired", High,
        "make or ask for a new value, and `vaultgen rotate` it";
    /// A secret that ends within 30 days.
    SecretExpires = "secret-expires-soon", Medium,
        "make or ask for a new value, and `vaultgen rotate` it";
    /// A value that has been in use for longer than the policy lets it.
    RotationOverdue = "rotation-overdue", Medium,
        "change it with `vaultgen rotate --due`";
    /// A value that has not been changed for a year, and no rule says when it is to be.
    RotationLongAgo = "rotation-long-ago", Low,
        "rotate it, or write rotate-after into its table";
    /// A secret that the policy has no table for.
    NoPolicy = "secret-without-policy", Low,
        "write a table for it into vault.toml: the defaults may not be what it needs";
    /// A table or a view of the policy whose secret does not exist.
    NoSecret = "policy-without-secret", Medium,
        "remove the table, or add the secret";
    /// Others than the owner may read a secret where it is served.
    ModeTooWide = "mode-wider-than-owner", Low,
        "write mode = \"0400\", or name the services that may open it";
    /// A key of the snake-oil vault, whose private keys are public.
    SnakeOil = "snakeoil-key", Critical,
        "make a vault of your own with `vaultgen init`; the snake-oil vault is for the dev VM alone";
    /// A file that was not looked into.
    NotLookedInto = "file-not-looked-into", Low,
        "look at it yourself: it is too large, or its object is missing";
    /// A clone without its whole history.
    Shallow = "history-incomplete", Low,
        "fetch all of it: `git fetch --unshallow`";
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{Code, Severity};

    #[test]
    fn every_code_has_a_word_of_its_own_and_is_explained() {
        let words: BTreeSet<&str> = Code::ALL.iter().map(|code| code.word()).collect();
        assert_eq!(words.len(), Code::ALL.len());
        for code in Code::ALL {
            assert!(code.title().ends_with('.') && !code.remedy().ends_with('.'), "{code}");
            assert_eq!(serde_json::to_string(code).unwrap(), format!("\"{code}\""));
        }
    }

    #[test]
    fn severities_are_in_order() {
        assert!(Severity::ALL.is_sorted() && "high".parse() == Ok(Severity::High));
        assert!("worst".parse::<Severity>().is_err());
    }
}
