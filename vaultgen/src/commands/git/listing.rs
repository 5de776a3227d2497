//! The state of a vault that lists a file: in the work tree, in HEAD, or back through history.
//!
//! Git tells a textconv neither the path nor the commit of what it shows, only bytes. So the file is looked for by its
//! digest, which the lock of its state has. Everything here may be made by others: what is no lock is passed over, and
//! how much is read has a limit.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    path::{Path, PathBuf},
};

use gix::{
    ObjectId, Repository, revision::walk::Sorting, traverse::commit::simple::CommitTimeOrder::NewestFirst,
};
use memchr::memmem::Finder;
use vault_format::{
    Digest, LOCK_FILE, Lock, POLICY_FILE, Policy, SIGNATURE_FILE, SIGNERS_FILE, SecretName, VaultFiles,
    VaultFolder, audit::Grade, lock, lock::LockedSecret, policy, recipient::Recipient, signature,
    signers::AllowedSigners,
};

use crate::former::{self, FormerName};

/// Most commits of HEAD's history that are looked at, and as many of other branches.
const MAX_COMMITS: usize = 2_000;
/// Most branches whose history is looked at.
const MAX_BRANCHES: usize = 500;
/// Most folders, in all commits together; the same one counts once.
const MAX_FOLDERS: usize = 200_000;
/// Deepest folder.
const MAX_DEPTH: usize = 32;
/// Most bytes of locks that are searched, in all commits together.
const MAX_SEARCHED: u64 = 1 << 29;
/// Most bytes of a signature, and of a list of signers.
const MAX_SIGNATURE: u64 = 1 << 16;
const MAX_SIGNERS: u64 = 1 << 20;
const OBJECT_CACHE: usize = 1 << 23;

/// What a lock says of a file. Who signed it is told by the list of signers beside it: nobody vouches for that here.
pub(super) struct Listing {
    /// The lock's path in the repository.
    pub place: String,
    pub lock: Lock,
    pub name: SecretName,
    /// Who signed the lock, if the signature is sound.
    pub signer: Option<String>,
    /// The policy of that state, if it is the one that the lock names.
    pub policy: Option<Policy>,
    /// The names of the removed keys that know the value, as far as any state has one for them.
    pub former: BTreeMap<Recipient, FormerName>,
    signers: AllowedSigners,
}

impl Listing {
    /// What the lock says.
    pub fn secret(&self) -> &LockedSecret {
        &self.lock.secrets[&self.name]
    }

    /// Takes a lock for the one that is looked for, if it lists the digest. `read` reads the files beside it.
    fn of(
        lock: &[u8],
        digest: Digest,
        place: String,
        read: &dyn Fn(&str, u64) -> Option<Vec<u8>>,
    ) -> Option<Self> {
        let parsed = Lock::parse(std::str::from_utf8(lock).ok()?).ok()?;
        let name = parsed.secrets.iter().find(|(_, secret)| secret.sha256 == digest)?.0.clone();
        let signers =
            || AllowedSigners::parse(&String::from_utf8(read(SIGNERS_FILE, MAX_SIGNERS)?).ok()?).ok();
        let signers = signers().unwrap_or_default();
        let signer = || {
            let signature = read(SIGNATURE_FILE, MAX_SIGNATURE)?;
            Some(signature::verify(&signature, lock, &signers).ok()?.principal().to_owned())
        };
        let policy = || {
            let text = read(POLICY_FILE, policy::MAX_BYTES as u64)?;
            let is_signed = parsed.files.get(POLICY_FILE) == Some(&Digest::of(&text));
            Policy::parse(std::str::from_utf8(&text).ok().filter(|_| is_signed)?).ok()
        };
        let (signer, policy, former) = (signer(), policy(), BTreeMap::new());
        Some(Self { signer, policy, place, name, former, signers, lock: parsed })
    }

    /// The same, with the names of removed keys: those of its own policy, else those of older ones.
    fn with_former_names(mut self, repository: &Repository) -> Self {
        let grade = if self.signer.is_some() { Grade::SignedClaim } else { Grade::GitClaim };
        let mut wanted = self.secret().exposed_to.clone();
        let named = self.policy.as_ref().map(|policy| former::in_policy(policy, &wanted)).unwrap_or_default();
        wanted.retain(|key| !named.contains_key(key));
        let own = |(key, names)| (key, FormerName { names, grade, commit: None });
        self.former = named.into_iter().map(own).collect();
        if wanted.is_empty() {
            return self;
        }
        let vault = Path::new(&self.place).parent().unwrap_or(Path::new(""));
        let mut search = former::Search::new(repository, vault, &self.lock.id, &self.signers, wanted);
        for tips in [head(repository), branches(repository)] {
            search.look_at(newest_first(repository, tips).into_iter().flatten());
        }
        // A name by way of what nobody signed is as weak as that.
        let weakest =
            |(key, name): (_, FormerName)| (key, FormerName { grade: name.grade.max(grade), ..name });
        self.former.extend(search.found().into_iter().map(weakest));
        self
    }
}

