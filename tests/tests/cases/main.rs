//! Every verb of `vaultgen`, `vaultd` and `deploy` as a person meets it: what is typed, what comes back, which files change.
//!
//! The cases are in `tests/cases/VERB.txt`, those of `vaultd` and `deploy` in `vaultd-VERB.txt` and `deploy-VERB.txt`. A
//! new one takes a title, a scene and a command; with
//! `SNAPSHOTS=overwrite` the test writes what came back into the file, to be read before it is
//! committed. What differs from run to run has a name in brackets; `[..]` stands for anything in a line.

mod stage;
mod transcript;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    sync::Mutex,
    thread,
};

use fixtures::{
    command::{Run, odbox, program, vaultd, vaultgen},
    machine::{
        self,
        Need::{self, Fuse, Program, Root},
    },
    tree,
};
use regex::Regex;
use snapbox::{Assert, Data, Redactions, assert::DEFAULT_ACTION_ENV};

use self::{
    stage::Stage,
    transcript::{Case, Transcript},
};

const NEEDS: [Need; 6] = [
    Program("age"),
    Program("age-keygen"),
    Program("git"),
    Program("openssl"),
    Program("setsid"),
    Program("ssh-keygen"),
];

/// What the cases of `vaultd` need too.
const MOUNTING: [Need; 3] = [Root, Fuse, Program("umount")];

/// Cases that run at the same time.
const AT_ONCE: usize = 4;

/// What is another in each run.
const VARIABLE: [(&str, &str); 7] = [
    ("[KEY]", r"age1(?<redacted>[0-9a-z]{58})"),
    ("[FINGERPRINT]", r"SHA256:(?<redacted>[A-Za-z0-9+/]{43})"),
    ("[DIGEST]", r"(?<redacted>\b[0-9a-f]{64}\b)"),
    ("[ID]", r"(?<redacted>\b[0-9a-f]{32}\b)"),
    ("[TIME]", r"(?<redacted>\b20\d\d-\d\d-\d\dT\d\d:\d\d:\d\dZ)"),
    ("[DATE]", r"(?<redacted>\b20\d\d-\d\d-\d\d\b)"),
    ("[PID]", r"\bpid (?<redacted>\d+)"),
];

#[test]
fn every_case_of_vaultgen_ends_as_its_file_says() {
    if machine::has(&NEEDS) {
        play_files(&files("vaultgen"));
    }
}

#[test]
fn every_case_of_vaultd_ends_as_its_file_says() {
    if machine::has(&NEEDS) && machine::has(&MOUNTING) {
        play_files(&files("vaultd"));
    }
}

#[test]
fn every_case_of_deploy_ends_as_its_file_says() {
    if machine::has(&NEEDS) {
        play_files(&files("deploy"));
    }
}

fn play_files(files: &[PathBuf]) {
    let texts: Vec<String> = files.iter().map(|file| fs::read_to_string(file).expect("cases")).collect();
    let transcripts: Vec<_> = texts.iter().map(|text| Transcript::parse(text)).collect();
    let mut outcomes = play(transcripts.iter().flat_map(|transcript| &transcript.cases)).into_iter();
    let assert = Assert::new().action_env(DEFAULT_ACTION_ENV).normalize_paths(false);
    let differences = files.iter().zip(&transcripts).filter_map(|(file, transcript)| {
        let outcomes: Vec<_> = outcomes.by_ref().take(transcript.cases.len()).collect();
        let actual = transcript.render(outcomes.iter().map(Vec::as_slice));
        let expected = Data::read_from(file, None);
        assert.try_eq(Some(&file.display()), actual.into(), expected).err()
    });
    let differences: Vec<_> = differences.map(|difference| difference.to_string()).collect();
    assert!(differences.is_empty(), "{}", differences.join("\n"));
}

/// Each verb works once, refuses once, and says once what is wrong with its arguments.
#[test]
fn every_verb_has_its_cases() {
    let listed = [("vaultd", listed_verbs(&vaultd)), ("deploy", listed_verbs(&deploy))];
    for (program, verbs) in listed.into_iter().chain([("vaultgen", verbs())]) {
        expect_cases(program, &verbs);
    }
}

/// `deploy`, as built in this workspace.
fn deploy() -> Run {
    program(odbox("deploy").to_str().expect("a path that is text"))
}

