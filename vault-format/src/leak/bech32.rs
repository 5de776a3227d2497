//! age identities: bech32 texts, whose checksum tells them from examples.

use age_core::primitives::bech32_decode;

use super::{Judged, Secret};

/// Longest identity in bytes. Those of plugins hold what the plugin likes; some have a few hundred.
const LONGEST: usize = 8 * 1024;
const PLUGIN: &str = "AGE-PLUGIN-";

/// Judges the word at `at`.
pub(super) fn identity(text: &[u8], at: usize) -> Judged {
    let part = |byte: &&u8| byte.is_ascii_alphanumeric() || b"-+._".contains(byte);
    let len = text[at..].iter().take_while(part).count();
    let word = &text[at..at + len];
    // A full stop or a dash may follow.
    let kept = word.iter().rposition(u8::is_ascii_alphanumeric).map_or(0, |last| last + 1);
    let what = std::str::from_utf8(&word[..kept]).ok().filter(|word| word.len() <= LONGEST).and_then(secret);
    Judged { what, end: at + len }
}

fn secret(word: &str) -> Option<Secret> {
    // A name alone, with nothing behind it, is none.
    let is_empty = bech32_decode(word, drop, |_| Ok(()), |_, mut data| Ok(data.next().is_none())).ok()?;
    let is_plugin = word.get(..PLUGIN.len())?.eq_ignore_ascii_case(PLUGIN);
    let what = if is_plugin { Secret::AgePluginIdentity } else { Secret::AgeIdentity };
    (!is_empty).then_some(what)
}
