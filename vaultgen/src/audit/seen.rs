//! What the files of a history are, each looked at once however many commits have it.

use std::{
    collections::{HashMap, HashSet},
    sync::{Arc, Mutex, PoisonError, RwLock},
};

use gix::ObjectId;
use rayon::iter::{IntoParallelIterator, ParallelIterator};
use vault_format::{
    CIPHERTEXT_SUFFIX, Digest, POLICY_FILE, Policy, SecretName, VaultFiles, Verified,
    audit::state::Proof,
    cipher::{self, Header},
    folder::{FolderError, MAX_FILE},
    lock::LockedSecret,
    verify::Known,
};

use super::leaks::Sight;
use crate::git::Revision;

/// What is known of files, by their blobs. All that is kept of each has a few bytes.
#[derive(Debug, Default)]
pub struct Seen {
    ciphertexts: RwLock<HashMap<ObjectId, Option<Ciphertext>>>,
    /// Those of the ciphertexts, most of which are alike.
    headers: Mutex<HashSet<Arc<Header>>>,
    /// The last one: few commits change it.
    policy: Mutex<Option<(Digest, Arc<Policy>)>>,
    sights: RwLock<HashMap<ObjectId, Vec<Sight>>>,
}

/// A ciphertext that was looked at.
#[derive(Debug)]
struct Ciphertext {
    digest: Digest,
    header: Arc<Header>,
    bytes: u64,
    plaintext_bytes: Option<u64>,
}

impl Ciphertext {
    /// Whether it has the digest and the stanzas that the lock says.
    fn is_as_locked(&self, secret: &LockedSecret) -> bool {
        self.digest == secret.sha256 && self.header.fits(&secret.recipients) && !self.header.has_passphrase()
    }

    fn proof(&self) -> Proof {
        Proof {
            sha256: self.digest,
            bytes: self.bytes,
            plaintext_bytes: self.plaintext_bytes,
            stanzas: self.header.stanzas().to_vec(),
        }
    }
}

impl Seen {
    /// Looks at the ciphertexts of a revision that no revision before had.
    pub fn learn(&self, files: &Revision) {
        let unknown: Vec<(&str, ObjectId)> = {
            let known = self.ciphertexts.read().unwrap_or_else(PoisonError::into_inner);
            let ciphertexts = files.blobs().filter(|(path, _)| path.ends_with(CIPHERTEXT_SUFFIX));
            ciphertexts.filter(|(_, blob)| !known.contains_key(blob)).collect()
        };
        let looked_at: Vec<_> = unknown
            .into_par_iter()
            .map(|(path, blob)| (blob, files.read(path, MAX_FILE).ok().and_then(|bytes| self.check(&bytes))))
            .collect();
        self.ciphertexts.write().unwrap_or_else(PoisonError::into_inner).extend(looked_at);
    }

    /// What is known of these files, to verify them by.
    #[must_use]
    pub fn of<'a>(&'a self, files: &'a Revision) -> SeenIn<'a> {
        SeenIn { seen: self, files }
    }

    /// Remembers the policy of a state: the next one most likely has the same.
    pub fn remember(&self, vault: &Verified) {
        let digest = vault.lock().files.get(POLICY_FILE);
        let policy = digest.map(|digest| (*digest, vault.shared_policy()));
        *self.policy.lock().unwrap_or_else(PoisonError::into_inner) = policy;
    }

    /// What the bytes of a blob prove.
    #[must_use]
    pub fn proof(&self, blob: ObjectId) -> Option<Proof> {
        self.ciphertext(blob, Ciphertext::proof)
    }

    /// What the bytes of a file in a folder prove.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    pub fn proof_of(&self, files: &dyn VaultFiles, name: &SecretName) -> Result<Option<Proof>, FolderError> {
        let bytes = files.read(&name.ciphertext_path(), MAX_FILE)?;
        Ok(self.check(&bytes).map(|checked| checked.proof()))
    }

    /// How many bytes a blob has, if all of it is known to be what age made.
    #[must_use]
    pub fn ciphertext_len(&self, blob: ObjectId) -> Option<u64> {
        self.ciphertext(blob, |known| known.plaintext_bytes.map(|_| known.bytes)).flatten()
    }

    /// What is to be told of a blob; nothing where nobody looked into it yet.
    #[must_use]
    pub fn sights(&self, blob: ObjectId) -> Option<Vec<Sight>> {
        self.sights.read().unwrap_or_else(PoisonError::into_inner).get(&blob).cloned()
    }

    /// Remembers what is to be told of blobs.
    pub fn extend_sights(&self, sights: impl IntoIterator<Item = (ObjectId, Vec<Sight>)>) {
        self.sights.write().unwrap_or_else(PoisonError::into_inner).extend(sights);
    }

    fn ciphertext<T>(&self, blob: ObjectId, ask: impl Fn(&Ciphertext) -> T) -> Option<T> {
        self.ciphertexts.read().unwrap_or_else(PoisonError::into_inner).get(&blob)?.as_ref().map(ask)
    }

    fn check(&self, bytes: &[u8]) -> Option<Ciphertext> {
        Some(Ciphertext {
            digest: Digest::of(bytes),
            header: self.shared(Header::parse(bytes).ok()?),
            bytes: bytes.len() as u64,
            plaintext_bytes: cipher::plaintext_len(bytes).ok().map(|len| len as u64),
        })
    }

    /// The one that is kept of all headers like this.
    fn shared(&self, header: Header) -> Arc<Header> {
        let mut headers = self.headers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = headers.get(&header) {
            return Arc::clone(known);
        }
        let header = Arc::new(header);
        headers.insert(Arc::clone(&header));
        header
    }
}

/// What is known of the files of a revision.
pub struct SeenIn<'a> {
    seen: &'a Seen,
    files: &'a Revision,
}

impl Known for SeenIn<'_> {
    fn has(&self, name: &SecretName, secret: &LockedSecret) -> bool {
        let blob = self.files.blob(&name.ciphertext_path());
        let is_as_locked = |blob| self.seen.ciphertext(blob, |known| known.is_as_locked(secret));
        blob.and_then(is_as_locked).unwrap_or(false)
    }

    fn policy(&self, digest: Digest) -> Option<Arc<Policy>> {
        let last = self.seen.policy.lock().unwrap_or_else(PoisonError::into_inner);
        last.as_ref().filter(|(known, _)| *known == digest).map(|(_, policy)| Arc::clone(policy))
    }
}
