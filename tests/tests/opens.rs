//! What `vaultd` makes of `services`, and what it records, where no system manager tells where a service is and no
//! journal takes a record: nobody gets what is only for services, and records are lines on standard error.

use std::{
    fs,
    process::{Child, Stdio},
};

use fixtures::{
    command::{Run, program, vaultd},
    machine::{
        self,
        Need::{self, Fuse, Program, Root},
    },
    mount::{MountPoint, wait_for},
    vault::{Vault, VaultBuilder},
};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

const NEEDS: [Need; 5] = [Root, Fuse, Program("unshare"), Program("nsenter"), Program("umount")];

/// Starts what follows where nothing of systemd can be found.
const WITHOUT_SYSTEMD: &str = "[ ! -d /run/systemd ] || mount -t tmpfs tmpfs /run/systemd; exec \"$@\"";

/// A vault that is served in a mount namespace of its own.
struct Stand {
    vault: Vault,
    place: MountPoint,
    monitor: Child,
}

impl Stand {
    fn of(files: VaultBuilder) -> Self {
        let (vault, place) = (files.build(), MountPoint::new());
        let mount =
            vaultd().args(["mount", "--vault"]).arg(vault.path()).arg("--identity").arg(vault.identity());
        let mount = mount.arg("--allowed-signers").arg(vault.signers()).arg("--state").arg(place.state());
        let mount = mount.arg(place.path()).under(["unshare", "--mount", "sh", "-c", WITHOUT_SYSTEMD, "sh"]);
        let errors = fs::File::create(vault.beside("errors")).expect("a file");
        let monitor = mount.command().stdin(Stdio::null()).stderr(errors).spawn().expect("vaultd");
        let stand = Self { vault, place, monitor };
        wait_for("a mount", || stand.ask("status").run().status == Some(0));
        // The monitor itself has a look whether its files are readable, and opens none of them.
        assert_eq!(stand.status()["opens"], 0);
        stand
    }

    /// Has a program run where the mount is.
    fn there(&self, run: Run) -> Run {
        run.under(["nsenter", "-m", "-t", &self.monitor.id().to_string()])
    }

    fn ask(&self, verb: &str) -> Run {
        self.there(self.place.ask(verb))
    }

    fn cat(&self, name: &str) -> Run {
        self.there(program("cat").arg(self.place.join(name)))
    }

    fn status(&self) -> Value {
        let status = self.ask("status").arg("--json").succeeds();
        serde_json::from_slice(&status.output).expect("JSON")
    }

    fn records(&self) -> Vec<String> {
        let errors = fs::read_to_string(self.vault.beside("errors")).expect("errors");
        let records = errors.lines().filter(|line| line.starts_with("vaultd: open "));
        records.map(str::to_owned).collect()
    }

    /// Unmounts, and tells all that was recorded.
    fn end(mut self) -> Vec<String> {
        self.ask("unmount").succeeds();
        self.monitor.wait().expect("an end");
        self.records()
    }
}

/// The value of a field of a record.
fn field<'a>(record: &'a str, name: &str) -> Option<&'a str> {
    let value = record.split(' ').find_map(|word| word.strip_prefix(&format!("{name}=")));
    value.map(|value| value.trim_matches('"'))
}

/// How often something was opened or denied, but for what may have been told before.
fn sum(records: &[String], decision: &str) -> u64 {
    let of = records
        .iter()
        .filter(|record| field(record, "decision") == Some(decision) && field(record, "again").is_none());
    of.map(|record| field(record, "count").and_then(|count| count.parse::<u64>().ok()).expect("a count"))
        .sum()
}

fn files() -> VaultBuilder {
    let plain = Vault::with("plain", "p").readable("0", "0", "0444");
    plain.and("ruled", "r").readable("0", "0", "0444").policy("services = [\"a.service\", \"b.service\"]")
}

#[test]
fn nobody_gets_what_is_for_services_that_nobody_knows() {
    if !machine::has(&NEEDS) {
        return;
    }
    let stand = Stand::of(files());
    stand.cat("plain").succeeds();
    for _ in 0..2 {
        let denied = stand.cat("ruled").exits(1);
        assert!(denied.errors.contains("Permission denied"), "{denied}");
    }
    // It can be seen all the same.
    stand.there(program("stat").arg(stand.place.join("ruled"))).succeeds();
    let status = stand.status();
    assert_eq!((&status["opens"], &status["denied"]), (&1.into(), &2.into()));

    let records = stand.end();
    assert_eq!((sum(&records, "allowed"), sum(&records, "denied")), (1, 2), "{records:#?}");
    let cat = fs::canonicalize(machine::program("cat").expect("cat")).expect("a path");
    for record in &records {
        assert_eq!(field(record, "exe"), cat.to_str(), "{record}");
        assert_eq!((field(record, "uid"), field(record, "gid")), (Some("0"), Some("0")), "{record}");
        assert_eq!(field(record, "generation"), Some("1"), "{record}");
        let (secret, reason) = (field(record, "secret"), field(record, "reason").expect("a reason"));
        match field(record, "decision") {
            Some("allowed") => assert_eq!((secret, reason), (Some("plain"), "mode"), "{record}"),
            _ => {
                assert_eq!(secret, Some("ruled"), "{record}");
                assert!(["no-system-manager", "unknown-process"].contains(&reason), "{record}");
            }
        }
    }
}

