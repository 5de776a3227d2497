//! Filling in the objects of a generation. What nobody takes is wiped.

use std::collections::HashMap;
use std::fmt;
use std::io;

use rayon::prelude::*;
use vault_format::Digest;

use super::Generation;
use super::build::{BuildError, Layout, Object, Wanted};
use super::index::Content;
use crate::sys::mapping::MappingMut;
use crate::sys::store::{Kind, Store, wipe};

impl Layout {
    /// Fills in everything. One failure fails all, after all were tried.
    pub(super) fn fill<E, F>(&self, store: &Store, filler: &Filler<'_, F>) -> Result<Filled, BuildError<E>>
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
pub(super) struct Filler<'a, F> {
    pub wanted: &'a [Wanted],
    pub before: Option<&'a Generation>,
    /// Where the generation before has the bytes of each ciphertext.
    pub had: HashMap<Digest, &'a Content>,
    /// Writes the bytes of a file, by its place in what is wanted.
    pub fill: F,
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
pub(super) struct Filled {
    pub objects: Vec<Object>,
    /// What keeps them out of swap.
    pub held: Vec<MappingMut>,
    /// The digest that the same bytes had before they were encrypted anew.
    pub renewed: HashMap<Digest, Digest>,
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
pub(super) fn wipe_new(objects: &[Object]) {
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
