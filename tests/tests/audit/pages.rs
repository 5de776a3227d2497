//! docs/audit.md, docs/controls.md and docs/ci.md, block by block, as an auditor types them.

use std::{
    fs,
    path::{Path, PathBuf},
};

use fixtures::{
    command::{Ended, Run, odbox, program, vaultgen},
    machine::{
        self,
        Need::{self, Program},
    },
    tree,
};
use regex::Regex;

use super::story::KEY;

const NEEDS: [Need; 5] =
    [Program("bash"), Program("git"), Program("age-keygen"), Program("ssh-keygen"), Program("journalctl")];
/// What the pages call the commit that took Bob out.
const COMMIT: &str = "3d646cd9cd";
const URL: &str = "git@example.org:company.git";

fn page(name: &str) -> String {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    fs::read_to_string(docs.join(name)).expect("a page")
}

/// The blocks of a page in this language.
fn blocks(page: &str, language: &str) -> Vec<String> {
    let fence = format!("```{language}\n");
    let blocks = page.split(&fence).skip(1).map(|rest| rest.split("```").next().expect("an end"));
    blocks.map(str::to_owned).collect()
}

/// A company's repository, and an auditor who knows where it is.
struct Scene {
    folder: tempfile::TempDir,
    /// The commit that took Bob out.
    commit: String,
}

impl Scene {
    fn new() -> Self {
        let mut scene = Self { folder: tree::folder(), commit: String::new() };
        for folder in ["company", "work", "home/.ssh", "runner"] {
            fs::create_dir_all(scene.join(folder)).expect("a folder");
        }
        scene.git(&["init", "-q", "-b", "main"]);
        scene.first_states();
        scene.bob();
        let key = program("openssl").args(["genpkey", "-algorithm", "ed25519"]).succeeds().output;
        fs::create_dir_all(scene.join("company/tests/keys")).expect("a folder");
        fs::write(scene.join("company/tests/keys/server.pem"), key).expect("a key");
        scene.vaultgen(&["revoke", KEY, "web-2"]);
        scene.commit("2026-05-05", "web-2 serves something else");
        scene.git(&["tag", "v2.1"]);
        fs::copy(scene.join("company/vault/allowed_signers"), scene.join("work/signers")).expect("a list");
        let own = scene.join("home/.ssh/id_ed25519");
        program("ssh-keygen").args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(own).succeeds();
        scene
    }

    fn first_states(&self) {
        self.vaultgen(&["init", "--batch"]);
        self.vaultgen(&["certs", "shop.example.org"]);
        self.commit("2026-01-12", "a vault");
        self.git(&["tag", "v2.0"]);
        for machine in ["web-1", "web-2"] {
            self.vaultgen(&["machine", "add", machine, "--profile", "none"]);
            self.vaultgen(&["grant", KEY, machine]);
        }
        self.commit("2026-02-02", "two machines");
    }

    fn bob(&mut self) {
        let identity = program("age-keygen").succeeds().text();
        let public = identity.lines().find_map(|line| line.strip_prefix("# public key: "));
        self.vaultgen(&["recipients", "add", "bob", public.expect("a public key")]);
        self.vaultgen(&["grant", KEY, "bob"]);
        self.commit("2026-03-04", "bob helps out");
        self.vaultgen(&["revoke", KEY, "bob"]);
        self.commit("2026-03-27", "thanks, bob");
        self.commit = self.git(&["rev-parse", "HEAD"]).text()[..COMMIT.len()].to_owned();
    }

