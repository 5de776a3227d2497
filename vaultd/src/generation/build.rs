//! Making a generation: what did not change is taken from the one before, all else is filled in.

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use rayon::prelude::*;
use vault_format::Digest;
use zeroize::Zeroizing;

use super::index::{Content, Entry, Facts, Index, TreeError};
use super::{Changes, Generation};
use crate::sys::mapping::MappingMut;
use crate::sys::memory::MemoryError;
use crate::sys::store::{Store, wipe};

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
    let layout = Layout::of(wanted, before)?;
    let entries: Vec<Entry> = wanted
        .iter()
        .map(|file| Entry {
            path: file.path.clone(),
            facts: file.facts,
            content: layout.contents[&file.digest].clone(),
        })
        .collect();
    // Before anything is decrypted: a tree that cannot be needs no secrets.
    let mut index = Index::grow(&entries)?;
    let filled = layout.fill(store, wanted, before, fill)?;
    if let Some(before) = before {
        index.follow(before.index(), &filled.renewed)?;
    }
    let changes = Changes::between(before.map(Generation::index), &index);
    Ok(Built { index, objects: filled.objects, changes })
}

/// Where each ciphertext's plaintext goes. The first object is the one that small files share.
struct Layout {
    contents: HashMap<Digest, Content>,
    /// Bytes of the first object.
    shared: usize,
    /// The small files in the order of their bytes, by their place in what is wanted.
    small: Vec<usize>,
    /// The other objects: the place of a file, and of the object that it had before.
    large: Vec<(usize, Option<usize>)>,
}

impl Layout {
    fn of<E: fmt::Debug>(wanted: &[Wanted], before: Option<&Generation>) -> Result<Self, BuildError<E>> {
        let had = before.map(|before| before.index().contents()).unwrap_or_default();
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

    fn fill<E, F>(
        &self,
        store: &Store,
        wanted: &[Wanted],
        before: Option<&Generation>,
        fill: F,
    ) -> Result<Filled, BuildError<E>>
    where
        E: fmt::Debug + Send,
        F: Fn(usize, &mut [u8]) -> Result<(), E> + Sync,
    {
        let had = before.map(|before| before.index().contents()).unwrap_or_default();
        // Fills the part of a file, and tells what the file was before if these were its bytes.
        let fill_one = |place: usize, part: &mut [u8]| -> Result<Option<Content>, (usize, E)> {
            let file = &wanted[place];
            if let Some((before, content)) = before.zip(had.get(&file.digest)) {
                if content.span.len() == part.len() {
                    part.copy_from_slice(before.bytes(content));
                    return Ok(None);
                }
            }
            fill(place, part).map_err(|error| (place, error))?;
            let old = before.and_then(|before| Some((before, before.index().at(&file.path)?.content()?)));
            Ok(old.filter(|(before, old)| before.bytes(old) == part).map(|(_, old)| old.clone()))
        };

        let mut filled = Filled::default();
        let mut problems = Vec::new();
        let shared = store.create()?;
        let mut mapping = MappingMut::of(&shared, self.shared)?;
        let parts = split(mapping.bytes_mut(), &self.small, wanted).into_par_iter();
        let outcomes: Vec<_> = parts.map(|(place, part)| (place, fill_one(place, part))).collect();
        drop(mapping);
        filled.objects.push(Object::New(shared));
        for (place, outcome) in outcomes {
            match outcome {
                // Only where it was read in the same way: the kernel knows a node in one way.
                Ok(Some(old)) if old.object == 0 => {
                    filled.renewed.insert(wanted[place].digest, old.digest);
                }
                Ok(_) => {}
                Err(problem) => problems.push(problem),
            }
        }
        for (place, old) in &self.large {
            if let Some(old) = old {
                filled.objects.push(Object::Kept(*old));
                continue;
            }
            let object = store.create()?;
            let mut mapping = MappingMut::of(&object, wanted[*place].size)?;
            let outcome = fill_one(*place, mapping.bytes_mut());
            drop(mapping);
            filled.objects.push(match outcome {
                Ok(Some(old)) if old.object > 0 => {
                    wipe(&object)?;
                    filled.renewed.insert(wanted[*place].digest, old.digest);
                    Object::Kept(old.object)
                }
                Ok(_) => Object::New(object),
                Err(problem) => {
                    problems.push(problem);
                    Object::New(object)
                }
            });
        }
        if problems.is_empty() {
            return Ok(filled);
        }
        for object in &filled.objects {
            if let Object::New(file) = object {
                wipe(file)?;
            }
        }
        Err(BuildError::Fill(problems))
    }
}

/// The objects of a generation, with their bytes.
#[derive(Debug, Default)]
struct Filled {
    objects: Vec<Object>,
    /// The digest that the same bytes had before they were encrypted anew.
    renewed: HashMap<Digest, Digest>,
}

/// Cuts memory into one part for each of the files at `places`.
fn split<'a>(mut rest: &'a mut [u8], places: &[usize], wanted: &[Wanted]) -> Vec<(usize, &'a mut [u8])> {
    let mut parts = Vec::with_capacity(places.len());
    for place in places {
        let (part, after) = rest.split_at_mut(wanted[*place].size);
        parts.push((*place, part));
        rest = after;
    }
    parts
}
