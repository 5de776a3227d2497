//! Nodes that are wrong, each with exactly what `deploy check` says of it: every mistake, its line and column, and what to
//! write instead.
//!
//! The cases are in `bad_input.txt`. A new one takes a title, its files and an empty `=== said`;
//! `SNAPSHOTS=overwrite cargo test -p deploy --test bad_input` adds what was said, to be read before it is committed.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use fixtures::{
    command::{Run, odbox, program},
    machine::{self, Need},
    tree,
    vault::{Vault, snake_oil},
};
use similar::TextDiff;
use vault_format::{SIGNATURE_FILE, SIGNERS_FILE};

const NODE: &str = "box.toml";
const SAID: &str = "said";
const MARK: &str = "=== ";

/// A case: its title, the scene that it plays in, and its files, of which the last is what was said.
struct Case {
    title: String,
    scene: Option<String>,
    files: Vec<(String, String)>,
}

impl Case {
    fn parse(text: &str) -> Self {
        let mut parts = text.split("\n=== ");
        let head = parts.next().unwrap_or_default();
        let (title, scene) =
            head.split_once("\nin ").map_or((head, None), |(title, scene)| (title, Some(scene)));
        let file = |part: &str| {
            let (name, text) = part.split_once('\n').unwrap_or((part, ""));
            let text = text.trim_end_matches('\n');
            (name.to_owned(), if text.is_empty() { String::new() } else { format!("{text}\n") })
        };
        let files = parts.map(file).collect();
        Self { title: title.trim().to_owned(), scene: scene.map(|scene| scene.trim().to_owned()), files }
    }

    /// Plays it, and gives back its text with what was said this time.
    fn played(&self) -> String {
        let folder = tree::folder();
        if let Some(scene) = &self.scene {
            set(scene, folder.path());
        }
        let given = self.files.iter().filter(|(name, _)| name != SAID);
        let mut text = format!("## {}\n", self.title);
        if let Some(scene) = &self.scene {
            text += &format!("in {scene}\n");
        }
        for (name, content) in given {
            fs::write(folder.path().join(name), content).expect("a file");
            text += &format!("{MARK}{name}\n{content}");
        }
        text + &format!("{MARK}{SAID}\n{}", said(folder.path(), NODE))
    }
}

/// What `deploy check` says in a folder: only of what is wrong, with status 1.
#[track_caller]
fn said(folder: &Path, node: &str) -> String {
    let ended = deploy().args(["check", node]).in_folder(folder).exits(1);
    assert!(
        ended.output.is_empty() && !ended.errors.contains("panicked"),
        "nothing is printed but errors: {ended}"
    );
    let printable = |c: char| c == '\n' || !c.is_control();
    assert!(ended.errors.chars().all(printable), "a terminal would take a command from this: {ended}");
    let lines = ended.errors.lines().map(|line| line.trim_end().to_owned() + "\n");
    let said = lines.collect::<String>().replace(&folder.display().to_string(), "[FOLDER]");
    match (said.find("SHA256:"), said.find(", which is none")) {
        // A key that is another one each time, and may be broken over two lines.
        (Some(start), Some(end)) => {
            let before = said[..start].trim_end_matches([' ', '\n', '│']);
            format!("{before} [FINGERPRINT]{}", &said[end..])
        }
        _ => said,
    }
}

fn deploy() -> Run {
    program(odbox("deploy").to_str().expect("a path that is text"))
}