fn expect_cases(program: &str, verbs: &[String]) {
    let texts = files(program).into_iter().map(|file| fs::read_to_string(file).expect("cases"));
    let runs: Vec<_> = texts.flat_map(|text| transcript::runs(&text, program)).collect();
    assert!(verbs.len() > 3, "{verbs:?}");
    for verb in verbs {
        let of_verb = |words: &str| {
            words.strip_prefix(verb.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
        };
        let statuses: BTreeSet<i32> =
            runs.iter().filter(|(words, _)| of_verb(words)).map(|(_, status)| *status).collect();
        // Nothing can go wrong with what is only printed.
        let expected = if verb == "completions" { [0, 2].as_slice() } else { &[0, 1, 2] };
        assert_eq!(Vec::from_iter(statuses), expected, "exit statuses of the cases of `{program} {verb}`");
    }
}

/// The verbs and their own verbs, as the manual has a page for each.
fn verbs() -> Vec<String> {
    let folder = tree::folder();
    vaultgen().arg("man").arg(folder.path()).succeeds();
    let pages = fs::read_dir(folder.path()).expect("pages").map(|page| page.expect("a page").file_name());
    let pages = pages.map(|page| page.into_string().expect("text"));
    let verbs = pages.filter_map(|page| Some(page.strip_prefix("vaultgen-")?.strip_suffix(".1")?.to_owned()));
    let verbs: Vec<String> = verbs.map(|verb| verb_of_page(&verb)).collect();
    let has_own = |verb: &String| verbs.iter().any(|other| other.starts_with(&format!("{verb} ")));
    verbs.iter().filter(|verb| !has_own(verb)).cloned().collect()
}

/// Those that its help lists, and their own verbs.
fn listed_verbs(program: &dyn Fn() -> Run) -> Vec<String> {
    let listed = |words: &[&str]| -> Vec<String> {
        let help = program().args(words).arg("--help").succeeds().text();
        let lines = help.lines().skip_while(|line| *line != "Commands:").skip(1);
        let names =
            lines.take_while(|line| !line.is_empty()).filter_map(|line| line.split_whitespace().next());
        names.filter(|name| *name != "help").map(str::to_owned).collect()
    };
    let own = |verb: String| match listed(&[&verb]) {
        own if own.is_empty() => vec![verb],
        own => own.iter().map(|own| format!("{verb} {own}")).collect(),
    };
    listed(&[]).into_iter().flat_map(own).collect()
}

/// `machine-add` is a verb of `machine`, `odoo-admin` is one verb.
fn verb_of_page(page: &str) -> String {
    const WITH_VERBS: [&str; 4] = ["git", "machine", "recipients", "signers"];
    match page.split_once('-') {
        Some((verb, own)) if WITH_VERBS.contains(&verb) => format!("{verb} {own}"),
        _ => page.to_owned(),
    }
}

/// The files with the cases of a program.
fn files(program: &str) -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases");
    let entries = fs::read_dir(folder).expect("cases").map(|entry| entry.expect("a file").path());
    let program_of = |path: &Path| {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let others = ["vaultd", "deploy"].into_iter();
        others.into_iter().find(|other| name.starts_with(other)).unwrap_or("vaultgen")
    };
    let files = entries.filter(|path| path.extension().is_some_and(|end| end == "txt"));
    let mut files: Vec<_> = files.filter(|path| program_of(path) == program).collect();
    files.sort();
    files
}

/// Plays all cases, several at once, and gives back what each command led to, in the same order.
fn play<'a>(cases: impl Iterator<Item = &'a Case>) -> Vec<Vec<String>> {
    let cases: Vec<_> = cases.collect();
    let redactions = redactions();
    let outcomes = Mutex::new(vec![Vec::new(); cases.len()]);
    let next = Mutex::new(cases.iter().enumerate());
    thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let Some((index, case)) = next.lock().expect("cases").next() else { return };
                    let stage = Stage::set(&case.scene);
                    let outcome = case.commands.iter().map(|command| redactions.redact(&stage.run(command)));
                    let outcome = outcome.collect();
                    outcomes.lock().expect("outcomes")[index] = outcome;
                }
            });
        }
    });
    outcomes.into_inner().expect("outcomes")
}

fn redactions() -> Redactions {
    let mut redactions = Redactions::new();
    for (name, pattern) in VARIABLE {
        let pattern = Regex::new(pattern).expect("a regular expression");
        redactions.insert(name, pattern).expect("a name in brackets");
    }
    redactions
}
