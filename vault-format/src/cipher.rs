//! age v1 files (<https://c2sp.org/age>): made, measured, opened, and opened to more readers.

mod header;
mod readers;

use std::io::{self, BufRead, Read, Write};

use age::{
    armor::{ArmoredReader, ArmoredWriter, Format},
    secrecy::SecretString,
    stream::StreamReader,
};
use miette::Diagnostic;
use thiserror::Error;

pub use self::{header::Header, readers::add_recipients};
use crate::{
    Identities, Plaintext, Recipient,
    plugin::{self, PluginError},
};

/// Most bytes that the header of a vault's age file may have. Trying an identity costs time in
/// proportion to the header, so a hostile header must stay small.
pub const MAX_HEADER: usize = 128 * 1024;
/// Most bytes of plaintext that one secret may have: 1 GiB.
pub const MAX_PLAINTEXT: usize = 1 << 30;
/// Most recipients that one secret may have: so many X25519 stanzas of 98 bytes each, with
/// grease, fit into [`MAX_HEADER`].
pub const MAX_RECIPIENTS: usize = 1_000;
/// Most bytes of an age file that [`plaintext_len`] takes.
pub const MAX_CIPHERTEXT: usize = MAX_HEADER + NONCE + MAX_PLAINTEXT + MAX_PLAINTEXT.div_ceil(CHUNK) * TAG;

pub(crate) const VERSION_LINE: &[u8] = b"age-encryption.org/v1\n";
/// Work factor of scrypt for files that we encrypt to a passphrase: 2^18, about a second and
/// 256 MiB.
const SCRYPT_LOG_N: u8 = 18;
/// Highest work factor of scrypt that we spend on a file: 2^20, 1 GiB.
pub const MAX_SCRYPT_LOG_N: u8 = 20;
const NONCE: usize = 16;
/// STREAM splits the payload into chunks of 64 KiB, each with a tag of 16 bytes.
const CHUNK: usize = 64 * 1024;
const TAG: usize = 16;

/// Encrypts to all `recipients`; whichever of them can open it.
///
/// # Errors
///
/// If there is no recipient or more than [`MAX_RECIPIENTS`], one of them is not a key that can be
/// encrypted to, or the plaintext is longer than [`MAX_PLAINTEXT`]: nobody could read it again.
pub fn encrypt<'a>(
    plaintext: &Plaintext,
    recipients: impl IntoIterator<Item = &'a Recipient>,
) -> Result<Vec<u8>, CipherError> {
    let keys = recipients
        .into_iter()
        .map(|recipient| recipient.age_recipient().map_err(|_| CipherError::Recipient(recipient.clone())))
        .collect::<Result<Vec<_>, _>>()?;
    if keys.len() > MAX_RECIPIENTS {
        return Err(CipherError::TooManyRecipients);
    }
    if plaintext.expose().len() > MAX_PLAINTEXT {
        return Err(CipherError::TooLong);
    }
    let encryptor =
        age::Encryptor::with_recipients(keys.iter().map(|key| key.as_ref() as &dyn age::Recipient))
            .map_err(|error| CipherError::of_wrapping(error).unwrap_or(CipherError::NoRecipient))?;
    let mut ciphertext = Vec::new();
    // Writing to memory cannot fail.
    let written = encryptor.wrap_output(&mut ciphertext).and_then(|mut writer| {
        writer.write_all(plaintext.expose())?;
        writer.finish()
    });
    written.map_err(|_| CipherError::NoRecipient)?;
    // Stanzas of RSA keys are longer.
    Header::parse(&ciphertext).map_err(|_| CipherError::TooManyRecipients)?;
    Ok(ciphertext)
}

/// The exact length of the plaintext in an age file, from its ciphertext alone.
///
/// # Errors
///
/// If this is no whole age v1 file, or the plaintext is longer than [`MAX_PLAINTEXT`].
pub fn plaintext_len(file: &[u8]) -> Result<usize, CipherError> {
    payload_len(file, &Header::parse(file)?)
}

fn payload_len(file: &[u8], header: &Header) -> Result<usize, CipherError> {
    let payload = file
        .len()
        .checked_sub(header.len + NONCE)
        .filter(|&payload| payload >= TAG)
        .ok_or(CipherError::Truncated)?;
    let chunks = payload.div_ceil(CHUNK + TAG);
    let len = payload.checked_sub(chunks * TAG).ok_or(CipherError::Truncated)?;
    if len > MAX_PLAINTEXT {
        return Err(CipherError::TooLong);
    }
    Ok(len)
}

/// Decrypts an age file.
///
/// # Errors
///
/// As [`decrypt_into`], and [`plaintext_len`].
pub fn decrypt(file: &[u8], identities: &Identities) -> Result<Plaintext, CipherError> {
    let mut plaintext = Plaintext::zeroed(plaintext_len(file)?);
    decrypt_into(file, identities, plaintext.expose_mut())?;
    Ok(plaintext)
}

