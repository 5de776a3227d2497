//! The history of a repository, commit by commit: what each changed in each vault, and what came into the repository
//! that should not have.
//!
//! Parents come before their children, and a state is kept only until the last child was looked at: memory does not
//! grow with the history, but for what is told of each step.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    rc::Rc,
};

use gix::ObjectId;
use vault_format::{
    CIPHERTEXT_SUFFIX, LOCK_FILE, POLICY_FILE, VaultFiles,
    audit::{Claims, Code, Finding, Grade, Place, changes},
    legacy,
    report::one_line,
    signers::AllowedSigners,
};

use super::{
    access::Watched,
    leaks::Leaks,
    reading::{Ciphertexts, Reading, is_as_locked},
    report::{CommitFacts, Step, Verdict},
    repository::{Commit, FileChange, Repository},
};
use crate::git::GitError;

/// The vaults of one commit, by their folders.
pub type Vaults = BTreeMap<String, Rc<Reading>>;

/// A path, and the blob that is there now.
type Arrived = (Vec<u8>, Option<ObjectId>);

/// One commit, as long as a child of it is still to be looked at.
struct Point {
    tree: ObjectId,
    vaults: Vaults,
    children: usize,
}

/// What is looked for in a history.
pub struct Walk<'a> {
    repository: &'a Repository,
    trusted: Option<&'a AllowedSigners>,
    /// Only the vault in this folder.
    only: Option<&'a str>,
    ciphertexts: &'a Ciphertexts,
    leaks: Leaks,
    watched: Option<Watched>,
    points: HashMap<ObjectId, Point>,
    /// Vaults that were taken out, as they were last: one that comes in their place is to follow from them.
    gone: Vaults,
    steps: BTreeMap<String, Vec<Step>>,
    findings: Vec<Finding>,
}

/// What a history has.
pub struct History {
    /// The vaults of the last commit.
    pub vaults: Vaults,
    /// The last commit's tree.
    pub tree: Option<ObjectId>,
    /// The steps of each vault, the oldest first; also of vaults that are gone.
    pub steps: BTreeMap<String, Vec<Step>>,
    /// What is wrong with the history.
    pub findings: Vec<Finding>,
    /// What is known of the secret that was asked about.
    pub watched: Option<Watched>,
}

impl History {
    /// That of a repository without a commit.
    #[must_use]
    pub fn nothing() -> Self {
        Self {
            vaults: Vaults::new(),
            tree: None,
            steps: BTreeMap::new(),
            findings: Vec::new(),
            watched: None,
        }
    }
}

impl<'a> Walk<'a> {
    /// A walk that holds signatures against `trusted`, if there are signers from outside.
    #[must_use]
    pub fn new(
        repository: &'a Repository,
        trusted: Option<&'a AllowedSigners>,
        only: Option<&'a str>,
        ciphertexts: &'a Ciphertexts,
        watched: Option<Watched>,
    ) -> Self {
        Self {
            repository,
            trusted,
            only,
            ciphertexts,
            leaks: Leaks::default(),
            watched,
            points: HashMap::new(),
            gone: Vaults::new(),
            steps: BTreeMap::new(),
            findings: Vec::new(),
        }
    }

    /// Looks at each commit that leads to `tip` and not to `hidden`.
    ///
    /// # Errors
    ///
    /// If the history cannot be read.
    pub fn run(mut self, tip: ObjectId, hidden: Option<ObjectId>) -> Result<History, GitError> {
        let commits = self.repository.history(tip, hidden)?;
        let main_line = main_line(&commits, tip);
        let mut children: HashMap<ObjectId, usize> = HashMap::new();
        for parent in commits.iter().flat_map(|commit| &commit.parents) {
            *children.entry(*parent).or_default() += 1;
        }
        // The last one is wanted after the walk.
        *children.entry(tip).or_default() += 1;
        if commits.is_empty() {
            self.look_at_boundary(tip, 1)?;
        }
        for commit in &commits {
            for parent in &commit.parents {
                if !self.points.contains_key(parent) {
                    let children = children.get(parent).copied().unwrap_or(1);
                    self.look_at_boundary(*parent, children)?;
                }
            }
            let is_main = main_line.contains(&commit.id);
            let point = self.look_at(commit, is_main, children.get(&commit.id).copied().unwrap_or(0))?;
            self.points.insert(commit.id, point);
            for parent in &commit.parents {
                self.let_go(*parent);
            }
        }
        let last = self.points.remove(&tip).ok_or(GitError::History)?;
        self.findings.extend(self.leaks.into_findings());
        Ok(History {
            vaults: last.vaults,
            tree: Some(last.tree),
            steps: self.steps,
            findings: self.findings,
            watched: self.watched,
        })
    }

