//! A vault in the program: the snake-oil vault, and those of the shipped nodes.

use std::{collections::BTreeMap, path::Path};

use include_dir::Dir;
use vault_format::{VaultFiles, files::Entry, folder::FolderError};

use super::MODULE;
use crate::{node::SHIPPED, problem::Problem};

/// A vault in the program.
#[derive(Debug)]
pub(super) struct Embedded(pub BTreeMap<String, &'static [u8]>);

impl Embedded {
    pub fn shipped(source: &Path) -> Result<Self, Problem> {
        let Some(folder) = SHIPPED.get_dir(source) else {
            return Err(Problem::new("the program has no such vault").about(MODULE, "source"));
        };
        let mut files = BTreeMap::new();
        add(folder, folder.path(), &mut files);
        Ok(Self(files))
    }
}

fn add(folder: &'static Dir<'static>, root: &Path, files: &mut BTreeMap<String, &'static [u8]>) {
    for file in folder.files() {
        let path = file.path().strip_prefix(root).unwrap_or(file.path());
        files.insert(path.to_string_lossy().into_owned(), file.contents());
    }
    folder.dirs().for_each(|folder| add(folder, root, files));
}

impl VaultFiles for Embedded {
    fn read(&self, path: &str, _limit: u64) -> Result<Vec<u8>, FolderError> {
        self.0.get(path).map(|bytes| bytes.to_vec()).ok_or_else(|| FolderError::Missing(path.into()))
    }

    fn entries(&self) -> Result<Vec<Entry>, FolderError> {
        let entry = |path: &String| Entry { path: path.clone(), is_plain_file: true };
        Ok(self.0.keys().map(entry).collect())
    }
}
