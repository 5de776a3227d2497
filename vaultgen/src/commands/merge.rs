//! `vaultgen merge`: join two branches of a vault, also as Git's merge driver.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::{self, File},
    io::{self, Read},
    path::{Path, PathBuf},
    sync::Arc,
};

use clap::ValueEnum;
use gix::ObjectId;
use miette::Diagnostic;
use thiserror::Error;
use vault_format::{
    Ancestor, CIPHERTEXT_SUFFIX, Digest, LOCK_FILE, POLICY_FILE, Policy, SIGNERS_FILE, SecretName, Timestamp,
    VaultFiles, Verified,
    files::Entry,
    folder::MAX_FILE,
    merge::{self, Conflict, Decisions, Joined, MergeError, Parent, Side},
    policy, report,
    signers::AllowedSigners,
    verify,
};

use crate::{cli::Common, commands, git::Repository, keys, prompt, trust::Memory, vault};

/// Join the vault of two branches into one state.
///
/// After `git merge` (or pull, rebase, cherry-pick) stopped at the vault: verifies both sides, joins
/// their policies and secrets, asks where both changed the same, signs the result into the folder. Then
/// `git add` it and go on.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The commit to join with HEAD; else the one that Git is merging, rebasing or picking
    #[arg(value_name = "REV")]
    revision: Option<String>,
    /// Where both changed NAME (a secret, a key of the policy or a file), keep HEAD's
    #[arg(long, value_name = "NAME")]
    ours: Vec<String>,
    /// Where both changed NAME, take REV's
    #[arg(long, value_name = "NAME")]
    theirs: Vec<String>,
    /// Whose to take of everything else that both changed
    #[arg(long, value_enum, value_name = "SIDE")]
    prefer: Option<Prefer>,
    /// Do not ask. What is joined is printed all the same
    #[arg(long)]
    yes: bool,
    /// As Git's merge driver, with %O %A %B %P: joins policies, and leaves all else to the person
    #[arg(long, num_args = 4, value_names = ["BASE", "OURS", "THEIRS", "PATH"], conflicts_with = "revision")]
    driver: Option<Vec<PathBuf>>,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Prefer {
    Ours,
    Theirs,
}

/// Joins, shows what came in, and signs.
///
/// # Errors
///
/// If a side is not sound or trusted, the folder has changes that are in no commit, or something is
/// left to decide.
pub fn run(args: &Args, common: &Common) -> miette::Result<()> {
    if let Some([base, ours, theirs, path]) = args.driver.as_deref() {
        return Ok(drive(base, ours, theirs, path)?);
    }
    if common.no_sign {
        return Err(BranchError::NeedsSignature.into());
    }
    let folder = vault::lock(&common.vault)?;
    let memory = Memory::open()?;
    let repository = Repository::of(&common.vault)?;
    let incoming = args.revision.as_deref().or_else(|| repository.incoming()).ok_or(BranchError::NoMerge)?;
    let [head, other] = [repository.commit("HEAD")?, repository.commit(incoming)?];
    let [our_files, their_files] = [repository.files(head, "HEAD")?, repository.files(other, incoming)?];
    let trusted = memory.signers_of(folder.folder(), &*our_files)?;
    let ours = verified(&our_files, &trusted, "HEAD")?;
    let theirs = verified(&their_files, &trusted, incoming)?;
    memory.judge_branches(folder.folder(), vault::state(&ours), Some(vault::state(&theirs)), common.batch)?;
    if descends(&ours, &theirs) {
        commands::say(common.quiet, &format!("nothing to join: HEAD has the state of {incoming} already"));
        return Ok(());
    }
    if descends(&theirs, &ours) {
        return Err(BranchError::FastForward(incoming.to_owned()).into());
    }
    let base = newest_common(&repository, [head, other], &ours, &theirs)?;

    let parents =
        [Parent { state: &ours, files: &our_files }, Parent { state: &theirs, files: &their_files }];
    let joined = decide(&base, parents, args, common)?;
    require_committed(folder.folder(), &base, [&ours, &theirs], &joined)?;
    for line in meaning(&joined, incoming)? {
        // Shown even with --quiet: whoever signs must see what.
        commands::say(false, &report::visible(&line));
    }
    if !args.yes && !prompt::confirm("Sign this? [y/N] ")? {
        return Err(BranchError::Declined.into());
    }
    let change = joined.into_change(Timestamp::now())?;
    let identities = keys::identities_if(change.needs_identities()?, common)?;
    let applied = vault::apply(change, &folder, &memory, identities, common)?;
    let note = format!("joined: serial {}; now `git add` the vault and go on", applied.lock.serial);
    commands::say(common.quiet, &note);
    Ok(())
}

