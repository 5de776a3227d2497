//! Every option of every module, with another value than it has in a node, and all that this changes in the tree.
//!
//! The cases are in `options.txt`. An option without one fails the test. A new one is a line `## MODULE.KEY = VALUE`, and
//! below it `of NODE`, the shipped node that it is set in, and what else is set there before (`with …`);
//! `SNAPSHOTS=overwrite cargo test -p deploy --test options` adds what changes, to be read before it is committed.

use std::{
    collections::BTreeSet,
    env, fs,
    path::{Path, PathBuf},
};

use deploy::{
    modules::MODULES,
    node::Variant,
    pipeline,
    problem::Problems,
    tree::{Difference, Tree},
};
use fixtures::tree;
use similar::TextDiff;

/// What begins a case.
const CASE: &str = "\n## ";
/// What begins the node of a case, and what is set there before.
const OF: &str = "of ";
const WITH: &str = "with ";

/// What comes from the repository as it is.
const ELSEWHERE: [&str; 2] = ["/etc/vaultd/vault/", "/etc/age.key"];

/// One option with one value.
struct Case {
    module: String,
    key: String,
    value: String,
    node: String,
    before: Vec<String>,
}

impl Case {
    fn parse(text: &str) -> Self {
        let (head, rest) = text.split_once('\n').expect("a node");
        let (option, value) = head.split_once(" = ").unwrap_or_else(|| panic!("`{head}` has no value"));
        let (module, key) = option.split_once('.').unwrap_or_else(|| panic!("`{option}` has no module"));
        let lines = || rest.lines().take_while(|line| line.starts_with(OF) || line.starts_with(WITH));
        let node = lines().find_map(|line| line.strip_prefix(OF)).expect("a node");
        let before = lines().filter_map(|line| line.strip_prefix(WITH)).map(str::to_owned).collect();
        Self { module: module.into(), key: key.into(), value: value.into(), node: node.into(), before }
    }

    fn option(&self) -> String {
        format!("{}.{}", self.module, self.key)
    }

    /// Its text, with what changes this time.
    fn played(&self, folder: &Path) -> String {
        // The vaults know the machines by the names of the shipped nodes.
        let named = format!("from = \"{0}\"\n[vault]\nmachine = \"{0}\"\n", self.node);
        fs::write(folder.join("named.toml"), named).expect("a node file");
        let before = format!("from = \"named.toml\"\n{}\n", self.before.join("\n"));
        let after = format!("from = \"before.toml\"\n[{}]\n{} = {}\n", self.module, self.key, self.value);
        let trees = [("before.toml", before), ("after.toml", after)].map(|(name, text)| {
            fs::write(folder.join(name), text).expect("a node file");
            folder.join(name)
        });
        let [before, after] =
            trees.map(|path| pipeline::render(path.to_str().expect("a path"), Variant::Run));
        let before = before.map(|(_, tree)| tree);
        let Ok(before) = before else {
            panic!("{} before: {}", self.option(), shown(&before.expect_err("problems")))
        };
        let changes = match after {
            Ok((_, after)) => changes(&before, after),
            Err(problems) => shown(&problems),
        };
        let with: String = self.before.iter().map(|line| format!("{WITH}{line}\n")).collect();
        format!("## {} = {}\n{OF}{}\n{with}\n{changes}", self.option(), self.value, self.node)
    }
}

/// The lines that differ, without those around them: those are in the golden trees.
fn changes(before: &Tree, mut after: Tree) -> String {
    // The name of a node is that of its file.
    after.manifest.node.clone_from(&before.manifest.node);
    let differences = after.differences(before);
    assert!(!differences.is_empty(), "it changes nothing");
    let lines = differences.into_iter().map(|difference| match difference.name.as_str() {
        // Which file of a vault, or of the snake-oil vault's keys, is enough.
        name if ELSEWHERE.iter().any(|start| name.starts_with(start)) => {
            Difference { detail: String::new(), ..difference }.to_string()
        }
        _ => difference.to_string(),
    });
    let is_change = |line: &&str| !line.starts_with("     ") && !line.starts_with("    @@");
    lines
        .flat_map(|text| {
            text.lines().filter(is_change).map(|line| format!("{}\n", line.trim_end())).collect::<Vec<_>>()
        })
        .collect()
}

fn shown(problems: &Problems) -> String {
    problems.iter().map(|problem| format!("error: {problem}\n")).collect()
}

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/options.txt")
}

/// Somebody's public key.
const KEY: &str =
    "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIMxUxW2exbAADrU177NwKk6Sc8mwxx0V7vIw4ByB2vqj somebody\n";

/// What nodes of the cases name: a key, an addon, and the example vaults, each with its signers and both with those of
/// both.
fn folder() -> tempfile::TempDir {
    let folder = tree::folder();
    let nodes = Path::new(env!("CARGO_MANIFEST_DIR")).join("nodes");
    let mut signers = String::new();
    for node in ["ec2-aarch64", "ec2-x86_64"] {
        tree::copy(&nodes.join(node), &folder.path().join(node));
        signers += &fs::read_to_string(nodes.join(node).join("allowed_signers")).expect("signers");
    }
    fs::write(folder.path().join("signers"), signers).expect("signers");
    fs::write(folder.path().join("somebody.pub"), KEY).expect("a key");
    fs::create_dir_all(folder.path().join("addons/our_addon")).expect("a folder");
    fs::write(folder.path().join("addons/our_addon/__manifest__.py"), "{'name': 'Ours'}\n")
        .expect("an addon");
    fs::write(folder.path().join("addons/our_addon/__init__.py"), "").expect("an addon");
    folder
}

fn cases(text: &str) -> (&str, Vec<Case>) {
    let (head, cases) = text.split_once(CASE).expect("a case");
    (head, cases.split(CASE).map(Case::parse).collect())
}

#[test]
fn every_option_changes_what_its_case_says() {
    let expected = fs::read_to_string(file()).expect("the cases");
    let (head, cases) = cases(&expected);
    let folder = folder();
    let played: Vec<String> = cases.iter().map(|case| case.played(folder.path())).collect();
    let actual =
        format!("{head}\n\n{}", played.join("\n")).replace(&folder.path().display().to_string(), "[FOLDER]");
    if env::var_os("SNAPSHOTS").is_some_and(|value| value == "overwrite") {
        fs::write(file(), &actual).expect("the cases");
    } else {
        let diff = TextDiff::from_lines(&expected, &actual);
        let diff = diff.unified_diff().header("expected", "rendered").to_string();
        assert!(expected == actual, "{diff}\naccept it with SNAPSHOTS=overwrite");
    }
}

#[test]
fn every_option_has_a_case() {
    let text = fs::read_to_string(file()).expect("the cases");
    let has: BTreeSet<String> = cases(&text).1.iter().map(Case::option).collect();
    let option = |module: &'static str| move |key| format!("{module}.{key}");
    let all: BTreeSet<String> = MODULES
        .iter()
        .flat_map(|module| {
            module.options().into_iter().map(|described| described.key).map(option(module.name))
        })
        .collect();
    let without: Vec<_> = all.difference(&has).collect();
    let unknown: Vec<_> = has.difference(&all).collect();
    assert!(
        without.is_empty() && unknown.is_empty(),
        "options without a case: {without:?}; cases of no option: {unknown:?}"
    );
}