    fn join(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn vaultgen(&self, arguments: &[&str]) {
        vaultgen().args(arguments).in_folder(self.join("company")).succeeds();
    }

    fn git(&self, arguments: &[&str]) -> Ended {
        program("git").args(arguments).in_folder(self.join("company")).succeeds()
    }

    fn commit(&self, day: &str, message: &str) {
        self.git(&["add", "-A"]);
        let dates = ["GIT_COMMITTER_DATE", "GIT_AUTHOR_DATE"].map(|name| format!("{name}={day}T12:00:00Z"));
        let alice = ["-c", "user.name=alice", "-c", "user.email=alice@example.org"];
        let git =
            program("git").args(alice).args(["commit", "-q", "-m", message]).in_folder(self.join("company"));
        git.under(["env"].into_iter().chain(dates.iter().map(String::as_str))).succeeds();
    }

    /// A block of a page, in the auditor's clone once there is one.
    fn runs(&self, block: &str) -> Run {
        let block = block.replace(COMMIT, &self.commit);
        let clone = self.join("work/company");
        let folder = if clone.is_dir() { clone } else { self.join("work") };
        let programs = odbox("vaultgen").parent().expect("a folder").display().to_string();
        let words = [
            "GIT_CONFIG_COUNT=1".to_owned(),
            format!("GIT_CONFIG_KEY_0=url.{}.insteadOf", self.join("company").display()),
            format!("GIT_CONFIG_VALUE_0={URL}"),
            format!("RUNNER_TEMP={}", self.join("runner").display()),
            format!("allowed_signers={}", self.join("work/signers").display()),
            format!("ODBOX_ALLOWED_SIGNERS={}", self.join("work/signers").display()),
            format!("SIGNERS={}", fs::read_to_string(self.join("work/signers")).expect("a list")),
            "CI_DEFAULT_BRANCH=main".to_owned(),
            "BASE=HEAD~1".to_owned(),
        ];
        let starter = ["sh", "-c", "PATH=\"$0:$PATH\" exec \"$@\"", &programs, "env"];
        let bash = program("bash").args(["-euo", "pipefail", "-c", &block]).in_folder(folder);
        bash.at_home(self.join("home")).under(starter.into_iter().map(str::to_owned).chain(words))
    }

    /// With the clone that the first block of docs/audit.md makes.
    fn cloned() -> Self {
        let scene = Self::new();
        scene.runs(&blocks(&page("audit.md"), "sh")[0]).succeeds();
        scene
    }

    /// The lists of docs/audit.md, which are to hold for longer than the page says.
    fn allow(&self) {
        let lists = blocks(&page("audit.md"), "toml").join("\n").replace("2027-01-01", "2099-01-01");
        fs::write(self.join("work/allow.toml"), lists).expect("a list");
    }
}

#[test]
fn auditing_a_vault() {
    if !machine::has(&NEEDS) {
        return;
    }
    let (scene, page) = (Scene::cloned(), page("audit.md"));
    scene.allow();
    let blocks = blocks(&page, "sh");
    assert_eq!(blocks.len(), 8);
    for block in &blocks[1..] {
        let run = scene.runs(block);
        if block.contains("--fail-on") {
            // Both entries of the list hold.
            let ended = run.succeeds();
            ended.says("allowed until 2099-01-01: plaintext-private-key");
            ended.says("allowed until 2099-01-01: known-to-removed-key").tells_nothing_of("  note: ");
        } else {
            run.succeeds();
        }
    }
    let written = [
        "audit.json",
        "secrets.csv",
        "findings.csv",
        "steps.csv",
        "access.csv",
        "findings.sarif",
        "report.html",
    ];
    for name in written {
        assert!(fs::metadata(scene.join("work/company").join(name)).expect(name).len() > 100, "{name}");
    }
}

/// The example is what is printed, but for keys, commits and the moment at which this test made the key.
#[test]
fn the_example_is_what_is_printed() {
    if !machine::has(&NEEDS) {
        return;
    }
    let scene = Scene::cloned();
    let example = blocks(&page("audit.md"), "console").remove(0);
    let (command, told) = example.split_once('\n').expect("a command");
    let printed = scene.runs(command.strip_prefix("$ ").expect("a prompt")).succeeds().text();
    let printed = printed.split_once("\n\n").expect("an answer, then findings").0;
    let alike = |text: &str| {
        let own = Regex::new(r"age1\w+|in [0-9a-f]{10}|SHA256:\S+|changed on: \S+").expect("a pattern");
        let mut lines: Vec<String> =
            text.lines().map(|line| own.replace_all(line, "…").into_owned()).collect();
        lines[1..].sort();
        lines
    };
    assert_eq!(alike(printed), alike(told.trim_end()));
}

#[test]
fn what_an_audit_serves() {
    if !machine::has(&NEEDS) {
        return;
    }
    let scene = Scene::cloned();
    scene.allow();
    let blocks = blocks(&page("controls.md"), "sh");
    let [journal, keep] = &blocks[..] else { panic!("{blocks:?}") };
    // This machine's journal is nobody's business: an empty one has the same flags.
    fs::create_dir(scene.join("journal")).expect("a folder");
    let empty = format!(
        "journalctl() {{ command journalctl --directory={} \"$@\"; }}\n{journal}",
        scene.join("journal").display()
    );
    scene.runs(&empty).succeeds();
    scene.runs(keep).succeeds();
    let check = program("sha256sum").args(["--check", "--strict", "SHA256SUMS"]);
    check.in_folder(scene.join("work/evidence")).succeeds().says("audit.html: OK");
}

#[test]
fn checking_a_vault_in_ci() {
    if !machine::has(&NEEDS) {
        return;
    }
    let (scene, page) = (Scene::cloned(), page("ci.md"));
    let blocks = blocks(&page, "sh");
    let [check, before] = &blocks[..] else { panic!("{blocks:?}") };
    scene.runs(check).exits(1).says("sound: ").explains(" of severity high or above");
    scene.runs(before).succeeds();
    let gitlab: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("    - ")).collect();
    scene.runs(&gitlab.join("\n")).exits(1).explains(" of severity high or above");
    assert!(scene.join("work/company/vault.json").is_file());
}

#[test]
fn the_workflow_of_github() {
    if !machine::has(&NEEDS) {
        return;
    }
    let (scene, workflow) = (Scene::cloned(), page("ci/github-workflow.yml"));
    let steps: Vec<String> = workflow.split("- name: ").filter_map(script).collect();
    let [install, signers, verify, audit] = &steps[..] else { panic!("{steps:#?}") };
    assert!(install.starts_with("cargo install --locked "));
    scene.runs(signers).succeeds();
    scene.runs(verify).succeeds().says("sound: ");
    scene.runs(audit).exits(1).explains(" of severity high or above").says("web-2 can decrypt new states");
    assert!(scene.join("work/company/vault.sarif").is_file());
}

/// What a step of the workflow runs, on the same line or below it.
fn script(step: &str) -> Option<String> {
    let rest = step.split_once(" run: ")?.1;
    let (first, below) = rest.split_once('\n').unwrap_or((rest, ""));
    let lines = below.lines().take_while(|line| line.starts_with("          "));
    Some(if first == "|" { lines.collect::<Vec<_>>().join("\n") } else { first.to_owned() })
}
