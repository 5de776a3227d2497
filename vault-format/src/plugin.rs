//! Keys that only an age plugin can use (<https://c2sp.org/age-plugin>): a program `age-plugin-NAME`
//! that holds a hardware key, asks for a PIN, and the like.
//!
//! This crate reads and compares such keys, and checks what a plugin wrote into a header. It starts no
//! program: whoever wants that brings the [`Plugins`] and installs them. Nothing is installed in a daemon.

use std::{collections::HashSet, fmt, io, sync::OnceLock};

use age::{DecryptError, EncryptError};
pub use age_core::format::{FileKey, Stanza};
use age_core::primitives::bech32_decode;
use miette::Diagnostic;
use thiserror::Error;
use zeroize::Zeroizing;

use crate::{Recipient, cipher::Header};

const RECIPIENT_PREFIX: &str = "age1";
const IDENTITY_PREFIX: &str = "AGE-PLUGIN-";

static PLUGINS: OnceLock<Box<dyn Plugins>> = OnceLock::new();

/// Stanzas for a reader, and the labels that say beside whom they may stand.
pub type Wrapped = (Vec<Stanza>, HashSet<String>);

/// Somebody who starts plugins, and asks a person what they ask.
pub trait Plugins: Send + Sync {
    /// Wraps a file key for a recipient.
    ///
    /// # Errors
    ///
    /// If there is no such plugin, or it fails.
    fn wrap(&self, plugin: &str, recipient: &str, file_key: &FileKey) -> Result<Wrapped, PluginError>;

    /// Unwraps a file key with an identity. Nothing if no stanza is for it.
    ///
    /// # Errors
    ///
    /// If there is no such plugin, or it fails.
    fn unwrap(
        &self,
        plugin: &str,
        identity: &str,
        stanzas: &[Stanza],
    ) -> Result<Option<FileKey>, PluginError>;
}

/// Lets this process start plugins. The first call counts.
pub fn install(plugins: Box<dyn Plugins>) {
    let _ = PLUGINS.set(plugins);
}

fn installed(plugin: &str) -> Result<&'static dyn Plugins, PluginError> {
    PLUGINS.get().map(Box::as_ref).ok_or_else(|| PluginError::NotHere(program(plugin)))
}

/// The program of a plugin, to be looked for in `PATH`.
#[must_use]
pub fn program(plugin: &str) -> String {
    format!("age-plugin-{plugin}")
}

/// The name of the plugin that a recipient is for, if it is a well-formed one of any.
pub(crate) fn of_recipient(text: &str) -> Option<String> {
    let name = human_part(text)?.to_ascii_lowercase();
    name.strip_prefix(RECIPIENT_PREFIX).filter(|name| is_name(name)).map(str::to_owned)
}

/// The part of a Bech32 text before the data, if its checksum holds.
fn human_part(text: &str) -> Option<String> {
    bech32_decode(text, |_| (), |_| Ok(()), |part, _| Ok(part.as_str().to_owned())).ok()
}

/// The name becomes part of that of a program, so it must not lead anywhere.
fn is_name(name: &str) -> bool {
    let known = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.' | '_');
    !name.is_empty() && name.chars().all(known)
}

/// A recipient of a plugin, for the age crate.
pub(crate) struct PluginRecipient<'a> {
    pub plugin: String,
    pub recipient: &'a Recipient,
}

impl PluginRecipient<'_> {
    fn wrap(&self, file_key: &FileKey) -> Result<Wrapped, PluginError> {
        let wrapped = installed(&self.plugin)?.wrap(&self.plugin, self.recipient.as_str(), file_key)?;
        let program = || program(&self.plugin);
        if !wrapped.1.is_empty() {
            return Err(PluginError::Labels(program()));
        }
        if wrapped.0.is_empty() {
            let message = "it made no stanza".to_owned();
            return Err(PluginError::Failed { program: program(), message });
        }
        match wrapped.0.iter().find(|stanza| !Header::is_of_plugin(&stanza.tag)) {
            Some(stanza) => Err(PluginError::Stanza { program: program(), tag: stanza.tag.clone() }),
            None => Ok(wrapped),
        }
    }
}

impl age::Recipient for PluginRecipient<'_> {
    fn wrap_file_key(&self, file_key: &FileKey) -> Result<Wrapped, EncryptError> {
        self.wrap(file_key).map_err(|error| EncryptError::Io(io::Error::other(error)))
    }
}

/// An identity of a plugin: what it says is for the plugin alone, and may be a private key.
pub(crate) struct PluginIdentity {
    plugin: String,
    text: Zeroizing<String>,
}

impl PluginIdentity {
    /// Reads a line of a key file, if it is such an identity.
    ///
    /// # Errors
    ///
    /// If no plugin can be started here.
    pub fn parse(line: &str) -> Result<Option<Self>, PluginError> {
        let Some(part) = human_part(line).map(|part| part.to_ascii_uppercase()) else { return Ok(None) };
        let name = part.strip_prefix(IDENTITY_PREFIX).and_then(|name| name.strip_suffix('-'));
        let Some(plugin) = name.map(str::to_ascii_lowercase).filter(|name| is_name(name)) else {
            return Ok(None);
        };
        installed(&plugin)?;
        Ok(Some(Self { plugin, text: Zeroizing::new(line.to_owned()) }))
    }
}

