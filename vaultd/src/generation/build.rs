//! Making a generation: what did not change is taken from the one before, all else is filled in.

use std::collections::HashMap;
use std::fmt;
use std::fs::File;
use std::io;
use std::mem::take;
use std::os::unix::fs::FileExt;

use rayon::prelude::*;
use vault_format::Digest;
use zeroize::Zeroizing;

use super::index::{Content, Entry, Facts, Index, TreeError};
use super::{Changes, Generation};
use crate::sys::mapping::MappingMut;
use crate::sys::memory::MemoryError;
use crate::sys::store::{Kind, Store, wipe};

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
    let had = before.map(|before| before.index().contents()).unwrap_or_default();
    let mut filled = layout.fill(store, &Filler { wanted, before, had, fill })?;
    if let Some(before) = before {
        index.follow(before.index(), &filled.renewed)?;
    }
    let changes = Changes::between(before.map(Generation::index), &index);
    Ok(Built { index, objects: take(&mut filled.objects), held: take(&mut filled.held), changes })
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

    fn fill<E, F>(&self, store: &Store, filler: &Filler<'_, F>) -> Result<Filled, BuildError<E>>
    where
        E: fmt::Debug + Send,
        F: Fn(usize, &mut [u8]) -> Result<(), E> + Sync,
    {
        let mut filled = Filled::default();
        let mut problems = self.fill_small(store, filler, &mut filled)?;
        for (place, before) in &self.large {
            match before {
                Some(before) => filled.objects.push(Object::Kept(*before)),
                None => problems.extend(fill_large(store, filler, *place, &mut filled)?),
            }
        }
        match problems.is_empty() {
            true => Ok(filled),
            false => Err(BuildError::Fill(problems)),
        }
    }

    /// Makes the object of the small files. What could not be filled in, it lists.
    fn fill_small<E, F>(
        &self,
        store: &Store,
        filler: &Filler<'_, F>,
        filled: &mut Filled,
    ) -> Result<Vec<(usize, E)>, BuildError<E>>
    where
        E: fmt::Debug + Send,
        F: Fn(usize, &mut [u8]) -> Result<(), E> + Sync,
    {
        let mut mapping = filled.add(store, self.shared)?;
        let parts = split(mapping.bytes_mut(), &self.small, filler.wanted).into_par_iter();
        let outcomes: Vec<_> = parts.map(|(place, part)| (place, filler.fill(place, part))).collect();
        filled.hold(store, mapping);
        let mut problems = Vec::new();
        for (place, outcome) in outcomes {
            match outcome {
                // Only where it was read in the same way: the kernel knows a node in one way.
                Ok(Some(old)) if old.object == 0 => {
                    filled.renewed.insert(filler.wanted[place].digest, old.digest);
                }
                Ok(_) => {}
                Err(problem) => problems.push((place, problem)),
            }
        }
        Ok(problems)
    }
}

/// Makes the object of a large file, or keeps the one with the same bytes. Tells why it could not be filled in.
fn fill_large<E, F>(
    store: &Store,
    filler: &Filler<'_, F>,
    place: usize,
    filled: &mut Filled,
) -> Result<Option<(usize, E)>, BuildError<E>>
where
    E: fmt::Debug,
    F: Fn(usize, &mut [u8]) -> Result<(), E>,
{
    let mut mapping = filled.add(store, filler.wanted[place].size)?;
    match filler.fill(place, mapping.bytes_mut()) {
        Ok(Some(old)) if old.object > 0 => {
            drop(mapping);
            filled.replace_last(old.object)?;
            filled.renewed.insert(filler.wanted[place].digest, old.digest);
            Ok(None)
        }
        outcome => {
            filled.hold(store, mapping);
            Ok(outcome.err().map(|problem| (place, problem)))
        }
    }
}

/// Where the bytes of what is wanted come from.
struct Filler<'a, F> {
    wanted: &'a [Wanted],
    before: Option<&'a Generation>,
    /// Where the generation before has the bytes of each ciphertext.
    had: HashMap<Digest, &'a Content>,
    fill: F,
}

impl<F> Filler<'_, F> {
    /// Fills the part of a file, and tells what the file was before if these were its bytes.
    fn fill<E>(&self, place: usize, part: &mut [u8]) -> Result<Option<Content>, E>
    where
        F: Fn(usize, &mut [u8]) -> Result<(), E>,
    {
        let file = &self.wanted[place];
        if let Some((before, content)) = self.before.zip(self.had.get(&file.digest)) {
            if content.span.len() == part.len() {
                part.copy_from_slice(before.bytes(content));
                return Ok(None);
            }
        }
        (self.fill)(place, part)?;
        let old = self.before.and_then(|before| Some((before, before.index().at(&file.path)?.content()?)));
        Ok(old.filter(|(before, old)| before.bytes(old) == part).map(|(_, old)| old.clone()))
    }
}

/// The objects of a generation, with their bytes. Wiped unless somebody takes them.
#[derive(Debug, Default)]
struct Filled {
    objects: Vec<Object>,
    /// What keeps them out of swap.
    held: Vec<MappingMut>,
    /// The digest that the same bytes had before they were encrypted anew.
    renewed: HashMap<Digest, Digest>,
}

impl Filled {
    /// Makes the next object, to be filled in.
    fn add<E: fmt::Debug>(&mut self, store: &Store, size: usize) -> Result<MappingMut, BuildError<E>> {
        let object = store.create()?;
        let mapping = MappingMut::of(&object, size)?;
        store.lock(&mapping)?;
        self.objects.push(Object::New(object));
        Ok(mapping)
    }

    /// Keeps an object that was filled in out of swap, where nothing else does.
    fn hold(&mut self, store: &Store, mapping: MappingMut) {
        if store.kind() == Kind::Locked {
            self.held.push(mapping);
        }
    }

    /// Takes an object of the generation before instead of the one that was made last.
    fn replace_last(&mut self, kept: usize) -> io::Result<()> {
        if let Some(Object::New(file)) = self.objects.last() {
            wipe(file)?;
        }
        self.objects.pop();
        self.objects.push(Object::Kept(kept));
        Ok(())
    }
}

impl Drop for Filled {
    fn drop(&mut self) {
        wipe_new(&self.objects);
    }
}

/// Wipes what was filled in.
fn wipe_new(objects: &[Object]) {
    for object in objects {
        if let Object::New(file) = object {
            // It cannot fail on memory that is there; and if it did, the memory would go unwiped with the object.
            let _ = wipe(file);
        }
    }
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

#[cfg(test)]
mod tests;
