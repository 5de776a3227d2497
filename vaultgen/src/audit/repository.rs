//! Any Git repository, read without a checkout and without its own settings.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    path::{Path, PathBuf},
};

use gix::{
    ObjectId,
    bstr::ByteSlice,
    objs::{TreeRefIter, tree::EntryMode},
    revision::walk::Sorting,
    traverse::commit::simple::CommitTimeOrder::NewestFirst,
};
use miette::Diagnostic;
use thiserror::Error;
use time::OffsetDateTime;
use vault_format::{Recipient, Timestamp, lock::VaultId, report, signers::AllowedSigners};

use super::report::{CommitFacts, PersonFacts};
use crate::{
    former::{self, FormerName},
    git::{GitError, Revision},
};

/// Memory for trees that are looked at again and again, at least and at most: those of 100,000 secrets fit in.
const LEAST_CACHE: usize = 1 << 18;
const MOST_CACHE: usize = 1 << 24;
/// What a file takes in the trees of a commit and in those of the one before.
const CACHE_OF_FILE: usize = 2 * 64;
/// Longest first line of a message that is shown, in characters.
const LONGEST_SUBJECT: usize = 120;

/// A Git repository, with or without a work tree.
#[derive(Clone)]
pub struct Repository {
    repository: gix::Repository,
    /// How much memory it has for objects, in bytes.
    cache: usize,
}

/// A commit of the history that is looked at.
#[derive(Clone, Debug)]
pub struct Commit {
    /// Its id.
    pub id: ObjectId,
    /// Its parents, the one that was merged into first.
    pub parents: Vec<ObjectId>,
}

/// A file that came, went or changed between two trees.
#[derive(Debug)]
pub struct FileChange {
    /// Its path in the repository.
    pub path: Vec<u8>,
    /// What it is now; nothing where it went.
    pub now: Option<(ObjectId, EntryMode)>,
}

impl Repository {
    /// The repository that a folder lies in, or is.
    ///
    /// # Errors
    ///
    /// If there is none, or it cannot be read.
    pub fn discover(folder: &Path) -> Result<Self, AuditGitError> {
        let none = || AuditGitError::None(report::visible(&folder.display().to_string()));
        let (path, _) = gix::discover::upwards(folder).map_err(|_| none())?;
        let (git_dir, _) = path.into_repository_and_work_tree_directories();
        // Neither the settings of whoever runs this nor programs that the repository names have a say.
        let options = gix::open::Options::isolated().open_path_as_is(true);
        let mut repository = options
            .open(git_dir)
            .map_err(|error| AuditGitError::Open { error: Box::new(error) })?
            .to_thread_local();
        repository.object_cache_size(LEAST_CACHE);
        Ok(Self { repository, cache: LEAST_CACHE })
    }

    /// Makes room for the trees of so many files. No more than is needed: of each commit a few trees are new, and what
    /// they pin between larger things that come and go is many times their size.
    pub fn make_room(&mut self, files: usize) {
        let wanted = (files * CACHE_OF_FILE).next_power_of_two().clamp(LEAST_CACHE, MOST_CACHE);
        if wanted > self.cache {
            self.cache = wanted;
            self.repository.object_cache_size(wanted);
        }
    }

    /// The top of its work tree, if it has one.
    #[must_use]
    pub fn top(&self) -> Option<PathBuf> {
        self.repository.workdir().and_then(|top| top.canonicalize().ok())
    }

    /// Whether its history ends where nobody fetched more.
    #[must_use]
    pub fn is_shallow(&self) -> bool {
        self.repository.is_shallow()
    }

    /// The commit that is checked out; nothing before the first one.
    #[must_use]
    pub fn head(&self) -> Option<ObjectId> {
        self.repository.head_id().ok().map(gix::Id::detach)
    }

    /// The commit that a revision names (gitrevisions(7)).
    ///
    /// # Errors
    ///
    /// If it names none.
    pub fn commit(&self, revision: &str) -> Result<ObjectId, GitError> {
        let unknown = || GitError::Unknown(revision.escape_debug().to_string());
        let id = self.repository.rev_parse_single(revision).map_err(|_| unknown())?;
        let commit = id.object().ok().and_then(|object| object.peel_to_commit().ok());
        Ok(commit.ok_or_else(unknown)?.id)
    }