fn verified(files: &Arc<dyn VaultFiles>, trusted: &AllowedSigners, name: &str) -> miette::Result<Verified> {
    verify(&**files, trusted, |_, _| false)
        .map_err(|error| miette::Report::new(error).wrap_err(format!("the vault of {name}")))
}

/// The newest state that both sides descend from, by what is signed and not by what Git says: nobody signs
/// the parents of a commit.
fn newest_common(
    repository: &Repository,
    tips: [ObjectId; 2],
    ours: &Verified,
    theirs: &Verified,
) -> miette::Result<Ancestor> {
    let mut looked_at = BTreeSet::new();
    for commit in repository.history(&tips)? {
        let is_new = repository.blob(commit, LOCK_FILE).is_some_and(|blob| looked_at.insert(blob));
        if !is_new {
            continue;
        }
        let state = Ancestor::of(ours, &*repository.files(commit, "an earlier commit")?);
        match state {
            Ok(base) if merge::is_newest_common(&base, ours, theirs) => return Ok(base),
            _ => {}
        }
    }
    Err(MergeError::Base.into())
}

fn descends(descendant: &Verified, ancestor: &Verified) -> bool {
    let digest = ancestor.lock_digest();
    descendant.lock_digest() == digest || descendant.lock().ancestors.contains(&digest)
}

/// Joins, and asks for each decision that is missing.
fn decide<'a>(
    base: &Ancestor,
    [ours, theirs]: [Parent<'a>; 2],
    args: &Args,
    common: &Common,
) -> miette::Result<Joined<'a>> {
    let mut decisions = Decisions::new();
    loop {
        let undecided = match merge::join(base, ours, theirs, &decisions) {
            Err(MergeError::Undecided(undecided)) => undecided,
            other => return Ok(other?),
        };
        let mut open = BTreeSet::new();
        for conflict in undecided {
            match args.decision(&conflict) {
                Some(side) => drop(decisions.insert(conflict, side)),
                None => drop(open.insert(conflict)),
            }
        }
        if common.batch && !open.is_empty() {
            return Err(MergeError::Undecided(open).into());
        }
        for conflict in open {
            let side = ask(&conflict, [ours.state, theirs.state])?;
            decisions.insert(conflict, side);
        }
    }
}

impl Args {
    fn decision(&self, conflict: &Conflict) -> Option<Side> {
        let named = |names: &[String]| names.iter().any(|name| conflict.has(name));
        match self.prefer {
            _ if named(&self.ours) => Some(Side::Ours),
            _ if named(&self.theirs) => Some(Side::Theirs),
            Some(Prefer::Ours) => Some(Side::Ours),
            Some(Prefer::Theirs) => Some(Side::Theirs),
            None => None,
        }
    }
}

fn ask(conflict: &Conflict, states: [&Verified; 2]) -> miette::Result<Side> {
    let mut question = format!("Both sides changed {conflict}.\n");
    if let Conflict::Secrets(names) = conflict {
        for (whose, state) in ["ours", "theirs"].into_iter().zip(states) {
            let newest =
                names.iter().filter_map(|name| state.lock().secrets.get(name)).map(|it| it.rotated).max();
            let what = newest.map_or_else(|| "removed".to_owned(), |at| format!("changed at {at}"));
            let who = state.signer().principal();
            question.push_str(&format!("  {whose}: {what}, in a state that {who} signed\n"));
        }
    }
    question.push_str("Take [o]urs or [t]heirs? ");
    Ok(if prompt::choose(&question, ["ours", "theirs"])? == 0 { Side::Ours } else { Side::Theirs })
}

/// Refuses to overwrite what somebody changed and did not commit. What Git wrote may be in the folder:
/// either side's file, both joined, or marks of a conflict.
fn require_committed(
    folder: &dyn VaultFiles,
    base: &Ancestor,
    sides: [&Verified; 2],
    joined: &Joined<'_>,
) -> miette::Result<()> {
    let locks = [base.lock(), sides[0].lock(), sides[1].lock()];
    for Entry { path, is_plain_file } in folder.entries()? {
        let name = path.strip_suffix(CIPHERTEXT_SUFFIX).and_then(|name| name.parse::<SecretName>().ok());
        let digests = locks.map(|lock| match &name {
            Some(name) => lock.secrets.get(name).map(|secret| secret.sha256),
            None => lock.files.get(&path).copied(),
        });
        let is_ciphertext = path.ends_with(CIPHERTEXT_SUFFIX);
        if !is_plain_file || (!is_ciphertext && digests == [None; 3]) {
            continue;
        }
        let bytes = folder.read(&path, MAX_FILE)?;
        let digest = Some(Digest::of(&bytes));
        let is_joined = match path.as_str() {
            POLICY_FILE => same_policy(&bytes, joined.policy_text()),
            SIGNERS_FILE => same_lines(&bytes, &joined.signers().to_string()),
            _ => false,
        };
        if !digests.contains(&digest) && !is_joined && !has_conflict_marks(&bytes) {
            return Err(BranchError::Uncommitted(path).into());
        }
    }
    Ok(())
}