#[test]
fn a_changed_rule_holds_at_once() {
    if !machine::has(&NEEDS) {
        return;
    }
    let stand = Stand::of(files());
    stand.cat("plain").succeeds();
    let swapped = Vault::with("plain", "p").readable("0", "0", "0444").policy("services = [\"a.service\"]");
    swapped.and("ruled", "r").readable("0", "0", "0444").build_upon(&stand.vault);
    let reloaded = stand.ask("reload").succeeds();
    assert_eq!(reloaded.text(), "changed plain\nchanged ruled\n");
    stand.cat("ruled").succeeds();
    stand.cat("plain").exits(1);
    stand.end();
}

#[test]
fn a_burst_is_counted_and_nothing_is_lost_with_a_server() {
    const MANY: u64 = 2000;
    if !machine::has(&NEEDS) {
        return;
    }
    let stand = Stand::of(files());
    let open = "i=0; while [ $i -lt $2 ]; do : <\"$1\"; i=$((i+1)); done";
    let reader = || {
        let shell = program("sh").args(["-c", open, "sh"]).arg(stand.place.join("plain"));
        stand.there(shell.arg(MANY.to_string()))
    };
    reader().succeeds();
    assert_eq!(stand.status()["opens"], MANY);

    let server = || {
        let pid = stand.status()["server"]["pid"].as_i64();
        pid.and_then(|pid| Pid::from_raw(i32::try_from(pid).ok()?))
    };
    let mut reading = reader().command().spawn().expect("a reader");
    let mut killed = 0;
    while reading.try_wait().expect("a reader").is_none() {
        // It may be dying already.
        if server().is_some_and(|server| kill_process(server, Signal::KILL).is_ok()) {
            killed += 1;
        }
    }
    assert!(reading.wait().expect("an end").success(), "a reader saw {killed} servers die");
    assert!(killed > 0);
    let opens = stand.status()["opens"].as_u64().expect("a number");
    // A server that is killed between opening a file and counting it leaves that to nobody.
    assert!((2 * MANY - killed..=2 * MANY).contains(&opens), "{opens} opens, {killed} kills");
    let records = stand.end();
    assert_eq!(sum(&records, "allowed"), opens, "{records:#?}");
    assert!(
        records.len() < 200 + 10 * usize::try_from(killed).expect("a number"),
        "{} records",
        records.len()
    );
}

#[test]
fn opens_that_are_not_recorded_cannot_be_for_some() {
    if !machine::has(&NEEDS) {
        return;
    }
    let (vault, place) = (files().build(), MountPoint::new());
    let settings = vault.beside("vaultd.toml");
    fs::write(&settings, "record = \"off\"\n").expect("settings");
    let refused = place.mount(&vault).arg("--config").arg(&settings).exits(1);
    assert!(refused.errors.contains("only some services may open ruled"), "{refused}");
    assert!(refused.errors.contains("take `record` out of vaultd.toml"), "{refused}");
    assert!(!place.is_mounted());
}

#[test]
fn explain_tells_what_is_known() {
    if !machine::has(&NEEDS) {
        return;
    }
    let stand = Stand::of(files().and("mine", "m").readable("50001", "50002", "0440"));
    let explain = |words: &[&str]| stand.there(vaultd().arg("explain").args(words).arg(stand.place.path()));
    assert_eq!(
        explain(&["mine"]).succeeds().text(),
        "file      mine\nowner     50001, which has no name\ngroup     50002, which has no name\nmode      0440\n\
         it may be opened by root, its owner, its group\n"
    );
    let ruled = explain(&["ruled"]).succeeds();
    let untold =
        "services  a.service  unknown: the system manager does not tell\n          b.service  unknown";
    assert!(ruled.text().contains(untold), "{ruled}");
    for (user, may) in [("0", true), ("root", true), ("50001", true), ("50003", false)] {
        let told = explain(&["mine", "--user", user]).exits(if may { 0 } else { 1 });
        let may = if may { "may" } else { "may not" };
        assert!(told.text().contains(&format!("\n{user} {may} open it:\n- ")), "{told}");
    }
    let json = explain(&["ruled", "--user", "root", "--json"]).succeeds();
    let json: Value = serde_json::from_slice(&json.output).expect("JSON");
    assert_eq!((&json["allowed"], &json["owner"]["name"]), (&true.into(), &"root".into()));
    assert_eq!(
        (&json["services"][0]["unit"], &json["services"][0]["running"]),
        (&"a.service".into(), &Value::Null)
    );
    for (words, error) in [
        (["no", "--user", "root"], "no is not served"),
        (["ruled", "--user", "nobody-has-this"], "there is no user nobody-has-this"),
        (["ruled", "--unit", "a.service"], "the system manager does not tell what a.service is"),
    ] {
        explain(&words).exits(1).explains(error);
    }
    stand.end();
}