/// Looks for the file with this digest. Nothing if no lock lists it, or there is no repository: a diff is shown all the
/// same.
pub(super) fn find(file: &Path, digest: Digest) -> Option<Listing> {
    // Git starts us at the top of the work tree, and may say in the environment where its own folder is.
    let mut repository = gix::discover_with_environment_overrides(".").ok()?;
    repository.object_cache_size(OBJECT_CACHE);
    let hex = digest.to_string();
    let mut search = Search {
        repository: &repository,
        digest,
        hex: Finder::new(&hex),
        seen: HashSet::new(),
        folders: MAX_FOLDERS,
        bytes: MAX_SEARCHED,
    };
    let found = search
        .work_tree(file)
        .or_else(|| search.history(head(&repository)))
        .or_else(|| search.history(branches(&repository)));
    Some(found?.with_former_names(&repository))
}

fn head(repository: &Repository) -> Vec<ObjectId> {
    repository.head_id().map(|head| head.detach()).into_iter().collect()
}

fn branches(repository: &Repository) -> Vec<ObjectId> {
    let Ok(references) = repository.references() else { return Vec::new() };
    let branches = [references.local_branches(), references.remote_branches()];
    let branches = branches.into_iter().flatten().flatten().flatten().take(MAX_BRANCHES);
    branches.filter_map(|branch| Some(branch.into_fully_peeled_id().ok()?.detach())).collect()
}

/// The commits that lead to these.
fn newest_first(repository: &Repository, tips: Vec<ObjectId>) -> Option<impl Iterator<Item = ObjectId>> {
    let walk = repository.rev_walk(tips).sorting(Sorting::ByCommitTime(NewestFirst)).all().ok()?;
    Some(walk.take(MAX_COMMITS).filter_map(|commit| Some(commit.ok()?.id)))
}

struct Search<'a> {
    repository: &'a Repository,
    digest: Digest,
    /// The digest as a lock has it: searching for that is much faster than parsing.
    hex: Finder<'a>,
    /// Folders and locks in which it is not.
    seen: HashSet<ObjectId>,
    folders: usize,
    bytes: u64,
}

impl Search<'_> {
    /// The vaults of the work tree: those that the index has, and the one that the file lies in.
    fn work_tree(&mut self, file: &Path) -> Option<Listing> {
        let top = self.repository.workdir()?.canonicalize().ok()?;
        let mut vaults: BTreeSet<PathBuf> = BTreeSet::new();
        if let Ok(index) = self.repository.index_or_empty() {
            let paths =
                index.entries().iter().filter_map(|entry| std::str::from_utf8(entry.path(&index)).ok());
            let locks = paths.map(Path::new).filter(|path| path.ends_with(LOCK_FILE));
            vaults.extend(locks.filter_map(|path| Some(top.join(path.parent()?))));
        }
        if let Ok(file) = file.canonicalize() {
            vaults
                .extend(file.ancestors().skip(1).filter(|above| above.starts_with(&top)).map(Path::to_owned));
        }
        vaults.iter().find_map(|vault| self.folder(&top, vault))
    }

    fn folder(&mut self, top: &Path, vault: &Path) -> Option<Listing> {
        let folder = VaultFolder::open(vault).ok()?;
        let lock = folder.read(LOCK_FILE, lock::MAX_BYTES).ok()?;
        self.hex.find(&lock)?;
        let place = vault.strip_prefix(top).ok()?.join(LOCK_FILE).display().to_string();
        Listing::of(&lock, self.digest, place, &|name, limit| folder.read(name, limit).ok())
    }

    /// Commits from these on, newest first.
    fn history(&mut self, tips: Vec<ObjectId>) -> Option<Listing> {
        newest_first(self.repository, tips)?.find_map(|commit| {
            let tree = self.repository.find_commit(commit).ok()?.tree_id().ok()?.detach();
            self.tree(tree, "", 0)
        })
    }

    /// A folder of a commit, with all that is below.
    fn tree(&mut self, id: ObjectId, path: &str, depth: usize) -> Option<Listing> {
        if depth == MAX_DEPTH || self.folders == 0 || !self.seen.insert(id) {
            return None;
        }
        self.folders -= 1;
        let tree = self.repository.find_tree(id).ok()?;
        let entries = tree.decode().ok()?.entries;
        let lock =
            entries.iter().find(|entry| *entry.filename == *LOCK_FILE.as_bytes() && entry.mode.is_blob());
        let found = lock.and_then(|lock| {
            let bytes = self.lock(lock.oid.to_owned())?;
            let read = |name: &str, limit| {
                let entry = entries.iter().find(|entry| *entry.filename == *name.as_bytes())?;
                blob(self.repository, entry.oid.to_owned(), limit)
            };
            Listing::of(&bytes, self.digest, format!("{path}{LOCK_FILE}"), &read)
        });
        found.or_else(|| {
            entries.iter().filter(|entry| entry.mode.is_tree()).find_map(|entry| {
                let below = format!("{path}{}/", String::from_utf8_lossy(entry.filename));
                self.tree(entry.oid.to_owned(), &below, depth + 1)
            })
        })
    }

    /// A lock that has the digest in it.
    fn lock(&mut self, id: ObjectId) -> Option<Vec<u8>> {
        if !self.seen.insert(id) {
            return None;
        }
        let bytes = blob(self.repository, id, self.bytes.min(lock::MAX_BYTES))?;
        self.bytes -= bytes.len() as u64;
        self.hex.find(&bytes).map(|_| bytes)
    }
}

fn blob(repository: &Repository, id: ObjectId, limit: u64) -> Option<Vec<u8>> {
    let is_short = repository.find_header(id).ok()?.size() <= limit;
    Some(repository.find_blob(id).ok().filter(|_| is_short)?.take_data())
}
