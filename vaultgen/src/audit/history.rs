//! The history of a repository, commit by commit: what each changed in each vault, and what came into the repository
//! that should not have.
//!
//! Parents come before their children, and a state is kept only until the last child was looked at: memory does not
//! grow with the history, but for what is told of each step. States are read [ahead](super::ahead) on all cores.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    rc::Rc,
    sync::mpsc::{self, Receiver},
    thread,
};

use gix::ObjectId;
use vault_format::{audit::Finding, signers::AllowedSigners};

use super::{
    access::Watched,
    ahead::{Ahead, Fetched},
    folders::{folders, is_in},
    leaks::Leaks,
    reading::Reading,
    report::{CommitFacts, Step},
    repository::{Commit, FileChange, Repository},
    seen::Seen,
    turn::Turn,
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

impl Point {
    /// Frees the states on the threads that made them. Freed here, their memory would be taken for what is kept of each
    /// step, a few bytes in each of its blocks, and the C library could give none of those back.
    fn drop_elsewhere(self) {
        for state in self.vaults.into_values().filter_map(Rc::into_inner) {
            rayon::spawn(move || drop(state));
        }
    }
}

/// What is looked for in a history.
pub struct Walk<'a> {
    repository: &'a Repository,
    trusted: Option<&'a AllowedSigners>,
    /// Only the vault in this folder.
    only: Option<&'a str>,
    seen: &'a Seen,
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
    /// The last commit.
    pub tip: Option<ObjectId>,
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
            tip: None,
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
        seen: &'a Seen,
        watched: Option<Watched>,
    ) -> Self {
        Self {
            repository,
            trusted,
            only,
            seen,
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
        let shape = Shape::of(&commits, tip);
        if commits.is_empty() {
            self.look_at_boundary(tip, 1)?;
        }
        self.look_at_all(&commits, &shape)?;
        let last = self.points.remove(&tip).ok_or(GitError::History)?;
        self.findings.extend(self.leaks.into_findings());
        Ok(History {
            tip: Some(tip),
            vaults: last.vaults,
            tree: Some(last.tree),
            steps: self.steps,
            findings: self.findings,
            watched: self.watched,
        })
    }

    /// Looks at commits in their order, while those that come next are read.
    fn look_at_all(&mut self, commits: &[Commit], shape: &Shape) -> Result<(), GitError> {
        // What was there before is known to whoever reads ahead.
        if let Some(first) = commits.first() {
            self.look_at_boundaries(first, shape)?;
        }
        let (trusted, only, seen) = (self.trusted, self.only, self.seen);
        let ahead = Ahead { repository: self.repository.clone(), trusted, only, seen };
        let (sender, fetched) = mpsc::sync_channel(Ahead::at_once());
        thread::scope(|scope| {
            scope.spawn(move || ahead.read(commits, &sender));
            self.look_at_each(commits, fetched, shape)
        })
    }

    /// Takes the receiver: with it goes whoever reads ahead.
    fn look_at_each(
        &mut self,
        commits: &[Commit],
        fetched: Receiver<Result<Fetched, GitError>>,
        shape: &Shape,
    ) -> Result<(), GitError> {
        for (commit, fetched) in commits.iter().zip(fetched) {
            self.look_at_boundaries(commit, shape)?;
            let point = self.look_at(commit, fetched?, shape)?;
            self.points.insert(commit.id, point);
            commit.parents.iter().for_each(|parent| self.let_go(*parent));
        }
        Ok(())
    }

    /// Looks at the parents of a commit that are none of those that are asked about.
    fn look_at_boundaries(&mut self, commit: &Commit, shape: &Shape) -> Result<(), GitError> {
        for parent in &commit.parents {
            if !self.points.contains_key(parent) {
                self.look_at_boundary(*parent, shape.children(*parent))?;
            }
        }
        Ok(())
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
            self.points.remove(&parent).into_iter().for_each(Point::drop_elsewhere);
        }
    }

    /// A commit before the first one that is looked at: what it has is where the first change begins. Of a shallow
    /// clone it is missing.
    fn look_at_boundary(&mut self, commit: ObjectId, children: usize) -> Result<(), GitError> {
        let Ok(tree) = self.repository.tree(commit) else { return Ok(()) };
        let changes = self.repository.changes(None, tree)?;
        let folders = folders(self.only, &BTreeSet::new(), &changes);
        let read = |folder: &String| Some((folder.clone(), Rc::new(self.read(tree, folder, commit, None)?)));
        let vaults = folders.iter().filter_map(read).collect();
        self.points.insert(commit, Point { tree, vaults, children });
        Ok(())
    }

    /// Looks at a commit whose parents were looked at.
    fn look_at(&mut self, commit: &Commit, fetched: Fetched, shape: &Shape) -> Result<Point, GitError> {
        let Fetched { tree, changes, mut states } = fetched;
        let parents: Vec<&Point> = commit.parents.iter().filter_map(|id| self.points.get(id)).collect();
        let others: Vec<Vaults> = parents.iter().skip(1).map(|point| point.vaults.clone()).collect();
        let aside: Vec<Vaults> = match self.watched {
            Some(_) => self.side_parents(commit, shape).map(|point| point.vaults.clone()).collect(),
            None => Vec::new(),
        };
        let from_elsewhere = self.brought_by_others(&parents, tree)?;
        let mut vaults = parents.first().map(|point| point.vaults.clone()).unwrap_or_default();
        let mut facts = None;
        let present = vaults.keys().cloned().collect();
        for folder in folders(self.only, &present, &changes) {
            let is_changed = |change: &FileChange| is_in(&change.path, &folder);
            let is_touched = !vaults.contains_key(&folder) || changes.iter().any(is_changed);
            let before = vaults.remove(&folder).or_else(|| self.gone.get(&folder).cloned());
            let ahead = states.remove(&folder).and_then(|state| state.after(before.as_deref(), self.trusted));
            let read = || self.read(tree, &folder, commit.id, before.as_deref());
            let after = match is_touched {
                true => ahead.or_else(read).map(Rc::new),
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
                self.take_step(&turn, facts.clone(), commit, shape);
            }
            match after {
                Some(after) => vaults.extend([(folder, after)]),
                None => self.gone.extend(before.map(|before| (folder, before))),
            }
        }
        let new = changes
            .iter()
            .filter(|change| !from_elsewhere.contains(&(change.path.clone(), change.now.map(|(id, _)| id))));
        let is_main = shape.is_main(commit);
        self.leaks.look_at(self.repository, self.seen, &vaults, commit.id, new);
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
            aside.iter().for_each(|before| watched.look_beyond(before, &vaults, &facts));
        }
        Ok(Point { tree, vaults, children: shape.children(commit.id) })
    }

    /// The parents of a commit that are asked about and are not on the main line.
    fn side_parents(&self, commit: &Commit, shape: &Shape) -> impl Iterator<Item = &Point> {
        let aside = commit.parents.iter().filter(|parent| !shape.main_line.contains(*parent));
        aside.filter_map(|parent| self.points.get(parent))
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

    /// The state of a vault in a commit; nothing where there is none.
    fn read(
        &self,
        tree: ObjectId,
        folder: &str,
        commit: ObjectId,
        before: Option<&Reading>,
    ) -> Option<Reading> {
        let files = self.repository.vault(tree, folder, &commit.to_string())?;
        Reading::of_revision(&files, self.trusted, before, self.seen)
    }

    fn take_step(&mut self, turn: &Turn<'_>, facts: Option<CommitFacts>, commit: &Commit, shape: &Shape) {
        let (main_line, merge) = (shape.is_main(commit), commit.parents.len() > 1);
        let step = Step { main_line, merge, ..turn.step(facts, self.trusted) };
        self.findings.extend(turn.findings(step.commit.as_ref()));
        self.steps.entry(turn.folder.to_owned()).or_default().push(step);
    }
}

/// How commits hang together.
struct Shape {
    /// Those that are reached by first parents alone.
    main_line: HashSet<ObjectId>,
    /// How many children each has to be kept for.
    children: HashMap<ObjectId, usize>,
}

impl Shape {
    fn of(commits: &[Commit], tip: ObjectId) -> Self {
        let by_id: HashMap<ObjectId, &Commit> = commits.iter().map(|commit| (commit.id, commit)).collect();
        let first_parent = |id: &ObjectId| by_id.get(id).and_then(|commit| commit.parents.first().copied());
        let main_line = std::iter::successors(Some(tip), first_parent).filter(|id| by_id.contains_key(id));
        let mut children = HashMap::new();
        // The last one is wanted after the walk.
        for parent in commits.iter().flat_map(|commit| &commit.parents).chain([&tip]) {
            *children.entry(*parent).or_default() += 1;
        }
        Self { main_line: main_line.collect(), children }
    }

    fn is_main(&self, commit: &Commit) -> bool {
        self.main_line.contains(&commit.id)
    }

    fn children(&self, commit: ObjectId) -> usize {
        self.children.get(&commit).copied().unwrap_or(0)
    }
}
