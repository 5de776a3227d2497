//! Rendering templates: the values that they show are decrypted, written into the text and wiped. How long the
//! text is, nobody knows before.

use std::collections::BTreeMap;
use std::ops::Range;

use rayon::prelude::*;
use vault_format::template::Template;
use vault_format::{Identities, Plaintext, SecretName, cipher};

use super::{DecryptError, DecryptFailure, Inputs, RenderFailure, failure};
use crate::verifier::{Origin, PlannedFile};

/// What is to be a file of the generation.
pub(super) enum Source<'a> {
    /// One ciphertext.
    Ciphertext(&'a [u8]),
    /// A template as it reads with its values.
    Rendered(Plaintext),
    /// A template that the generation before has: so many bytes.
    Kept(usize),
}

impl Source<'_> {
    /// Exact length of the file in bytes.
    pub fn size(&self) -> Result<usize, cipher::CipherError> {
        match self {
            Self::Ciphertext(ciphertext) => cipher::plaintext_len(ciphertext),
            Self::Rendered(text) => Ok(text.expose().len()),
            Self::Kept(size) => Ok(*size),
        }
    }

    /// Writes the file into exactly as many bytes.
    pub fn fill(&self, identities: &Identities, buffer: &mut [u8]) -> Result<(), cipher::CipherError> {
        match self {
            Self::Ciphertext(ciphertext) => cipher::decrypt_into(ciphertext, identities, buffer),
            Self::Rendered(text) => {
                buffer.copy_from_slice(text.expose());
                Ok(())
            }
            // It is copied before anybody asks here.
            Self::Kept(_) => Err(cipher::CipherError::Truncated),
        }
    }
}

/// Finds what each file is made of, in their order, and renders what is rendered.
///
/// # Errors
/// Every value that cannot be decrypted, or else every template that cannot be rendered.
pub(super) fn sources<'a>(
    inputs: &'a Inputs,
    files: &[&PlannedFile],
    identities: &Identities,
) -> Result<Vec<Source<'a>>, DecryptError> {
    let is_template = |file: &&PlannedFile| matches!(file.origin, Origin::Template { .. });
    // Without a template there is nothing to be found in the generation before.
    let before = inputs.before.as_ref().filter(|_| files.iter().any(is_template));
    let had = before.map(|before| before.index().contents()).unwrap_or_default();
    let (mut undecrypted, mut unrendered) = (Vec::new(), Vec::new());
    let mut sources = Vec::with_capacity(files.len());
    let outcomes: Vec<_> = files
        .par_iter()
        .map(|file| match &file.origin {
            Origin::Ciphertext(span) => Ok(Source::Ciphertext(inputs.ciphertext(span))),
            Origin::Template { template, values } => match had.get(&file.digest) {
                Some(content) => Ok(Source::Kept(content.span.len())),
                None => render(inputs, &file.path, template, values, identities).map(Source::Rendered),
            },
        })
        .collect();
    for outcome in outcomes {
        match outcome {
            Ok(source) => sources.push(source),
            Err(Failure::Decrypt(failures)) => undecrypted.extend(failures),
            Err(Failure::Render(failure)) => unrendered.push(failure),
        }
    }
    match (undecrypted.is_empty(), unrendered.is_empty()) {
        (false, _) => Err(DecryptError::Decrypt { failures: undecrypted }),
        (_, false) => Err(DecryptError::Render { failures: unrendered }),
        _ => Ok(sources),
    }
}

/// Why a template is not there.
enum Failure {
    Decrypt(Vec<DecryptFailure>),
    Render(RenderFailure),
}

fn render(
    inputs: &Inputs,
    path: &SecretName,
    template: &Template,
    values: &BTreeMap<SecretName, Range<u64>>,
    identities: &Identities,
) -> Result<Plaintext, Failure> {
    let (mut plaintexts, mut failures) = (BTreeMap::new(), Vec::new());
    for (name, span) in values {
        match cipher::decrypt(inputs.ciphertext(span), identities) {
            Ok(plaintext) => {
                plaintexts.insert(name.clone(), plaintext);
            }
            Err(error) => failures.push(failure(name, error)),
        }
    }
    if !failures.is_empty() {
        return Err(Failure::Decrypt(failures));
    }
    let rendered = template.render(&plaintexts);
    rendered.map_err(|error| Failure::Render(RenderFailure { template: path.clone(), error }))
}
