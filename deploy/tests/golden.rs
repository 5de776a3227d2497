//! The tree of each shipped node and variant, as files: what changes in it is seen before it is committed.
//!
//! `tests/golden/NODE-VARIANT` is what `deploy render` writes, but of the vault and of what is no text only digests. `exposure-VERSION.txt` has how exposed each service is by that version of systemd.
//!
//! `SNAPSHOTS=overwrite cargo test -p deploy --test golden` writes what is rendered now, to be read before it is
//! committed.

use std::{
    collections::{BTreeMap, BTreeSet},
    env, fs,
    path::{Path, PathBuf},
};

use deploy::{
    checkers::{self, Verdict},
    node::{Variant, shipped},
    pipeline::{self, Resolved},
    system::Content,
    tree::{MANIFEST_FILE, ROOT_FOLDER, Tree},
};
use fixtures::{command::program, machine, tree};
use similar::TextDiff;
use vault_format::Digest;

/// Has the test write what there is in the place of what is expected.
const ACCEPT: (&str, &str) = ("SNAPSHOTS", "overwrite");
const HOW: &str = "accept it with `SNAPSHOTS=overwrite cargo test -p deploy --test golden`, and read it before you commit it";

/// The vault, and the key of the snake-oil vault: they are in the repository where they come from.
const ELSEWHERE: [&str; 2] = ["/etc/vaultd/vault/", "/etc/age.key"];
/// Their digests, and those of what is no text.
const DIGESTS: &str = "digests.txt";

/// Texts by their paths.
type Texts = BTreeMap<PathBuf, String>;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

fn is_accepted() -> bool {
    env::var_os(ACCEPT.0).is_some_and(|value| value == ACCEPT.1)
}

/// Each shipped node in each variant, by the name of its golden tree.
fn systems() -> impl Iterator<Item = (String, Resolved, Tree)> {
    let both = |(node, _)| [Variant::Run, Variant::Bootstrap].map(|variant| (node, variant));
    shipped().into_iter().flat_map(both).map(|(node, variant)| {
        let name = format!("{node}-{}", variant.as_str());
        match pipeline::render(node, variant) {
            Ok((resolved, tree)) => (name, resolved, tree),
            Err(problems) => {
                panic!("{name}: {:#?}", problems.iter().map(ToString::to_string).collect::<Vec<_>>())
            }
        }
    })
}

/// A node with the modules that no shipped one has.
fn everything() -> (String, Resolved, Tree) {
    let folder = tree::folder();
    let file = folder.path().join("everything.toml");
    let text = "from = \"devm-x86_64\"\n[service-stack]\nautocerts = true\n[login]\nadmin-email = \"a@example.org\"\n\
                [vault]\nmachine = \"devm-x86_64\"\n\
                [local-ca]\n[backup]\n";
    fs::write(&file, text).expect("a node file");
    let (resolved, tree) = match pipeline::render(file.to_str().expect("a path"), Variant::Run) {
        Ok(rendered) => rendered,
        Err(problems) => panic!("{:#?}", problems.iter().map(ToString::to_string).collect::<Vec<_>>()),
    };
    ("everything".to_owned(), resolved, tree)
}

#[test]
fn every_node_renders_its_golden_tree() {
    let mut differences = String::new();
    let mut names = BTreeSet::new();
    for (name, _, tree) in systems() {
        let (expected, actual) = (folder().join(&name), texts(&tree));
        if is_accepted() {
            write(&expected, &actual);
        }
        differences += &different(&name, &read(&expected), &actual);
        names.insert(name);
    }
    assert!(differences.is_empty(), "{differences}\n{HOW}");
    let folders = fs::read_dir(folder()).expect("golden trees").map(|entry| entry.expect("a folder"));
    let stale = folders
        .filter(|entry| entry.path().is_dir() && !names.contains(&*entry.file_name().to_string_lossy()));
    let stale: Vec<_> = stale.map(|entry| entry.path()).collect();
    assert!(stale.is_empty(), "golden trees of no node: {stale:?}");
}