impl age::Identity for PluginIdentity {
    fn unwrap_stanza(&self, stanza: &Stanza) -> Option<Result<FileKey, DecryptError>> {
        self.unwrap_stanzas(std::slice::from_ref(stanza))
    }

    fn unwrap_stanzas(&self, stanzas: &[Stanza]) -> Option<Result<FileKey, DecryptError>> {
        let unwrapped = installed(&self.plugin)
            .and_then(|plugins| plugins.unwrap(&self.plugin, &self.text, stanzas))
            .transpose()?;
        Some(unwrapped.map_err(|error| DecryptError::Io(io::Error::other(error))))
    }
}

/// Shows which plugin it is for only.
impl fmt::Debug for PluginIdentity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&program(&self.plugin))
    }
}

/// What went wrong with a plugin, as it came through the age crate.
pub(crate) fn fault(error: io::Error) -> Option<PluginError> {
    error.downcast().ok()
}

/// Why a plugin could not be used. No message shows any of an identity.
#[derive(Debug, Error, Diagnostic)]
pub enum PluginError {
    /// This process starts no programs.
    #[error("the key is one for {0}, and no plugins are started here")]
    #[diagnostic(help("use an age identity without a plugin (`age-keygen`) or an SSH key"))]
    NotHere(String),
    /// Not installed.
    #[error("there is no {0}, which the key takes")]
    #[diagnostic(help("install that age plugin, so that it is found in PATH"))]
    Missing(String),
    /// Found where anybody may have put it.
    #[error("{0} lies in a folder that PATH names relatively: whose program it is depends on where you are")]
    #[diagnostic(help("name folders in PATH from the root on, and leave out empty ones"))]
    Relative(String),
    /// `AGEDEBUG` would show everything.
    #[error("AGEDEBUG is set, and would show the key of each file on standard error")]
    #[diagnostic(help("`unset AGEDEBUG`"))]
    Debug,
    /// Something has to be answered.
    #[error("{0} asks something, and there is nobody to ask")]
    #[diagnostic(help("run it in a terminal, without --batch"))]
    NobodyToAsk(String),
    /// Its own words.
    #[error("{program}: {message}")]
    #[diagnostic(help(
        "make sure that what {program} works with is at hand: the token, its PIN, the right key"
    ))]
    Failed {
        /// The plugin.
        program: String,
        /// What it said.
        message: String,
    },
    /// A stanza of a type that is not a plugin's.
    #[error("{program} made a stanza of the type {}, which is not for plugins", tag.escape_debug())]
    #[diagnostic(help("nobody could tell whom the file is for; use another plugin"))]
    Stanza {
        /// The plugin.
        program: String,
        /// The type of the stanza.
        tag: String,
    },
    /// Must not stand beside others.
    #[error("{0} wants its recipients to stand beside none of another kind")]
    #[diagnostic(help("a vault may have readers of every kind; use another plugin"))]
    Labels(String),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_of_a_plugin_leads_nowhere() {
        let plugin = |text| of_recipient(text);
        assert_eq!(plugin("age1foo1qqqqqqqq7h0uur").as_deref(), Some("foo"));
        assert_eq!(plugin("AGE1FOO1QQQQQQQQ7H0UUR").as_deref(), Some("foo"));
        assert_eq!(plugin("age1a+b-c.d_e1qqqqqqqq52zhk6").as_deref(), Some("a+b-c.d_e"));
        for hostile in [
            "age11qqqqqqqqchkw27",
            "age1../../evil1qqqqqqqqe8ce68",
            "age1a/b1qqqqqqqq6afmff",
            "age1a b1qqqqqqqqxglkjt",
            "agent1foo1qqqqqqqqz3g8hq",
            "age1foo1qqqqqqqq7h0uuq",
        ] {
            assert_eq!(plugin(hostile), None, "{hostile}");
            assert!(hostile.parse::<Recipient>().is_err(), "{hostile}");
        }
    }

    #[test]
    fn an_identity_is_refused_where_no_plugin_is_started() {
        let refused = PluginIdentity::parse("AGE-PLUGIN-FOO-1QQQQQQQQ684JCD").unwrap_err();
        assert!(
            matches!(&refused, PluginError::NotHere(program) if program == "age-plugin-foo"),
            "{refused}"
        );
        for other in [
            "AGE-PLUGIN-../X-1QQQQQQQQGMXFLS",
            "AGE-PLUGIN--1QQQQQQQQLWAHPK",
            "AGE-PLUGIN-FOO1QQQQQQQQZ7Z9AF",
            "AGE-PLUGIN-FOO-1QQQQQQQQ684JCQ",
            "",
        ] {
            assert!(PluginIdentity::parse(other).unwrap().is_none(), "{other}");
        }
    }

    #[test]
    fn a_recipient_has_one_spelling_and_is_not_encrypted_to_here() {
        let upper: Recipient = "AGE1FOO1QQQQQQQQ7H0UUR".parse().unwrap();
        assert_eq!(upper.as_str(), "age1foo1qqqqqqqq7h0uur");
        assert!(upper.is_of_plugin() && upper.stanza_type().is_none());
        let refused = crate::cipher::encrypt(&crate::Plaintext::zeroed(1), [&upper]).unwrap_err();
        assert!(refused.to_string().contains("no plugins are started here"), "{refused}");
    }
}
