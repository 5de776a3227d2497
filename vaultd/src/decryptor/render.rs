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
    /// What the generation before has: so many bytes.
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
    let had = inputs.before.as_ref().map(|before| before.index().contents()).unwrap_or_default();
    let (mut undecrypted, mut unrendered) = (Vec::new(), Vec::new());
    let mut sources = Vec::with_capacity(files.len());
    let outcomes: Vec<_> = files
        .par_iter()
        .map(|file| match (had.get(&file.digest), &file.origin) {
            (Some(content), _) => Ok(Source::Kept(content.span.len())),
            (None, Origin::Ciphertext(span)) => {
                Ok(Source::Ciphertext(inputs.ciphertext(span.as_ref()).map_err(Failure::Other)?))
            }
            (None, Origin::Template { template, values }) => {
                render(inputs, &file.path, template, values, identities).map(Source::Rendered)
            }
        })
        .collect();
    for outcome in outcomes {
        match outcome {
            Ok(source) => sources.push(source),
            Err(Failure::Decrypt(failures)) => undecrypted.extend(failures),
            Err(Failure::Render(failure)) => unrendered.push(failure),
            Err(Failure::Other(error)) => return Err(error),
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
    Other(DecryptError),
}

fn render(
    inputs: &Inputs,
    path: &SecretName,
    template: &Template,
    values: &BTreeMap<SecretName, Option<Range<u64>>>,
    identities: &Identities,
) -> Result<Plaintext, Failure> {
    let (mut plaintexts, mut failures) = (BTreeMap::new(), Vec::new());
    for (name, span) in values {
        let ciphertext = inputs.ciphertext(span.as_ref()).map_err(Failure::Other)?;
        match cipher::decrypt(ciphertext, identities) {
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