    /// The commits that lead to `tip`, without those that lead to `hidden`: each after its parents.
    ///
    /// # Errors
    ///
    /// If the history cannot be read.
    pub fn history(&self, tip: ObjectId, hidden: Option<ObjectId>) -> Result<Vec<Commit>, GitError> {
        let walk =
            self.repository.rev_walk([tip]).with_hidden(hidden).all().map_err(|_| GitError::History)?;
        let mut commits = HashMap::new();
        for info in walk {
            let info = info.map_err(|_| GitError::History)?;
            let parents = info.parent_ids().map(gix::Id::detach).collect();
            commits.insert(info.id, Commit { id: info.id, parents });
        }
        Ok(parents_first(commits, tip))
    }

    /// The first parent of each commit back from `tip`, with when it was committed.
    pub fn main_line(&self, tip: ObjectId) -> impl Iterator<Item = (ObjectId, Timestamp)> {
        let mut next = Some(tip);
        std::iter::from_fn(move || {
            let commit = self.repository.find_commit(next?).ok()?;
            let decoded = commit.decode().ok()?;
            let at =
                decoded.committer().ok().map_or_else(|| moment(0), |committer| moment(committer.seconds()));
            let id = commit.id;
            next = decoded.parents().next();
            Some((id, at))
        })
    }

    /// The last names that the policies of a vault had for some keys, in the commits that lead to `tip`.
    #[must_use]
    pub fn former_names(
        &self,
        tip: ObjectId,
        vault: &str,
        id: &VaultId,
        signers: &AllowedSigners,
        keys: BTreeSet<Recipient>,
    ) -> BTreeMap<Recipient, FormerName> {
        let Some(path) = path_of(vault).filter(|_| !keys.is_empty()) else { return BTreeMap::new() };
        let mut search = former::Search::new(&self.repository, &path, id, signers, keys);
        let newest_first = Sorting::ByCommitTime(NewestFirst);
        let walk = self.repository.rev_walk([tip]).sorting(newest_first).all();
        search.look_at(walk.into_iter().flatten().map_while(|commit| Some(commit.ok()?.id)));
        search.found()
    }

    /// The tree of a commit.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    pub fn tree(&self, commit: ObjectId) -> Result<ObjectId, GitError> {
        let unreadable = || GitError::Unreadable(commit.to_string());
        let commit = self.repository.find_commit(commit).map_err(|_| unreadable())?;
        Ok(commit.tree_id().map_err(|_| unreadable())?.detach())
    }

    /// Who made a commit, when and why, as Git says.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    pub fn facts(&self, commit: ObjectId) -> Result<CommitFacts, GitError> {
        let unreadable = || GitError::Unreadable(commit.to_string());
        let object = self.repository.find_commit(commit).map_err(|_| unreadable())?;
        let decoded = object.decode().map_err(|_| unreadable())?;
        let person = |signature: gix::actor::SignatureRef<'_>| PersonFacts {
            name: text(signature.name),
            email: text(signature.email),
            at: moment(signature.seconds()),
        };
        let nobody = || PersonFacts { name: String::new(), email: String::new(), at: moment(0) };
        let subject = text(decoded.message.lines().next().unwrap_or_default().as_bstr());
        Ok(CommitFacts {
            id: commit.to_string(),
            author: decoded.author().map_or_else(|_| nobody(), person),
            committer: decoded.committer().map_or_else(|_| nobody(), person),
            subject: subject.chars().take(LONGEST_SUBJECT).collect(),
        })
    }

    /// What is otherwise in the tree `after` than in `before`, at any depth; all of it where there is no tree before.
    ///
    /// # Errors
    ///
    /// If a tree cannot be read.
    pub fn changes(&self, before: Option<ObjectId>, after: ObjectId) -> Result<Vec<FileChange>, GitError> {
        let unreadable = || GitError::Unreadable(after.to_string());
        let find = |tree: ObjectId| self.repository.find_tree(tree).map_err(|_| unreadable());
        let (before, after) = (before.map(find).transpose()?, find(after)?);
        let before = before.as_ref().map_or(&[][..], |tree| &tree.data);
        let mut recorder = gix::diff::tree::Recorder::default();
        let kind = self.repository.object_hash();
        gix::diff::tree(
            TreeRefIter::from_bytes(before, kind),
            TreeRefIter::from_bytes(&after.data, kind),
            gix::diff::tree::State::default(),
            &self.repository.objects,
            &mut recorder,
        )
        .map_err(|_| unreadable())?;
        Ok(recorder.records.into_iter().filter_map(FileChange::of).collect())
    }

    /// The files of a vault in a tree; nothing where no folder is at its path.
    #[must_use]
    pub fn vault(&self, tree: ObjectId, vault: &str, name: &str) -> Option<Revision> {
        let path = path_of(vault)?;
        Revision::of(&self.repository, tree, &path, name).ok().flatten()
    }

    /// The same repository for another thread.
    #[must_use]
    pub fn shared(&self) -> gix::ThreadSafeRepository {
        self.repository.clone().into_sync()
    }
}

