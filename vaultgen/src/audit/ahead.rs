//! Commits, read on all cores before the walk comes to them.
//!
//! What a commit is depends on its parents in one thing: who may have signed it. That is nearly always who the commit
//! itself says. So a few commits at a time are verified against that, in parallel; the walk takes a state if it comes to
//! the same signers, and else reads it anew. No more than a few wait for the walk, however long the history is.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::mpsc::SyncSender,
};

use gix::ObjectId;
use rayon::iter::{IntoParallelIterator, ParallelIterator};
use vault_format::signers::AllowedSigners;

use super::{
    folders::folders,
    leaks,
    reading::Reading,
    repository::{Commit, FileChange, Repository},
    seen::Seen,
};
use crate::git::{GitError, Revision};

/// How many commits are read at once, for each core.
const FOR_EACH_CORE: usize = 2;

/// A commit, as far as it can be told without its parents' states.
pub struct Fetched {
    /// Its tree.
    pub tree: ObjectId,
    /// What is otherwise than in its first parent.
    pub changes: Vec<FileChange>,
    /// The vaults that it changed, each read as if it was the first state.
    pub states: BTreeMap<String, Reading>,
}

/// A commit whose vaults are still to be verified.
struct Draft {
    tree: ObjectId,
    changes: Vec<FileChange>,
    files: Vec<(String, Revision)>,
}

/// Reads commits ahead.
pub struct Ahead<'a> {
    /// One of its own, since each has a cache that two threads cannot share.
    pub repository: Repository,
    /// The signers from outside.
    pub trusted: Option<&'a AllowedSigners>,
    /// Only the vault in this folder.
    pub only: Option<&'a str>,
    /// What the commits before had.
    pub seen: &'a Seen,
}

impl Ahead<'_> {
    /// How many commits are read at once.
    #[must_use]
    pub fn at_once() -> usize {
        FOR_EACH_CORE * rayon::current_num_threads()
    }

    /// Reads commits in their order, until nobody wants more.
    pub fn read(mut self, commits: &[Commit], to: &SyncSender<Result<Fetched, GitError>>) {
        let (shared, trusted, seen) = (self.repository.shared(), self.trusted, self.seen);
        let fetch = |draft: Draft| {
            let Draft { tree, changes, files } = draft;
            let state = |(folder, files)| Some((folder, Reading::of_revision(&files, trusted, None, seen)?));
            let states = files.into_iter().filter_map(state).collect();
            leaks::look_into(&shared, seen, changes.iter().filter_map(FileChange::blob));
            Fetched { tree, changes, states }
        };
        // The first one alone: all others have most of its files.
        let (first, others) = commits.split_at(commits.len().min(1));
        for some in [first].into_iter().chain(others.chunks(Self::at_once())) {
            let drafts: Vec<_> = some.iter().map(|commit| self.draft(commit)).collect();
            let fetched: Vec<_> = drafts.into_par_iter().map(|draft| draft.map(fetch)).collect();
            if fetched.into_iter().any(|fetched| to.send(fetched).is_err()) {
                return;
            }
        }
    }

    /// The trees, which are read on one core: its cache has most of them already.
    fn draft(&mut self, commit: &Commit) -> Result<Draft, GitError> {
        let tree = self.repository.tree(commit.id)?;
        let before = commit.parents.iter().find_map(|parent| self.repository.tree(*parent).ok());
        let changes = self.repository.changes(before, tree)?;
        let name = commit.id.to_string();
        let touched = folders(self.only, &BTreeSet::new(), &changes).into_iter();
        let files = touched.filter_map(|folder| {
            let files = self.repository.vault(tree, &folder, &name)?;
            Some((folder, files))
        });
        let files: Vec<(String, Revision)> = files.collect();
        self.repository.make_room(files.iter().map(|(_, files)| files.paths().count()).sum());
        Ok(Draft { tree, files, changes })
    }
}