    /// The vaults of one commit, without its history.
    ///
    /// # Errors
    ///
    /// If the commit cannot be read.
    pub fn vaults_of(mut self, commit: ObjectId) -> Result<(ObjectId, Vaults), GitError> {
        self.look_at_boundary(commit, 1)?;
        let point = self.points.remove(&commit).ok_or(GitError::History)?;
        Ok((point.tree, point.vaults))
    }

    fn let_go(&mut self, parent: ObjectId) {
        let Some(point) = self.points.get_mut(&parent) else { return };
        point.children = point.children.saturating_sub(1);
        if point.children == 0 {
            self.points.remove(&parent);
        }
    }

    /// A commit before the first one that is looked at: what it has is where the first change begins. Of a shallow
    /// clone it is missing.
    fn look_at_boundary(&mut self, commit: ObjectId, children: usize) -> Result<(), GitError> {
        let Ok(tree) = self.repository.tree(commit) else { return Ok(()) };
        let changes = self.repository.changes(None, tree)?;
        let folders = self.folders(&BTreeSet::new(), &changes);
        let read = |folder: &String| Some((folder.clone(), Rc::new(self.read(tree, folder, commit, None)?)));
        let vaults = folders.iter().filter_map(read).collect();
        self.points.insert(commit, Point { tree, vaults, children });
        Ok(())
    }

    /// Looks at a commit whose parents were looked at.
    fn look_at(&mut self, commit: &Commit, is_main: bool, children: usize) -> Result<Point, GitError> {
        let tree = self.repository.tree(commit.id)?;
        let parents: Vec<&Point> = commit.parents.iter().filter_map(|id| self.points.get(id)).collect();
        let before = parents.first().map(|point| (point.tree, point.vaults.clone()));
        let changes = self.repository.changes(before.as_ref().map(|(tree, _)| *tree), tree)?;
        let others: Vec<Vaults> = parents.iter().skip(1).map(|point| point.vaults.clone()).collect();
        let from_elsewhere = self.brought_by_others(&parents, tree)?;
        let mut vaults = before.map(|(_, vaults)| vaults).unwrap_or_default();
        let mut facts = None;
        let present = vaults.keys().cloned().collect();
        for folder in self.folders(&present, &changes) {
            let is_changed = |change: &FileChange| is_in(&change.path, &folder);
            let is_touched = !vaults.contains_key(&folder) || changes.iter().any(is_changed);
            let before = vaults.remove(&folder).or_else(|| self.gone.get(&folder).cloned());
            let after = match is_touched {
                true => self.read(tree, &folder, commit.id, before.as_deref()).map(Rc::new),
                false => before.clone(),
            };
            let others = others.iter().filter_map(|vaults| vaults.get(&folder)).map(|other| &**other);
            let turn = Turn {
                folder: &folder,
                before: before.as_deref(),
                others: others.collect(),
                after: after.as_deref(),
            };
            // A merge that took one side alone may have lost what the other one did.
            if turn.has_vault() && (is_touched || !turn.faults().is_empty()) {
                if facts.is_none() {
                    facts = Some(self.repository.facts(commit.id)?);
                }
                self.take_step(turn, facts.clone(), is_main, commit.parents.len() > 1);
            }
            match after {
                Some(after) => vaults.extend([(folder, after)]),
                None => self.gone.extend(before.map(|before| (folder, before))),
            }
        }
        let new = changes
            .iter()
            .filter(|change| !from_elsewhere.contains(&(change.path.clone(), change.now.map(|(id, _)| id))));
        self.leaks.look_at(self.repository, &vaults, commit.id, new);
        if let Some(watched) = self.watched.as_mut() {
            let facts = match facts {
                Some(facts) => facts,
                None => self.repository.facts(commit.id)?,
            };
            if is_main {
                watched.look_at(&vaults, &facts);
            } else {
                watched.look_aside(&vaults, &facts);
            }
        }
        Ok(Point { tree, vaults, children })
    }