/// Puts what a case needs beside its node.
fn set(scene: &str, folder: &Path) {
    let vault = match scene {
        "the snake-oil vault" => Vault::copy_of(&snake_oil()),
        _ => Vault::with("passwords/root.yesc", "$y$x").policy(&machine("box")).build(),
    };
    match scene {
        "a vault" | "the snake-oil vault" => {}
        "a vault of another machine" => {
            Vault::with("a", "b").policy(&machine("web-1")).build_upon(&vault);
        }
        "a damaged vault" => vault.damage("passwords/root.yesc.age"),
        "an unsigned vault" => fs::remove_file(vault.path().join(SIGNATURE_FILE)).expect("a signature"),
        "a vault that somebody else signed" => {
            let trusted = fs::read(vault.signers()).expect("signers");
            vault.sign_with_new_key();
            fs::write(vault.signers(), trusted).expect("signers");
        }
        _ => panic!("there is no scene `{scene}`"),
    }
    tree::copy(&vault.path(), &folder.join("vault"));
    fs::copy(vault.signers(), folder.join(SIGNERS_FILE)).expect("signers");
}

/// A machine in a policy. What its key is does not matter.
fn machine(name: &str) -> String {
    format!(
        "[machines]\n{name} = {{ keys = [\"age1dxnmy3xf39kecyd863g32j46rwkg45ygf48hgqzrk7nj8p4au5zsu5xrgn\"] }}"
    )
}

fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bad_input.txt")
}

#[test]
fn every_wrong_node_is_told_as_its_case_says() {
    if !machine::has(&[Need::Program("ssh-keygen")]) {
        return;
    }
    let expected = fs::read_to_string(file()).expect("the cases");
    let (head, cases) = expected.split_once("\n## ").expect("a case");
    let cases: Vec<String> = cases.split("\n## ").map(|case| Case::parse(case).played()).collect();
    let actual = format!("{head}\n{}", cases.join("\n"));
    if env::var_os("SNAPSHOTS").is_some_and(|value| value == "overwrite") {
        fs::write(file(), &actual).expect("the cases");
    } else {
        let diff = TextDiff::from_lines(&expected, &actual);
        let diff = diff.unified_diff().header("expected", "said").to_string();
        assert!(expected == actual, "{diff}\naccept it with SNAPSHOTS=overwrite");
    }
}

#[test]
fn what_is_no_file_of_text_is_told_and_not_read_for_ever() {
    let folder = tree::folder();
    let write = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).expect("a file");
    write("latin-1.toml", b"host-name = \"caf\xe9\"\n");
    write("nul.toml", b"host-name = \"a\0b\"\n");
    write("large.toml", "# a comment\n".repeat(200_000).as_bytes());
    fs::create_dir(folder.path().join("folder.toml")).expect("a folder");
    program("mkfifo").arg(folder.path().join("fifo.toml")).succeeds();
    let hint = "\n  hint: give the name of a shipped node (`deploy list`), or the path of a file\n";
    let unread = |name: &str, why: &str| format!("error: cannot read the node `{name}`: {why}{hint}");
    let cases = [
        ("latin-1.toml", unread("latin-1.toml", "it is no text in UTF-8")),
        ("large.toml", unread("large.toml", "it has more than 1048576 bytes")),
        ("folder.toml", unread("folder.toml", "it is no file")),
        ("fifo.toml", unread("fifo.toml", "it is no file")),
        ("missing.toml", unread("missing.toml", "No such file or directory (os error 2)")),
        ("/dev/zero.toml", unread("/dev/zero.toml", "No such file or directory (os error 2)")),
    ];
    for (name, expected) in cases {
        assert_eq!(said(folder.path(), name), expected, "{name}");
    }
    assert!(said(folder.path(), "nul.toml").contains("nul.toml:1:"), "a NUL has its place");
}

#[test]
fn a_node_that_is_not_there_is_told_with_what_there_is() {
    let folder = tree::folder();
    let expected = "error: there is no shipped node `devm-x86-64`\n  \
        hint: did you mean `devm-x86_64`? A node of your own is given as the path of its file, which ends in .toml\n";
    assert_eq!(said(folder.path(), "devm-x86-64"), expected);
    fs::write(folder.path().join("shop.toml"), "").expect("a file");
    assert!(said(folder.path(), "shop").ends_with("hint: did you mean your own file, `shop.toml`?\n"));
    assert!(said(folder.path(), "\u{1b}[2J").contains("`\\u{1b}[2J`"), "a name is shown, not obeyed");
}
