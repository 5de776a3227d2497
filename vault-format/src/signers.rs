//! `allowed_signers`: who may sign, in OpenSSH's format (ssh-keygen(1), ALLOWED SIGNERS).

use std::{collections::BTreeSet, fmt};

use miette::Diagnostic;
use ssh_key::PublicKey;
use thiserror::Error;

use crate::{signature::NAMESPACE, ssh};

/// One line of `allowed_signers`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signer {
    principal: String,
    key: PublicKey,
    validity: Validity,
}

/// The dates of a line, as `YYYYMMDD[HHMM[SS]][Z]`: for people and stock tools. Signatures carry no
/// trusted time, so for us an end date, whichever, means that the signer was removed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Validity {
    after: Option<String>,
    before: Option<String>,
}

/// The end date of a signer of whom only is known that it ended.
const LONG_AGO: &str = "19700101";

impl Signer {
    /// A signer of this vault.
    ///
    /// # Errors
    ///
    /// If the principal is empty or has a character that would end it or start an option.
    pub fn new(principal: &str, key: PublicKey) -> Result<Self, SignersError> {
        check_principal(principal).map_err(|why| SignersError { line: 1, why })?;
        Ok(Self { principal: principal.to_owned(), key, validity: Validity::default() })
    }

    /// The name to pass to `ssh-keygen -Y verify -I`.
    #[must_use]
    pub fn principal(&self) -> &str {
        &self.principal
    }

    /// The public key.
    #[must_use]
    pub fn key(&self) -> &PublicKey {
        &self.key
    }

    /// Whether both lines are of the same name and key, whatever their dates.
    fn is(&self, other: &Self) -> bool {
        self.principal == other.principal && self.key.key_data() == other.key.key_data()
    }

    /// Whether the line has an end date: a signer who was removed.
    #[must_use]
    pub fn ended(&self) -> bool {
        self.validity.before.is_some()
    }
}

/// A line as OpenSSH reads it.
impl fmt::Display for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = self.key.to_openssh().map_err(|_| fmt::Error)?;
        write!(f, "{} namespaces=\"{NAMESPACE}\"", self.principal)?;
        if let Some(date) = &self.validity.after {
            write!(f, ",valid-after=\"{date}\"")?;
        }
        if let Some(date) = &self.validity.before {
            write!(f, ",valid-before=\"{date}\"")?;
        }
        write!(f, " {key}")
    }
}

/// The signers of one `allowed_signers` file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AllowedSigners(Vec<Signer>);

impl AllowedSigners {
    /// Reads an `allowed_signers` file. Of the options only `namespaces`, `valid-after` and
    /// `valid-before` are known; a line for another namespace is left out.
    ///
    /// # Errors
    ///
    /// If a line is malformed or has another option, named by its number.
    pub fn parse(text: &str) -> Result<Self, SignersError> {
        let mut signers = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let parsed = parse_line(line).map_err(|why| SignersError { line: index + 1, why })?;
            signers.extend(parsed);
        }
        Ok(Self(signers))
    }

    /// The signer that `key` belongs to, if it may sign today.
    #[must_use]
    pub fn find(&self, key: &ssh_key::public::KeyData) -> Option<&Signer> {
        self.0.iter().find(|signer| !signer.ended() && signer.key.key_data() == key)
    }

    /// All signers of the file, also those with an end date.
    pub fn iter(&self) -> impl Iterator<Item = &Signer> {
        self.0.iter()
    }

    /// The same list with one signer more.
    #[must_use]
    pub fn with(mut self, signer: Signer) -> Self {
        self.0.push(signer);
        self
    }

    /// The same list in which the signers with this key have ended on `date` (`YYYYMMDD`, UTC).
    /// Their lines stay, so that stock tools can still name who signed an old state.
    #[must_use]
    pub fn ending(mut self, key: &ssh_key::public::KeyData, date: &str) -> Self {
        for signer in self.0.iter_mut().filter(|signer| signer.key.key_data() == key) {
            signer.validity.before.get_or_insert_with(|| date.to_owned());
        }
        self
    }

    /// This list and `theirs`, which both descend from `base`: whom one of them added comes in, and a key
    /// that one of them ended or took out may not sign, under whatever name.
    #[must_use]
    pub fn joined(self, base: &Self, theirs: &Self) -> Self {
        let new = theirs.0.iter().filter(|signer| !self.0.iter().any(|other| other.is(signer)));
        let mut joined: Vec<Signer> = self.0.iter().chain(new).cloned().collect();
        for signer in &mut joined {
            let key = signer.key.key_data();
            let removes = |side: &&Self| base.find(key).is_some() && side.find(key).is_none();
            let Some(side) = [&self, theirs].into_iter().find(removes) else { continue };
            let end = side.0.iter().find(|other| other.key.key_data() == key && other.ended());
            signer.validity.before = match end {
                Some(end) => end.validity.before.clone(),
                // Its line was taken out by hand: when is not known.
                None => signer.validity.before.take().or_else(|| Some(LONG_AGO.to_owned())),
            };
        }
        Self(joined)
    }

    /// The fingerprints of all signers, `SHA256:…`.
    #[must_use]
    pub fn fingerprints(&self) -> BTreeSet<String> {
        self.0.iter().map(|signer| ssh::fingerprint(&signer.key)).collect()
    }
}

/// The file, as OpenSSH reads it.
impl fmt::Display for AllowedSigners {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|signer| writeln!(f, "{signer}"))
    }
}