#[test]
fn no_service_is_more_exposed_than_it_was() {
    if !machine::has(&[machine::Need::Program("systemd-analyze")]) {
        return;
    }
    let version = version();
    let file = folder().join(format!("exposure-{version}.txt"));
    let actual = exposures();
    if is_accepted() {
        fs::write(&file, &actual).expect("a golden file");
    }
    match fs::read_to_string(&file) {
        Ok(expected) => {
            assert_eq!(expected, actual, "{}\n{HOW}", diff(&file.display().to_string(), &expected, &actual))
        }
        Err(_) => machine::skip(format!(
            "systemd {version} has no golden exposures; `SNAPSHOTS=overwrite` writes them"
        )),
    }
}

/// The version of systemd, such as 257.
fn version() -> String {
    let said = program("systemd-analyze").arg("--version").succeeds().text();
    said.split_whitespace().nth(1).expect("`systemd 257 (…)`").to_owned()
}

/// One line for each service; where its exposure differs between systems, one for each of them.
fn exposures() -> String {
    let mut of_services: BTreeMap<String, BTreeMap<String, String>> = BTreeMap::new();
    for (name, resolved, tree) in systems().chain([everything()]) {
        let told = checkers::exposures(&resolved, &tree).expect("a folder for the tree");
        let told = told.unwrap_or_else(|why: Verdict| panic!("{name}: {why:?}"));
        for (service, exposure) in told {
            let exposure = exposure.unwrap_or_else(|| panic!("{name}: systemd does not load {service}"));
            of_services.entry(service).or_default().insert(name.clone(), exposure);
        }
    }
    of_services.iter().map(|(service, exposures)| lines(service, exposures)).collect()
}

fn lines(service: &str, exposures: &BTreeMap<String, String>) -> String {
    match Vec::from_iter(exposures.values().collect::<BTreeSet<_>>()).as_slice() {
        [one] => format!("{one} {service}\n"),
        _ => {
            exposures.iter().map(|(system, exposure)| format!("{exposure} {service} of {system}\n")).collect()
        }
    }
}

/// What is text in a tree, and the digests of what is not, or lies in the repository already. Links are in the manifest.
fn texts(tree: &Tree) -> Texts {
    let (mut texts, mut digests) = (Texts::new(), String::new());
    for (path, content) in &tree.files {
        let is_elsewhere = ELSEWHERE.iter().any(|start| path.as_str().starts_with(start));
        match content {
            Content::Text(text) if !is_elsewhere => {
                let path = Path::new(ROOT_FOLDER).join(path.as_str().trim_start_matches('/'));
                texts.insert(path, text.clone());
            }
            Content::Text(text) => digests += &format!("{}  {path}\n", Digest::of(text.as_bytes())),
            Content::Bytes(bytes) => digests += &format!("{}  {path}\n", Digest::of(bytes)),
            Content::Folder | Content::Link(_) => {}
        }
    }
    texts.insert(DIGESTS.into(), digests);
    texts.insert(MANIFEST_FILE.into(), tree.manifest.to_text());
    texts
}

fn write(folder: &Path, texts: &Texts) {
    let _ = fs::remove_dir_all(folder);
    for (path, text) in texts {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        fs::write(path, text).expect("a golden file");
    }
}

/// Every file below a folder; none where there is no folder.
fn read(folder: &Path) -> Texts {
    let mut texts = Texts::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(&next).into_iter().flatten() {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                let text = fs::read_to_string(&path).expect("a golden file");
                texts.insert(path.strip_prefix(folder).expect("a path below it").to_owned(), text);
            }
        }
    }
    texts
}

/// A unified diff of every file that is not the same.
fn different(name: &str, expected: &Texts, actual: &Texts) -> String {
    let paths: BTreeSet<&PathBuf> = expected.keys().chain(actual.keys()).collect();
    let of_path = |path: &PathBuf| {
        let text = |texts: &Texts| texts.get(path).cloned().unwrap_or_default();
        let (expected, actual) = (text(expected), text(actual));
        if expected == actual {
            String::new()
        } else {
            diff(&format!("{name}/{}", path.display()), &expected, &actual)
        }
    };
    paths.into_iter().map(of_path).collect()
}

fn diff(name: &str, expected: &str, actual: &str) -> String {
    let diff = TextDiff::from_lines(expected, actual);
    diff.unified_diff().header(&format!("expected/{name}"), &format!("rendered/{name}")).to_string()
}