fn same_policy(bytes: &[u8], joined: &str) -> bool {
    let parse = |text: &str| text.parse::<toml::Table>().ok();
    let present = std::str::from_utf8(bytes).ok().and_then(parse);
    present.is_some() && present == parse(joined)
}

fn same_lines(bytes: &[u8], joined: &str) -> bool {
    let lines = |text: &str| text.lines().map(str::to_owned).collect::<BTreeSet<_>>();
    std::str::from_utf8(bytes).is_ok_and(|text| lines(text) == lines(joined))
}

fn has_conflict_marks(bytes: &[u8]) -> bool {
    bytes.split(|byte| *byte == b'\n').any(|line| line.starts_with(b"<<<<<<< "))
}

/// What signing would do, a line each, as seen from our side.
fn meaning(joined: &Joined<'_>, incoming: &str) -> Result<Vec<String>, MergeError> {
    let ours = joined.ours();
    let taken = joined.taken().map(|name| format!("from {incoming}  {name}"));
    let gone = joined.gone().map(|name| format!("removed secret   {name}"));
    let files = joined.taken_files().map(|path| format!("from {incoming}  {path}"));
    let gone_files = joined.gone_files().map(|path| format!("removed file     {path}"));
    let mut lines: Vec<String> = taken.chain(gone).chain(files).chain(gone_files).collect();
    lines.extend(commands::policy_diff(ours.policy_text(), joined.policy_text()));
    let known = ours.signers().to_string();
    let signers = joined.signers().to_string();
    let new = signers.lines().filter(|line| !known.lines().any(|old| old == *line));
    lines.extend(new.map(|line| format!("signer           {line}")));
    for (name, key) in joined.gains()? {
        lines.push(format!("can decrypt      {name}  {key}"));
    }
    Ok(lines)
}

/// Joins the policy of one path; every other file is left as it is on our side, as a conflict.
fn drive(base: &Path, ours: &Path, theirs: &Path, path: &Path) -> Result<(), BranchError> {
    if path.file_name().is_none_or(|name| name != POLICY_FILE) {
        return Err(BranchError::LeftToMerge(path.to_owned()));
    }
    let [base, our_text, theirs] = [read(base)?, read(ours)?, read(theirs)?];
    let mut conflict = false;
    let joined = policy::merge(&base, &our_text, &theirs, &BTreeMap::new(), |_| {
        conflict = true;
        Side::Ours
    });
    let joined = joined.ok().filter(|text| !conflict && Policy::parse(text).is_ok());
    let joined = joined.ok_or_else(|| BranchError::LeftToMerge(path.to_owned()))?;
    fs::write(ours, joined).map_err(|error| BranchError::Io { path: ours.to_owned(), error })
}

fn read(path: &Path) -> Result<String, BranchError> {
    let mut text = String::new();
    File::open(path)
        .and_then(|file| file.take(policy::MAX_BYTES as u64 + 1).read_to_string(&mut text))
        .map_err(|error| BranchError::Io { path: path.to_owned(), error })?;
    Ok(text)
}

/// Why the branches were not joined.
#[derive(Debug, Error, Diagnostic)]
enum BranchError {
    #[error("not joined; nothing was changed")]
    #[diagnostic(help("go back with `git merge --abort`, or join again with other decisions"))]
    Declined,
    #[error("joining two states cannot be proposed: only a signer can say that the result counts")]
    #[diagnostic(help("leave out --no-sign, and sign with a signer's key"))]
    NeedsSignature,
    #[error("Git is not merging anything just now")]
    #[diagnostic(help("start with `git merge BRANCH` or `git pull`; when it stops, run this"))]
    NoMerge,
    #[error("{0} has everything that HEAD has")]
    #[diagnostic(help("there is nothing to join: take it with `git merge --ff-only`"))]
    FastForward(String),
    #[error("{0} has changes that are in no commit")]
    #[diagnostic(help(
        "put it aside, take it back with `git checkout HEAD -- FILE`, join, and make the change again with `vaultgen sign`"
    ))]
    Uncommitted(String),
    #[error("{0}: left as it is in HEAD")]
    #[diagnostic(help("join both states of the vault with `vaultgen merge`"))]
    LeftToMerge(PathBuf),
    #[error("{path}")]
    #[diagnostic(help("check that Git runs `vaultgen merge --driver %O %A %B %P`"))]
    Io {
        path: PathBuf,
        #[source]
        error: io::Error,
    },
}
