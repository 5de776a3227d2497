//! The last state of each vault, and what is wrong with it.

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use gix::ObjectId;
use rayon::iter::{IntoParallelIterator, ParallelIterator};
use vault_format::{
    Digest, LOCK_FILE, POLICY_FILE, SecretName, VaultFiles, VaultFolder,
    audit::{
        Code, Finding, Grade, Place, StateFacts,
        judge::{self, Bench},
        state::Proof,
    },
    lock::LockedSecret,
    ssh,
};

use super::{
    Inquiry,
    history::{History, Vaults, Walk},
    keyring::removed_keys,
    reading::Reading,
    report::{At, CommitFacts, Step, VaultReport, Verdict},
    repository::Repository,
    seen::Seen,
    turn::Turn,
};

/// Where a vault lies that is not in Git yet, unless somebody names another folder.
const USUAL_FOLDER: &str = "vault";

/// A vault as it is reported, and what it was read from.
pub struct Audited {
    /// The report on it.
    pub report: VaultReport,
    reading: Option<Rc<Reading>>,
}

/// Reads and judges the last state of each vault.
pub struct Auditor<'a> {
    inquiry: &'a Inquiry,
    repository: &'a Repository,
    seen: &'a Seen,
    at: Option<&'a At>,
    history: History,
}

impl<'a> Auditor<'a> {
    /// Whoever answers an inquiry after the walk.
    #[must_use]
    pub fn new(
        inquiry: &'a Inquiry,
        repository: &'a Repository,
        seen: &'a Seen,
        at: Option<&'a At>,
        history: History,
    ) -> Self {
        Self { inquiry, repository, seen, at, history }
    }

    /// The secret that was asked about, if no vault ever had it.
    #[must_use]
    pub fn unknown_secret(&self) -> Option<&SecretName> {
        let watched = self.history.watched.as_ref()?;
        (!watched.is_known()).then(|| watched.secret())
    }

    /// The vaults of the last commit that was walked.
    pub fn of_last_commit(&mut self) -> Vec<Audited> {
        let (tip, tree, vaults) = (self.history.tip, self.history.tree, self.history.vaults.clone());
        self.each(vaults, tip, tree)
    }

    /// The vaults of an earlier commit.
    ///
    /// # Errors
    ///
    /// If it cannot be read.
    pub fn of_commit(&mut self, commit: ObjectId) -> miette::Result<Vec<Audited>> {
        let trusted = self.inquiry.trusted.as_ref();
        let only = self.inquiry.vault.as_deref();
        let walk = Walk::new(self.repository, trusted, only, self.seen, None);
        let (tree, vaults) = walk.vaults_of(commit)?;
        Ok(self.each(vaults, Some(commit), Some(tree)))
    }

    fn each(&mut self, vaults: Vaults, tip: Option<ObjectId>, tree: Option<ObjectId>) -> Vec<Audited> {
        let mut audited = Vec::new();
        for (folder, reading) in vaults {
            let files = tree.and_then(|tree| self.repository.vault(tree, &folder, "the commit"));
            let blob = |name: &SecretName| files.as_ref()?.blob(&name.ciphertext_path());
            let state = self.facts(&reading, &|name| self.seen.proof(blob(name)?));
            audited.push(self.report(folder, tip, state, Some(reading)));
        }
        // Their history is told all the same.
        let gone: Vec<String> = self.history.steps.keys().cloned().collect();
        audited.extend(gone.into_iter().map(|folder| self.report(folder, None, None, None)));
        audited
    }

