//! Making a generation: what did not change is taken from the one before, all else is filled in.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::fs::File;
use std::io;
use std::mem::take;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

use vault_format::Digest;
use zeroize::Zeroizing;

use super::fill::{Filler, wipe_new};
use super::index::{Content, Entry, Facts, Index, TreeError};
use super::{Changes, Generation};
use crate::sys::mapping::MappingMut;
use crate::sys::memory::MemoryError;
use crate::sys::store::Store;

/// From this size on a file has a memory object of its own, which the kernel reads without asking us.
/// Smaller ones lie in one object, and in the kernel's cache once they were read.
pub const PASSED_THROUGH: usize = 128 * 1024;

/// Most objects of their own: each costs a descriptor here, in the monitor and in the server.
const MOST_OBJECTS: usize = 500;

/// A file that is to be served.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Path below the mount point.
    pub path: String,
    /// What everybody sees of it.
    pub facts: Facts,
    /// The units whose processes alone may open it; empty if all may.
    pub services: Arc<BTreeSet<String>>,
    /// SHA-256 of its ciphertext: two files of the same ciphertext are the same bytes.
    pub digest: Digest,
    /// Exact length in bytes.
    pub size: usize,
}

/// A generation as it was made: not mapped, and not served yet.
#[derive(Debug)]
pub struct Built {
    /// Files and directories.
    pub index: Index,
    /// The objects that the index speaks of.
    pub objects: Vec<Object>,
    /// What keeps them out of swap until somebody else does, where the store does not.
    pub held: Vec<MappingMut>,
    /// What is different from the generation before.
    pub changes: Changes,
}

impl Built {
    /// Bytes of a file, where they were filled in; of one that was kept, nothing: they did not change.
    ///
    /// # Errors
    /// The object cannot be mapped.
    pub fn bytes(&self, content: &Content) -> Result<Zeroizing<Vec<u8>>, MemoryError> {
        let Some(Object::New(file)) = self.objects.get(content.object) else {
            return Ok(Zeroizing::default());
        };
        let mut bytes = Zeroizing::new(vec![0; content.span.len()]);
        file.read_exact_at(&mut bytes, content.span.start as u64)
            .map_err(|source| MemoryError::Map { size: content.span.len(), source })?;
        Ok(bytes)
    }

    /// Wipes what was filled in, for it goes to nobody.
    pub fn wipe(&self) {
        wipe_new(&self.objects);
    }
}

/// A memory object of a generation.
#[derive(Debug)]
pub enum Object {
    /// Filled in for it.
    New(File),
    /// That of the generation before at this place.
    Kept(usize),
}

/// Why a generation could not be made. Every problem of its kind is listed.
#[derive(Debug, thiserror::Error)]
pub enum BuildError<E: fmt::Debug> {
    /// The files make no tree.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// Together the files are longer than memory can be.
    #[error("the secrets are too large to be held in memory")]
    TooLarge,
    /// There is no memory to hold them safely.
    #[error(transparent)]
    Memory(#[from] MemoryError),
    /// The store takes no more objects.
    #[error("cannot make a memory object")]
    Store(#[from] io::Error),
    /// Files that could not be filled, by their place in what was wanted.
    #[error("{} files could not be read", .0.len())]
    Fill(Vec<(usize, E)>),
}

/// Lays out what is `wanted` in objects of `store`, and has `fill` write the bytes of whatever `before` does
/// not have, in parallel: it is given a place in `wanted` and exactly `size` zeroed bytes. One failure fails
/// all, after all were tried.
///
/// # Errors
/// [`BuildError`]; whatever was filled in is wiped.
pub fn build<E, F>(
    store: &Store,
    wanted: &[Wanted],
    before: Option<&Generation>,
    fill: F,
) -> Result<Built, BuildError<E>>
where
    E: fmt::Debug + Send,
    F: Fn(usize, &mut [u8]) -> Result<(), E> + Sync,
{
    let had = before.map(|before| before.index().contents()).unwrap_or_default();
    let layout = Layout::of(wanted, &had)?;
    let entries: Vec<Entry> = wanted
        .iter()
        .map(|file| Entry {
            path: file.path.clone(),
            facts: file.facts,
            services: Arc::clone(&file.services),
            content: layout.contents[&file.digest].clone(),
        })
        .collect();
    // Before anything is decrypted: a tree that cannot be needs no secrets.
    let mut index = Index::grow(&entries)?;
    let mut filled = layout.fill(store, &Filler { wanted, before, had, fill })?;
    if let Some(before) = before {
        index.follow(before.index(), &filled.renewed)?;
    }
    let changes = Changes::between(before.map(Generation::index), &index);
    Ok(Built { index, objects: take(&mut filled.objects), held: take(&mut filled.held), changes })
}

/// Where each ciphertext's plaintext goes. The first object is the one that small files share.
pub(super) struct Layout {
    contents: HashMap<Digest, Content>,
    /// Bytes of the first object.
    pub shared: usize,
    /// The small files in the order of their bytes, by their place in what is wanted.
    pub small: Vec<usize>,
    /// The other objects: the place of a file, and of the object that it had before.
    pub large: Vec<(usize, Option<usize>)>,
}

impl Layout {
    /// `had` is where the generation before has the bytes of each ciphertext.
    fn of<E: fmt::Debug>(wanted: &[Wanted], had: &HashMap<Digest, &Content>) -> Result<Self, BuildError<E>> {
        // A file that lay in an object of its own stays there, and one that did not never gets one: the
        // kernel reads a node in one way as long as it knows it.
        let object_before = |file: &Wanted| {
            let content = had.get(&file.digest).filter(|content| content.span.len() == file.size);
            content.map(|content| content.object)
        };
        let kept = had.values().filter(|content| content.object > 0).count();
        let most_new = MOST_OBJECTS.saturating_sub(kept);
        let mut new = 0;
        let mut layout =
            Self { contents: HashMap::with_capacity(wanted.len()), shared: 0, small: vec![], large: vec![] };
        for (place, file) in wanted.iter().enumerate() {
            if layout.contents.contains_key(&file.digest) {
                continue;
            }
            let before = object_before(file);
            let is_large = match before {
                Some(object) => object > 0,
                None if file.size >= PASSED_THROUGH && new < most_new => {
                    new += 1;
                    true
                }
                None => false,
            };
            let content = if is_large {
                layout.large.push((place, before));
                Content { object: layout.large.len(), span: 0..file.size, digest: file.digest }
            } else {
                let span = layout.shared..layout.shared.checked_add(file.size).ok_or(BuildError::TooLarge)?;
                layout.shared = span.end;
                layout.small.push(place);
                Content { object: 0, span, digest: file.digest }
            };
            layout.contents.insert(file.digest, content);
        }
        Ok(layout)
    }
}

#[cfg(test)]
mod tests;
