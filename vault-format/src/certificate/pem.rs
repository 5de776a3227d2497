//! Files of PEM blocks (RFC 7468), read strictly: there is nothing but blocks.

use miette::Diagnostic;
use pem_rfc7468::{Decoder, LineEnding};
use thiserror::Error;
use zeroize::Zeroizing;

use crate::Plaintext;

/// The label of certificates.
pub(super) const CERTIFICATE: &str = "CERTIFICATE";
const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";

/// One block of a file.
#[derive(Clone, Copy)]
pub(super) struct Block<'a> {
    /// What it says it is, such as `CERTIFICATE`.
    pub label: &'a str,
    text: &'a str,
}

impl Block<'_> {
    /// The bytes in it.
    pub fn decode(&self) -> Result<Zeroizing<Vec<u8>>, PemError> {
        // The lines of a block are equally long, but not everybody writes the 64 of RFC 7468.
        let width = self.text.lines().nth(1).map_or(0, str::len);
        let mut decoder =
            Decoder::new_wrapped(self.text.as_bytes(), width).map_err(|_| PemError::Malformed)?;
        let mut bytes = Zeroizing::new(vec![0; decoder.remaining_len()]);
        decoder.decode(&mut bytes).map_err(|_| PemError::Malformed)?;
        Ok(bytes)
    }
}

/// All blocks of a file.
pub(super) fn blocks(file: &Plaintext) -> Result<Vec<Block<'_>>, PemError> {
    let mut rest = file.expose_str().ok_or(PemError::NotPem)?.trim_start();
    let mut blocks = Vec::new();
    while !rest.is_empty() {
        let after = rest.strip_prefix(BEGIN);
        let (label, _) = after.and_then(|after| after.split_once(DASHES)).ok_or(match blocks.len() {
            0 => PemError::NotPem,
            _ => PemError::Junk,
        })?;
        let end = format!("{END}{label}{DASHES}");
        let length = rest.find(&end).ok_or(PemError::Malformed)? + end.len();
        let (text, left) = rest.split_at(length);
        // The second is how OpenSSL wrote keys before PKCS#8 (RFC 1421).
        if label.starts_with("ENCRYPTED ") || text.contains("\nProc-Type: 4,ENCRYPTED") {
            return Err(PemError::Encrypted);
        }
        blocks.push(Block { label, text });
        rest = left.trim_start();
    }
    if blocks.is_empty() { Err(PemError::NotPem) } else { Ok(blocks) }
}

/// Bytes as one block, with lines as RFC 7468 has them.
pub(super) fn encode(label: &str, bytes: &[u8]) -> Result<Zeroizing<String>, PemError> {
    let encoded = pem_rfc7468::encode_string(label, LineEnding::LF, bytes);
    encoded.map(Zeroizing::new).map_err(|_| PemError::Malformed)
}

/// Why a file is no PEM. No message shows any of it.
#[derive(Clone, Copy, Debug, Error, Diagnostic, PartialEq, Eq)]
pub enum PemError {
    /// Something else.
    #[error("it is not a PEM file")]
    #[diagnostic(help(
        "it starts with -----BEGIN; turn a certificate in DER into PEM with `openssl x509 -inform der`, a bundle in PKCS#7 with `openssl pkcs7 -inform der -print_certs | grep -v ^[si]`"
    ))]
    NotPem,
    /// Between or after the blocks.
    #[error("there is something before, between or after its PEM blocks")]
    #[diagnostic(help("leave nothing in it but the lines from each -----BEGIN to its -----END"))]
    Junk,
    /// Not as RFC 7468 has it.
    #[error("a PEM block in it is damaged")]
    #[diagnostic(help("take the file from its source again, and look at it with `openssl`"))]
    Malformed,
    /// Under a passphrase.
    #[error("the private key is encrypted")]
    #[diagnostic(help(
        "let OpenSSL ask for its passphrase: `openssl pkey -in KEY | vaultgen import CERT -`"
    ))]
    Encrypted,
}