    /// The vaults of the work tree, which may differ from those of the last commit.
    ///
    /// # Errors
    ///
    /// If one cannot be opened.
    pub fn of_work_tree(&mut self) -> miette::Result<Vec<Audited>> {
        let Some(top) = self.repository.top() else { return Ok(Vec::new()) };
        let mut folders: BTreeSet<String> = self.history.vaults.keys().cloned().collect();
        folders.insert(self.inquiry.vault.clone().unwrap_or_else(|| USUAL_FOLDER.to_owned()));
        let mut audited = Vec::new();
        for folder in folders {
            let path = top.join(&folder);
            let before = self.history.vaults.get(&folder).cloned();
            let is_vault = [POLICY_FILE, LOCK_FILE].iter().any(|file| path.join(file).exists());
            if !is_vault {
                // A vault of Odoo Box is told of as Git has it.
                if let Some(legacy) = before.filter(|before| before.verdict() == Verdict::Legacy) {
                    audited.push(self.report(folder, None, None, Some(legacy)));
                }
                continue;
            }
            let files = VaultFolder::open(&path)?;
            let trusted = self.inquiry.trusted.as_ref();
            let nothing = |_: &SecretName, _: &LockedSecret| false;
            let reading = Rc::new(Reading::of(&files, path, trusted, before.as_deref(), &nothing));
            let proofs = self.proofs(&files, &reading);
            let state = self.facts(&reading, &|name| proofs.get(name).cloned());
            self.take_uncommitted_step(&folder, before.as_deref(), &reading);
            audited.push(self.report(folder, self.history.tip, state, Some(reading)));
        }
        let gone: Vec<String> = self.history.steps.keys().cloned().collect();
        audited.extend(gone.into_iter().map(|folder| self.report(folder, None, None, None)));
        Ok(audited)
    }

    /// What the bytes of all files prove, read on all cores.
    fn proofs(&self, files: &dyn VaultFiles, reading: &Reading) -> BTreeMap<SecretName, Proof> {
        let claims = reading.claims();
        let names: Vec<&SecretName> = claims.iter().flat_map(|claims| claims.lock.secrets.keys()).collect();
        let seen = self.seen;
        let proofs = names.into_par_iter().filter_map(|name| {
            let proof = seen.proof_of(files, name).ok().flatten()?;
            Some((name.clone(), proof))
        });
        proofs.collect()
    }

    fn take_uncommitted_step(&mut self, folder: &str, before: Option<&Reading>, after: &Reading) {
        let digest = |reading: &Reading| reading.claims().map(|claims| claims.lock_digest);
        let is_same = before.is_some_and(|before| {
            digest(before) == digest(after) && before.problems.len() == after.problems.len()
        });
        if is_same {
            return;
        }
        let turn = Turn { folder, before, others: Vec::new(), after: Some(after) };
        let step = turn.step(None, self.inquiry.trusted.as_ref());
        self.history.findings.extend(turn.findings(None));
        self.history.steps.entry(folder.to_owned()).or_default().push(step);
    }

    fn facts(&self, reading: &Reading, proof: &dyn Fn(&SecretName) -> Option<Proof>) -> Option<StateFacts> {
        Some(StateFacts::of(reading.claims()?, &reading.shown(), proof, self.inquiry.now))
    }

    /// The report of a vault whose last commit is `tip`.
    fn report(
        &mut self,
        folder: String,
        tip: Option<ObjectId>,
        state: Option<StateFacts>,
        reading: Option<Rc<Reading>>,
    ) -> Audited {
        let history = self.history.steps.remove(&folder).unwrap_or_default();
        let watched = self.history.watched.as_ref();
        let claims = reading.as_ref().and_then(|reading| reading.claims());
        let trusted = self.inquiry.trusted.as_ref();
        let removed_keys = claims.map(|claims| removed_keys(self.repository, tip, &folder, claims, trusted));
        let report = VaultReport {
            removed_keys: removed_keys.unwrap_or_default(),
            verdict: reading.as_ref().map_or(Verdict::Gone, |reading| reading.verdict()),
            signer: reading.as_ref().and_then(|reading| reading.signer.clone()),
            commit: last_commit(&history, state.as_ref().map(|state| state.lock_sha256)),
            access: watched.and_then(|watched| watched.access(&folder, self.at, state.as_ref())),
            state,
            history,
            path: folder,
        };
        Audited { report, reading }
    }