/// A path of the repository as Git has it, from one that was escaped to be shown. What needed escaping is no
/// path that we look for a vault at.
fn path_of(vault: &str) -> Option<PathBuf> {
    (!vault.contains('\\')).then(|| PathBuf::from(vault))
}

/// Text that somebody chose who could push, for people to read.
fn text(bytes: &gix::bstr::BStr) -> String {
    report::visible(&bytes.to_str_lossy()).replace('\n', " ")
}

/// The moment so many seconds after 1970, or the nearest one that can be written.
fn moment(seconds: i64) -> Timestamp {
    Timestamp::from(OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH))
}

/// Sorts commits so that each comes after its parents. Clocks have no say.
fn parents_first(mut commits: HashMap<ObjectId, Commit>, tip: ObjectId) -> Vec<Commit> {
    let (mut sorted, mut seen) = (Vec::with_capacity(commits.len()), HashSet::new());
    let mut stack = vec![(tip, false)];
    while let Some((id, parents_are_done)) = stack.pop() {
        if parents_are_done {
            sorted.extend(commits.remove(&id));
            continue;
        }
        let Some(commit) = commits.get(&id) else { continue };
        if !seen.insert(id) {
            continue;
        }
        stack.push((id, true));
        // The first parent's line first, so that what was merged comes right before the merge.
        stack.extend(commit.parents.iter().rev().map(|parent| (*parent, false)));
    }
    sorted
}

impl FileChange {
    /// The blob that a file is now.
    #[must_use]
    pub fn blob(&self) -> Option<ObjectId> {
        self.now.filter(|(_, mode)| mode.is_blob()).map(|(blob, _)| blob)
    }

    /// Nothing for a folder: what is in it comes by itself.
    fn of(change: gix::diff::tree::recorder::Change) -> Option<Self> {
        use gix::diff::tree::recorder::Change;
        let (path, was, now) = match change {
            Change::Addition { entry_mode, oid, path, .. } => (path, None, Some((oid, entry_mode))),
            Change::Deletion { entry_mode, path, .. } => (path, Some(entry_mode), None),
            Change::Modification { previous_entry_mode, entry_mode, oid, path, .. } => {
                (path, Some(previous_entry_mode), Some((oid, entry_mode)))
            }
        };
        let is_folder = |mode: &EntryMode| mode.is_tree();
        match now {
            Some((_, mode)) if mode.is_tree() => {
                // A file that became a folder went.
                was.filter(|was| !was.is_tree()).map(|_| Self { path: path.into(), now: None })
            }
            None if was.as_ref().is_some_and(is_folder) => None,
            now => Some(Self { path: path.into(), now }),
        }
    }
}

/// Why a repository cannot be audited.
#[derive(Debug, Error, Diagnostic)]
pub enum AuditGitError {
    /// No repository.
    #[error("{0} is in no Git repository")]
    #[diagnostic(help(
        "name one with --repository DIR; `vaultgen verify --vault DIR` checks a vault that is in none"
    ))]
    None(String),
    /// One that we cannot read.
    #[error("the Git repository cannot be opened")]
    #[diagnostic(help(
        "vaultgen reads repositories of object format sha1: `git rev-parse --show-object-format`"
    ))]
    Open {
        /// Why.
        #[source]
        error: Box<gix::open::Error>,
    },
}