/// Decrypts an age file into a buffer of exactly [`plaintext_len`] bytes. On an error the buffer
/// holds nothing that may be used.
///
/// # Errors
///
/// If no identity fits, the file is damaged anywhere up to its last byte, its header is longer
/// than [`MAX_HEADER`], or the buffer has another length.
pub fn decrypt_into(file: &[u8], identities: &Identities, buffer: &mut [u8]) -> Result<(), CipherError> {
    let header = Header::parse(file)?;
    if payload_len(file, &header)? != buffer.len() {
        return Err(CipherError::Truncated);
    }
    let mut reader = open(file, &header, identities)?;
    reader.read_exact(buffer).map_err(|_| CipherError::Damaged)?;
    // The last chunk is authenticated as the last only by reading on to the end.
    match reader.read(&mut [0; 1]) {
        Ok(0) => Ok(()),
        _ => Err(CipherError::Damaged),
    }
}

/// Whether an age file is encrypted to one of the identities, as its header proves. Nothing of the
/// plaintext is looked at.
///
/// # Errors
///
/// If this is no whole age file.
pub fn opens(file: &[u8], identities: &Identities) -> Result<bool, CipherError> {
    let header = Header::parse(file)?;
    payload_len(file, &header)?;
    match open(file, &header, identities) {
        Err(CipherError::NoMatchingIdentity | CipherError::Passphrase) => Ok(false),
        opened => opened.map(|_| true),
    }
}

/// Opens an age file, its header authenticated. Of its payload each chunk is authenticated as it is
/// read, and the end by reading on to it.
fn open<'a>(
    file: &'a [u8],
    header: &Header,
    identities: &dyn age::Identity,
) -> Result<StreamReader<HeaderAtOnce<'a>>, CipherError> {
    let decryptor =
        age::Decryptor::new_buffered(HeaderAtOnce::new(file, header.len)).map_err(|_| CipherError::Header)?;
    if decryptor.is_scrypt() {
        return Err(CipherError::Passphrase);
    }
    decryptor.decrypt(std::iter::once(identities)).map_err(|error| match error {
        age::DecryptError::NoMatchingKeys => CipherError::NoMatchingIdentity,
        age::DecryptError::InvalidHeader => CipherError::Header,
        age::DecryptError::Io(error) => {
            plugin::fault(error).map_or(CipherError::Damaged, CipherError::Plugin)
        }
        _ => CipherError::Damaged,
    })
}

/// Encrypts to a passphrase, in text armour: for an identity that is kept offline.
///
/// # Errors
///
/// None in practice: writing to memory cannot fail.
pub fn encrypt_with_passphrase(
    plaintext: &Plaintext,
    passphrase: SecretString,
) -> Result<Vec<u8>, CipherError> {
    let mut recipient = age::scrypt::Recipient::new(passphrase);
    recipient.set_work_factor(SCRYPT_LOG_N);
    let recipients = std::iter::once(&recipient as &dyn age::Recipient);
    let encryptor = age::Encryptor::with_recipients(recipients).map_err(|_| CipherError::NoRecipient)?;
    let mut file = Vec::new();
    let written = ArmoredWriter::wrap_output(&mut file, Format::AsciiArmor).and_then(|armor| {
        let mut writer = encryptor.wrap_output(armor)?;
        writer.write_all(plaintext.expose())?;
        writer.finish()?.finish()
    });
    written.map_err(|_| CipherError::NoRecipient)?;
    Ok(file)
}

/// Decrypts a file, armoured or not, that is encrypted to a passphrase.
///
/// # Errors
///
/// If the passphrase is wrong, asks for more than [`MAX_SCRYPT_LOG_N`], or the file is damaged.
pub fn decrypt_with_passphrase(file: &[u8], passphrase: SecretString) -> Result<Plaintext, CipherError> {
    // The plaintext is shorter than the file, armoured or not, so one buffer is enough.
    let mut binary = Vec::with_capacity(file.len());
    ArmoredReader::new(file)
        .take(MAX_HEADER as u64)
        .read_to_end(&mut binary)
        .map_err(|_| CipherError::Header)?;
    let header = Header::parse(&binary)?;
    let mut plaintext = Plaintext::zeroed(payload_len(&binary, &header)?);
    let mut identity = age::scrypt::Identity::new(passphrase);
    identity.set_max_work_factor(MAX_SCRYPT_LOG_N);
    let decryptor = age::Decryptor::new_buffered(HeaderAtOnce::new(&binary, header.len))
        .map_err(|_| CipherError::Header)?;
    let mut reader =
        decryptor.decrypt(std::iter::once(&identity as &dyn age::Identity)).map_err(|error| match error {
            age::DecryptError::ExcessiveWork { .. } => CipherError::ExcessiveWork,
            _ => CipherError::WrongPassphrase,
        })?;
    reader.read_exact(plaintext.expose_mut()).map_err(|_| CipherError::Damaged)?;
    match reader.read(&mut [0; 1]) {
        Ok(0) => Ok(plaintext),
        _ => Err(CipherError::Damaged),
    }
}