    /// Everything that is wrong: with the history, and with each last state.
    pub fn findings(&mut self, vaults: &[Audited]) -> Vec<Finding> {
        let mut findings = std::mem::take(&mut self.history.findings);
        for vault in vaults {
            findings.extend(broken_steps(&vault.report));
            let Some(reading) = &vault.reading else { continue };
            findings.extend(self.of_state(&vault.report, reading));
        }
        findings
    }

    fn of_state(&self, vault: &VaultReport, reading: &Reading) -> Vec<Finding> {
        let folder = vault.path.as_str();
        let place = |file: &str| Place { path: below(folder, file), ..Place::default() };
        let mut findings: Vec<Finding> = reading
            .problems
            .iter()
            .map(|problem| judge::of_problem(problem, folder, &reading.root))
            .collect();
        if reading.verdict() == Verdict::Legacy {
            let reason = "a vault in the layout of Odoo Box: nobody signed it, and it has no policy";
            findings.push(Finding::new(Code::Legacy, Grade::Proved, place(""), reason));
        }
        findings.extend(reading.unlisted().map(|path| {
            let reason = format!("{path} is no part of the vault, and vaultd ignores it");
            Finding::new(Code::UnlistedFile, Grade::Proved, place(path), reason)
        }));
        let (Some(claims), Some(state)) = (reading.claims(), &vault.state) else { return findings };
        let bench = Bench { vault: folder, policy_text: reading.policy_text(), now: self.inquiry.now };
        findings.extend(judge::judge(claims, state, bench));
        findings.extend(self.of_signer(vault, &place));
        if let Err(snake_oil) = snakeoil::refuse_vault(claims.lock) {
            findings.push(Finding::new(
                Code::SnakeOil,
                claims.grade,
                place(LOCK_FILE),
                snake_oil.to_string(),
            ));
        }
        findings
    }

    /// Whether the reader knows who signed the last state.
    fn of_signer(&self, vault: &VaultReport, place: &dyn Fn(&str) -> Place) -> Option<Finding> {
        let signer = vault.signer.as_ref().filter(|_| vault.verdict == Verdict::Sound)?;
        let who = format!("signed by {} ({})", signer.principal, signer.fingerprint);
        let finding = |code, reason| Finding::new(code, Grade::Proved, place(LOCK_FILE), reason);
        let Some(trusted) = &self.inquiry.trusted else {
            let reason = format!("{who}, whom only this repository calls a signer");
            return Some(finding(Code::TrustAnchoredHere, reason));
        };
        let mut known = trusted.iter().filter(|known| !known.ended());
        let is_known = known.any(|known| ssh::fingerprint(known.key()) == signer.fingerprint);
        let reason = format!("{who}, who is none of the signers that were passed in");
        (!is_known).then(|| finding(Code::UntrustedSigner, reason))
    }
}

/// The commit that brought the state with this lock.
fn last_commit(history: &[Step], lock: Option<Digest>) -> Option<CommitFacts> {
    lock?;
    let run = history.iter().rev().take_while(|step| step.lock_sha256 == lock);
    run.last()?.commit.clone()
}

/// States of the past that were not sound. The last one is told of in full.
fn broken_steps(vault: &VaultReport) -> Vec<Finding> {
    let last = vault.history.len().saturating_sub(1);
    let past = vault.history.iter().take(last).filter(|step| step.verdict == Verdict::Unsound);
    let finding = |step: &Step| {
        let more = step.problems.len().saturating_sub(1);
        let first = step.problems.first().map_or("it could not be read", String::as_str);
        let reason = if more == 0 { first.to_owned() } else { format!("{first}; and {more} more") };
        let commit = step.commit.as_ref().map(|commit| commit.id.clone());
        let place = Place { path: below(&vault.path, LOCK_FILE), line: None, commit };
        Finding::new(Code::BrokenInHistory, Grade::Proved, place, reason)
    };
    past.map(finding).collect()
}

/// A path of a vault as one of the repository.
fn below(folder: &str, file: &str) -> String {
    match (folder, file) {
        ("", file) => file.to_owned(),
        (folder, "") => folder.to_owned(),
        (folder, file) => format!("{folder}/{file}"),
    }
}