    /// What a merge has from another parent than its first: somebody else's commit brought it.
    fn brought_by_others(&self, parents: &[&Point], tree: ObjectId) -> Result<HashSet<Arrived>, GitError> {
        let (Some(first), true) = (parents.first(), parents.len() > 1) else { return Ok(HashSet::new()) };
        let key = |change: FileChange| (change.path, change.now.map(|(id, _)| id));
        let mut theirs = HashSet::new();
        for other in &parents[1..] {
            let own: HashSet<_> =
                self.repository.changes(Some(other.tree), tree)?.into_iter().map(key).collect();
            let all = self.repository.changes(Some(first.tree), tree)?.into_iter().map(key);
            theirs.extend(all.filter(|change| !own.contains(change)));
        }
        Ok(theirs)
    }

    /// The folders that had a vault or may have one now.
    fn folders(&self, present: &BTreeSet<String>, changes: &[FileChange]) -> BTreeSet<String> {
        let came = changes.iter().filter(|change| change.now.is_some()).filter_map(|change| {
            let path = std::str::from_utf8(&change.path).ok()?;
            vault_of(path)
        });
        let all = present.iter().cloned().chain(came.map(str::to_owned));
        // A folder that is part of a vault is no vault of its own.
        let all: BTreeSet<String> =
            all.filter(|folder| self.only.is_none_or(|only| only == folder)).collect();
        let inner =
            |folder: &String| all.iter().any(|outer| outer != folder && is_in(folder.as_bytes(), outer));
        all.iter().filter(|folder| !inner(folder)).cloned().collect()
    }

    /// The state of a vault in a commit; nothing where there is none.
    fn read(
        &self,
        tree: ObjectId,
        folder: &str,
        commit: ObjectId,
        before: Option<&Reading>,
    ) -> Option<Reading> {
        let files = self.repository.vault(tree, folder, &commit.to_string())?;
        let entries = files.entries().ok()?;
        let paths: Vec<String> = entries.iter().map(|entry| entry.path.clone()).collect();
        let is_vault = paths.iter().any(|path| path == POLICY_FILE || path == LOCK_FILE || is_legacy(path));
        if !is_vault {
            return None;
        }
        self.ciphertexts.learn(&files, &paths);
        let known = self.ciphertexts.known_in(&files);
        let root = files.place().to_owned();
        Some(Reading::of(&files, root, self.trusted, before, &|name, secret| {
            is_as_locked(known.get(&name.ciphertext_path()), secret)
        }))
    }

    fn take_step(&mut self, turn: Turn<'_>, commit: Option<CommitFacts>, main_line: bool, merge: bool) {
        let step = turn.step(commit, main_line, merge, self.trusted);
        self.findings.extend(turn.findings(step.commit.as_ref()));
        self.steps.entry(turn.folder.to_owned()).or_default().push(step);
    }
}

/// One vault before and after a commit.
pub struct Turn<'a> {
    /// The vault's folder.
    pub folder: &'a str,
    /// In the first parent.
    pub before: Option<&'a Reading>,
    /// In the other parents.
    pub others: Vec<&'a Reading>,
    /// In the commit.
    pub after: Option<&'a Reading>,
}

impl Turn<'_> {
    /// The step that it is.
    #[must_use]
    pub fn step(
        &self,
        commit: Option<CommitFacts>,
        main_line: bool,
        merge: bool,
        trusted: Option<&AllowedSigners>,
    ) -> Step {
        let before = self.before.and_then(Reading::claims);
        let after = self.after.and_then(Reading::claims);
        let signer = self.after.and_then(|after| after.signer.clone());
        let is_trusted = |fingerprint: &String| {
            let signers = trusted.into_iter().flat_map(AllowedSigners::iter);
            signers
                .filter(|signer| !signer.ended())
                .any(|signer| vault_format::ssh::fingerprint(signer.key()) == *fingerprint)
        };
        Step {
            main_line,
            merge,
            verdict: self.after.map_or(Verdict::Gone, Reading::verdict),
            problems: self
                .after
                .map(|after| after.problems.iter().map(|problem| one_line(problem)).collect())
                .unwrap_or_default(),
            serial: after.map(|claims| claims.lock.serial),
            lock_sha256: after.map(|claims| claims.lock_digest),
            signer_trusted: signer.as_ref().is_some_and(|signer| is_trusted(&signer.fingerprint)),
            signed_by_committer: match (&signer, &commit) {
                (Some(signer), Some(commit)) => is_same_person(&signer.principal, commit),
                _ => false,
            },
            signer,
            follows: self.faults().is_empty(),
            changes: after.map(|after| changes(before, after)).unwrap_or_default(),
            commit,
        }
    }

    /// Whether there was a vault, or is one now.
    fn has_vault(&self) -> bool {
        self.before.is_some() || self.after.is_some()
    }

    /// Where the state does not follow from those before it.
    fn faults(&self) -> Vec<(Code, String)> {
        let Some(after) = self.after.and_then(Reading::claims) else { return Vec::new() };
        let parents = self.before.into_iter().chain(self.others.iter().copied());
        parents.filter_map(|before| fault(before.claims()?, after)).collect()
    }

    /// What is wrong with the step. What is wrong with the last state is told of that.
    #[must_use]
    pub fn findings(&self, commit: Option<&CommitFacts>) -> Vec<Finding> {
        let lock = if self.folder.is_empty() {
            LOCK_FILE.to_owned()
        } else {
            format!("{}/{LOCK_FILE}", self.folder)
        };
        let place =
            || Place { path: lock.clone(), line: None, commit: commit.map(|commit| commit.id.clone()) };
        let faults = self.faults();
        faults.into_iter().map(|(code, reason)| Finding::new(code, Grade::Proved, place(), reason)).collect()
    }
}