/// Gives the age crate the whole header on its first read of a line. It would parse the header
/// anew after each line of it, which for a thousand recipients costs more than all else, and for
/// a hostile header of many short stanzas some minutes.
struct HeaderAtOnce<'a> {
    header: &'a [u8],
    payload: &'a [u8],
}

impl<'a> HeaderAtOnce<'a> {
    fn new(file: &'a [u8], header_len: usize) -> Self {
        let (header, payload) = file.split_at(header_len);
        Self { header, payload }
    }

    fn next(&mut self) -> &mut &'a [u8] {
        if self.header.is_empty() { &mut self.payload } else { &mut self.header }
    }
}

impl Read for HeaderAtOnce<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.next().read(buffer)
    }
}

impl BufRead for HeaderAtOnce<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.next().fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.next().consume(amount);
    }

    fn read_until(&mut self, byte: u8, line: &mut Vec<u8>) -> io::Result<usize> {
        if self.header.is_empty() {
            return self.payload.read_until(byte, line);
        }
        self.header.read_to_end(line)
    }
}

/// Why something could not be encrypted or decrypted. No message shows any plaintext.
#[derive(Debug, Error, Diagnostic)]
pub enum CipherError {
    /// Nobody could open it.
    #[error("there is no recipient to encrypt to")]
    #[diagnostic(help("name at least one group or machine with a key in the audience"))]
    NoRecipient,
    /// More than [`MAX_RECIPIENTS`].
    #[error("there are more recipients than the header of a file can hold")]
    #[diagnostic(help("name fewer keys in the audience; what everybody may read is no secret"))]
    TooManyRecipients,
    /// A key that cannot be encrypted to.
    #[error("cannot encrypt to {0}")]
    #[diagnostic(help("use an X25519 recipient (age1…)"))]
    Recipient(Recipient),
    /// A file of no bytes.
    #[error("the file is empty")]
    #[diagnostic(help(
        "bring it back: `git checkout -- FILE` in a clone, elsewhere a fresh copy of the vault"
    ))]
    Empty,
    /// Not age, or not version 1.
    #[error("this is not an age v1 file")]
    #[diagnostic(help(
        "bring it back: `git checkout -- FILE` in a clone, elsewhere a fresh copy of the vault"
    ))]
    NotAge,
    /// A malformed or overlong header.
    #[error("the age header is damaged or longer than 128 KiB")]
    #[diagnostic(help(
        "bring it back: `git checkout -- FILE` in a clone, elsewhere a fresh copy of the vault"
    ))]
    Header,
    /// Cut off.
    #[error("the age file is cut off")]
    #[diagnostic(help(
        "bring it back: `git checkout -- FILE` in a clone, elsewhere a fresh copy of the vault"
    ))]
    Truncated,
    /// More plaintext than a secret may have.
    #[error("the plaintext is longer than 1 GiB")]
    #[diagnostic(help("a vault holds secrets; keep large files elsewhere and their key here"))]
    TooLong,
    /// Encrypted to a passphrase.
    #[error("the file is encrypted to a passphrase, not to a key")]
    #[diagnostic(help("encrypt it to the vault's recipients: `vaultgen add`"))]
    Passphrase,
    /// Not the passphrase.
    #[error("the passphrase is wrong")]
    #[diagnostic(help("try again; without it the file cannot be opened"))]
    WrongPassphrase,
    /// Made to waste memory and time.
    #[error("opening it would take more than 1 GiB of memory")]
    #[diagnostic(help("encrypt it anew with a lower scrypt work factor"))]
    ExcessiveWork,
    /// None of the identities is a recipient.
    #[error("none of the identities at hand can decrypt it")]
    #[diagnostic(help("give the identity of one of its recipients with --identity FILE"))]
    NoMatchingIdentity,
    /// Fails authentication.
    #[error("the age file is damaged: its content fails authentication")]
    #[diagnostic(help(
        "bring it back: `git checkout -- FILE` in a clone, elsewhere a fresh copy of the vault"
    ))]
    Damaged,
    /// An age plugin cannot be used.
    #[error(transparent)]
    #[diagnostic(transparent)]
    Plugin(#[from] PluginError),
}

impl CipherError {
    /// What a plugin says, if it is one that could not encrypt.
    fn of_wrapping(error: age::EncryptError) -> Option<Self> {
        match error {
            age::EncryptError::Io(error) => plugin::fault(error).map(Self::Plugin),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