/// A line of `allowed_signers` that cannot be trusted.
#[derive(Debug, Error, Diagnostic)]
#[error("line {line} of the allowed signers: {why}")]
#[diagnostic(help("a line reads: NAME namespaces=\"odbox-vault\" ssh-ed25519 AAAA… COMMENT"))]
pub struct SignersError {
    line: usize,
    why: &'static str,
}

fn check_principal(principal: &str) -> Result<(), &'static str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-+@".contains(c);
    if principal.is_empty() || !principal.chars().all(plain) {
        return Err("a signer's name has ASCII letters, digits and . _ - + @ only");
    }
    Ok(())
}

/// One signer, or none where the line is for other namespaces only.
fn parse_line(line: &str) -> Result<Option<Signer>, &'static str> {
    let (principal, rest) = line.split_once([' ', '\t']).ok_or("it ends after the name")?;
    check_principal(principal)?;
    let rest = rest.trim_start();
    // The key's type cannot hold `=` or a quote, an option must: so a first word with neither
    // that is no known key type is refused by the key's own parser.
    let (options, key) = split_options(rest)?;
    let options = Options::parse(options)?;
    let key = PublicKey::from_openssh(key).map_err(|_| "it has no readable public key")?;
    Ok(options.for_vaults.then_some(Signer {
        principal: principal.to_owned(),
        key,
        validity: options.validity,
    }))
}

/// Splits `options key` at the first space outside quotes, where there are options.
fn split_options(text: &str) -> Result<(&str, &str), &'static str> {
    let mut quoted = false;
    let end = text.find(|c: char| {
        quoted ^= c == '"';
        !quoted && (c == ' ' || c == '\t')
    });
    let (first, rest) = text.split_at(end.ok_or("it has no public key")?);
    if first.contains(['=', '"']) || first == "cert-authority" {
        Ok((first, rest.trim_start()))
    } else {
        Ok(("", text))
    }
}

struct Options {
    for_vaults: bool,
    validity: Validity,
}

impl Options {
    fn parse(text: &str) -> Result<Self, &'static str> {
        let mut options = Self { for_vaults: true, validity: Validity::default() };
        let mut seen = BTreeSet::new();
        for option in split_quoted(text) {
            let (name, value) = option.split_once('=').ok_or("it has an option that is not known")?;
            if !seen.insert(name) {
                return Err("it has an option twice, which OpenSSH refuses");
            }
            let value = value
                .strip_prefix('"')
                .and_then(|value| value.strip_suffix('"'))
                .ok_or("the value of an option has no quotes")?;
            match name {
                "namespaces" => options.for_vaults = value.split(',').any(|namespace| namespace == NAMESPACE),
                "valid-before" => options.validity.before = Some(date(value)?),
                "valid-after" => options.validity.after = Some(date(value)?),
                _ => return Err("it has an option that is not known"),
            }
        }
        Ok(options)
    }
}

/// A date of ssh-keygen(1): 8, 12 or 14 digits, with or without a final Z.
fn date(text: &str) -> Result<String, &'static str> {
    let digits = text.strip_suffix('Z').unwrap_or(text);
    if [8, 12, 14].contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(text.to_owned());
    }
    Err("a date is written YYYYMMDD or YYYYMMDDHHMM[SS]")
}

/// Splits at commas outside quotes.
fn split_quoted(text: &str) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    text.split(move |c: char| {
        quoted ^= c == '"';
        c == ',' && !quoted
    })
    .filter(|part| !part.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAILM+rvN+ot98qgEN796jTiQfZfG1KaT0PtFDJ/XFSqti";

    fn parse(line: &str) -> Result<AllowedSigners, SignersError> {
        AllowedSigners::parse(line)
    }

    #[test]
    fn reads_what_it_writes() {
        let key = PublicKey::from_openssh(KEY).unwrap();
        let signer = Signer::new("alice@example.org", key).unwrap();
        assert_eq!(parse(&signer.to_string()).unwrap().0, [signer]);
    }

    #[test]
    fn options_are_understood_or_refused() {
        let signers = parse(&format!(
            "# people\n\nalice {KEY}\nbob namespaces=\"git,odbox-vault\",valid-before=\"20270101\" {KEY} bob\n"
        ))
        .unwrap();
        assert_eq!(signers.0.len(), 2);
        assert!(!signers.0[0].ended());
        assert!(signers.0[1].ended());
        assert!(parse(&format!("alice namespaces=\"git\" {KEY}")).unwrap().0.is_empty());
        for line in [
            format!("alice cert-authority {KEY}"),
            format!("alice namespaces=\"git\",namespaces=\"odbox-vault\" {KEY}"),
            format!("alice verify-required=\"yes\" {KEY}"),
            format!("alice namespaces=odbox-vault {KEY}"),
            format!("* {KEY}"),
            "alice".to_owned(),
            "alice ssh-ed25519".to_owned(),
            "alice ssh-ed25519 AAAA".to_owned(),
        ] {
            assert!(parse(&line).is_err(), "{line} was taken");
        }
    }

    #[test]
    fn a_signer_with_an_end_date_may_not_sign() {
        let signers = parse(&format!("bob valid-before=\"20990101\" {KEY}")).unwrap();
        let key = PublicKey::from_openssh(KEY).unwrap();
        assert!(signers.find(key.key_data()).is_none());
    }
}