/// Why a state does not follow from another.
fn fault(before: Claims<'_>, after: Claims<'_>) -> Option<(Code, String)> {
    let (old, new) = (before.lock, after.lock);
    if before.lock_digest == after.lock_digest
        || new.id == old.id && new.ancestors.contains(&before.lock_digest) && new.serial > old.serial
    {
        return None;
    }
    if old.id != new.id {
        return Some((Code::AnotherVault, format!("vault {} was replaced by vault {}", old.id, new.id)));
    }
    let (from, to) = (old.serial, new.serial);
    Some(match to.cmp(&from) {
        std::cmp::Ordering::Less => {
            (Code::SerialDoesNotGrow, format!("serial {from} was followed by serial {to}"))
        }
        std::cmp::Ordering::Equal => {
            (Code::Fork, format!("two states have serial {from}, and neither descends from the other"))
        }
        std::cmp::Ordering::Greater if new.ancestors.contains(&before.lock_digest) => {
            (Code::SerialDoesNotGrow, format!("serial {from} was followed by serial {to}"))
        }
        std::cmp::Ordering::Greater => (
            Code::PredecessorMissing,
            format!("serial {to} does not descend from serial {from}, which was there before it"),
        ),
    })
}

/// Whether a signer's name is the committer's: the name, the address, or what stands before its @.
fn is_same_person(principal: &str, commit: &CommitFacts) -> bool {
    let person = &commit.committer;
    let account = |address: &str| address.split('@').next().unwrap_or_default().to_lowercase();
    let principal = principal.to_lowercase();
    [person.name.to_lowercase(), person.email.to_lowercase()].contains(&principal)
        || account(&principal) == account(&person.email)
}

/// The commits that are reached by first parents alone.
fn main_line(commits: &[Commit], tip: ObjectId) -> HashSet<ObjectId> {
    let by_id: HashMap<ObjectId, &Commit> = commits.iter().map(|commit| (commit.id, commit)).collect();
    let first_parent = |id: &ObjectId| by_id.get(id).and_then(|commit| commit.parents.first().copied());
    std::iter::successors(Some(tip), first_parent).filter(|id| by_id.contains_key(id)).collect()
}

/// Whether a path lies in a folder of the repository.
#[must_use]
pub fn is_in(path: &[u8], folder: &str) -> bool {
    folder.is_empty() || path.strip_prefix(folder.as_bytes()).is_some_and(|rest| rest.starts_with(b"/"))
}

/// The folder of the vault that a file with this path says there is.
fn vault_of(path: &str) -> Option<&str> {
    let (folder, file) = path.rsplit_once('/').unwrap_or(("", path));
    if file == POLICY_FILE || file == LOCK_FILE {
        return Some(folder);
    }
    // A vault of Odoo Box is known by the files in its folders.
    let (outer, inner) = folder.rsplit_once('/').unwrap_or(("", folder));
    is_legacy(&format!("{inner}/{file}")).then_some(outer)
}

/// Whether a file of this path in a vault's folder says that it is one of Odoo Box.
fn is_legacy(path: &str) -> bool {
    let name = legacy::FOLDERS.iter().find_map(|folder| path.strip_prefix(folder));
    name.is_some_and(|name| name.ends_with(CIPHERTEXT_SUFFIX) && !name.contains('/'))
}
