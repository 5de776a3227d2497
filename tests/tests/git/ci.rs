//! `docs/ci.md`: what a runner does, with a clone and a list of signers and nothing else.

use std::{fs, path::Path};

use fixtures::{
    command::{Run, odbox, program},
    machine, tree,
};
use tempfile::TempDir;

use super::clone::{Clone, PEERS, git};

const PAGES: [&str; 2] = ["ci.md", "ci/github-workflow.yml"];

fn page(name: &str) -> String {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    fs::read_to_string(docs.join(name)).expect("a page")
}

/// A clone of the vault as a runner has it.
struct Runner {
    folder: TempDir,
    signers: std::path::PathBuf,
}

impl Runner {
    fn of(clone: &Clone) -> Self {
        let folder = tree::folder();
        git(folder.path()).args(["clone", "-q"]).arg(clone.0.path()).arg("work").succeeds();
        let signers = folder.path().join("allowed_signers");
        fs::copy(clone.vault().join("allowed_signers"), &signers).expect("a list");
        Self { folder, signers }
    }

    /// A line of a page, as its shell runs it.
    fn runs(&self, line: &str) -> Run {
        let folder = self.signers.parent().expect("a folder").display().to_string();
        let ours = odbox("vaultgen");
        let ours = ours.parent().expect("a folder").display().to_string();
        let set = "PATH=\"$0:$PATH\" RUNNER_TEMP=$1 allowed_signers=$1/allowed_signers";
        let script = format!("{set}; ODBOX_ALLOWED_SIGNERS=$allowed_signers; {line}");
        program("sh").args(["-e", "-c", &script, &ours, &folder]).in_folder(self.folder.path().join("work"))
    }
}

#[test]
fn a_vault_is_verified_without_any_key() {
    if !machine::has(&PEERS) {
        return;
    }
    let clone = Clone::new();
    let runner = Runner::of(&clone);
    let pages = PAGES.map(page);
    let lines = pages.iter().flat_map(|page| page.lines());
    let lines = lines.filter_map(|line| line.find("vaultgen verify ").map(|start| &line[start..]));
    let lines: Vec<_> = lines.filter(|line| line.contains("--allowed-signers")).collect();
    assert_eq!(lines.len(), 3, "{lines:?}");
    for line in &lines {
        runner.runs(line).succeeds().says("sound: 0 secrets");
    }
    // A vault that somebody else signed, with their own list in it, passes nowhere.
    let other = Clone::new();
    let runner = Runner { signers: runner.signers, ..Runner::of(&other) };
    for line in lines {
        runner.runs(line).exits(1).explains("which is none of the trusted signers");
    }
}

/// The list that the page shows is one.
#[test]
fn the_list_of_the_page_is_one() {
    let page = page("ci.md");
    let list = page.split("```toml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a list");
    let list = vault_format::AllowList::parse(list, "allow.toml").expect("a list");
    let [allowed] = list.allowances() else { panic!("{list:?}") };
    let before = "2026-12-31T00:00:00Z".parse().expect("a moment");
    assert_eq!(list.covers("plaintext-private-key", "tests/keys/a/b.pem", None, before), Some(allowed));
}
