//! What Prometheus makes of `vaultd status --format prometheus`, and of the alerts that come with it.

use std::{collections::BTreeSet, fs, path::PathBuf};

use fixtures::{
    command::{Ended, program, vaultd},
    machine::{
        self,
        Need::{self, Fuse, Program, Root},
    },
    mount::MountPoint,
    vault::Vault,
};

const NEEDS: [Need; 4] = [Root, Fuse, Program("umount"), Program("promtool")];

/// What `promtool` has nothing against, as its lines without comments.
#[track_caller]
fn metrics(ended: &Ended) -> Vec<String> {
    assert_eq!(ended.status, Some(0), "{ended}");
    let checked = program("promtool").args(["check", "metrics"]).input(ended.output.clone()).succeeds();
    assert_eq!((checked.text(), checked.errors.as_str()), (String::new(), ""), "{ended}");
    let text = ended.text();
    text.lines().filter(|line| !line.starts_with('#')).map(str::to_owned).collect()
}

fn ask(place: &MountPoint) -> Ended {
    place.ask("status").args(["--format", "prometheus"]).run()
}

fn alerts(file: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../vaultd/monitoring").join(file)
}

/// The names that stand before `{`, white space or an operator, and begin with `vaultd_`.
fn names(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
    words.filter(|word| word.starts_with("vaultd_")).collect()
}

#[test]
fn says_what_is_served() {
    if !machine::has(&NEEDS) {
        return;
    }
    let files = Vault::with("b", "1").and("a/ends", "2").policy("expires = 2126-03-01");
    let vault = files.and("c", "3").policy("rotate-after = \"1ns\"").build();
    let place = MountPoint::serving(&vault);
    fs::read(place.join("b")).expect("a secret");
    let found = metrics(&ask(&place));
    let path = place.path().display().to_string();
    let has = |name: &str, labels: &str, value: &str| {
        let line = match labels {
            "" => format!("vaultd_{name}{{mountpoint=\"{path}\"}} {value}"),
            labels => format!(
                "vaultd_{name}{{{}}} {value}",
                labels.replace("<mountpoint>", &format!("mountpoint=\"{path}\""))
            ),
        };
        assert!(found.contains(&line), "no {line} in {found:#?}");
    };
    for (name, value) in [
        ("up", "1"),
        ("mounted", "1"),
        ("server_up", "1"),
        ("generation", "1"),
        ("serial", "1"),
        ("unsigned", "0"),
        ("fallback", "0"),
        ("refused", "0"),
        ("secrets", "3"),
        ("due", "1"),
        ("server_restarts_total", "0"),
    ] {
        has(name, "", value);
    }
    has("opens_total", "decision=\"allowed\",<mountpoint>", "1");
    has("opens_total", "decision=\"denied\",<mountpoint>", "0");
    has("secret_due_timestamp_seconds", "secret=\"a/ends\",what=\"expiry\",<mountpoint>", "4927996800");
    let json: serde_json::Value =
        serde_json::from_slice(&place.ask("status").arg("--json").succeeds().output).expect("JSON");
    let id = json["vault_id"].as_str().expect("an id");
    let info =
        format!("signer=\"operator\",vault=\"{}\",vault_id=\"{id}\",<mountpoint>", vault.path().display());
    has("info", &info, "1");
    assert_eq!(json["ends"].as_array().map(Vec::len), Some(2), "{json}");
    assert_eq!(found.iter().filter(|line| line.starts_with("vaultd_feature{feature=")).count(), 4);
}

#[test]
fn says_that_a_state_was_refused() {
    if !machine::has(&NEEDS) {
        return;
    }
    let vault = Vault::with("a", "1").build();
    let place = MountPoint::serving(&vault);
    vault.damage("a.age");
    place.ask("reload").exits(1);
    let is = |name: &str, value: u8| {
        let line = format!("vaultd_{name}{{mountpoint=\"{}\"}} {value}", place.path().display());
        assert!(metrics(&ask(&place)).contains(&line), "{line}");
    };
    is("refused", 1);
    is("fallback", 0);
    place.ask("unmount").succeeds();
    place.wait_until_unserved();
    place.mount(&vault).succeeds();
    is("refused", 1);
    is("fallback", 1);
}

#[test]
fn says_that_nothing_is_served() {
    if !machine::has(&NEEDS) {
        return;
    }
    let vault = Vault::with("a", "1").build();
    let place = MountPoint::new();
    let state = |up: u8, mounted: u8| {
        let path = place.path().display().to_string();
        [
            format!("vaultd_mounted{{mountpoint=\"{path}\"}} {mounted}"),
            format!("vaultd_up{{mountpoint=\"{path}\"}} {up}"),
        ]
    };
    assert_eq!(metrics(&ask(&place)), state(0, 0));
    place.mount(&vault).succeeds();
    place.kill_monitor();
    place.wait_until_dead();
    assert_eq!(metrics(&ask(&place)), state(0, 1));
    place.ask("unmount").succeeds();
    assert_eq!(metrics(&ask(&place)), state(0, 0));
    // Where the vault would be is not even a folder.
    let missing = vaultd().args(["status", "--format", "prometheus", "/nowhere"]).run();
    assert!(metrics(&missing).contains(&"vaultd_up{mountpoint=\"/nowhere\"} 0".to_owned()), "{missing}");
    // What is not to be known is a failure: somebody else's mount.
    vaultd().args(["status", "--format", "prometheus", "/proc"]).exits(1).says("/proc is not a vault");
}

#[test]
fn a_label_is_one_whatever_the_mount_point_is_called() {
    if !machine::has(&NEEDS) {
        return;
    }
    let folder = fixtures::tree::folder();
    let path = folder.path().join("a \"b\"\\n");
    let run = vaultd().args(["status", "--format", "prometheus"]).arg(&path).run();
    let found = metrics(&run);
    let path = folder.path().display();
    assert!(found.contains(&format!(r#"vaultd_up{{mountpoint="{path}/a \"b\"\\n"}} 0"#)), "{found:?}");
}

#[test]
fn alerts_come_when_they_should() {
    if !machine::has(&[Program("promtool")]) {
        return;
    }
    let rules = alerts("vaultd.rules.yml");
    program("promtool").args(["check", "rules", "--lint=all", "--lint-fatal"]).arg(&rules).succeeds();
    program("promtool").args(["test", "rules"]).arg(alerts("vaultd.test.yml")).succeeds();
    let text = |file| fs::read_to_string(alerts(file)).expect(file);
    let (rules, tests) = (text("vaultd.rules.yml"), text("vaultd.test.yml"));
    let named = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: "));
    let untested: Vec<_> = named.filter(|name| !tests.contains(&format!("alertname: {name}\n"))).collect();
    assert!(untested.is_empty(), "{untested:?}");
}

#[test]
fn alerts_are_about_what_is_written() {
    if !machine::has(&NEEDS) {
        return;
    }
    let place = MountPoint::serving(&Vault::with("a", "1").policy("expires = 2126-03-01").build());
    let written = ask(&place).text();
    let written = names(&written);
    for file in ["../vaultd/monitoring/vaultd.rules.yml", "../docs/monitoring.md"] {
        let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(file);
        let text = fs::read_to_string(&file).expect("a file of the repository");
        let unknown: Vec<_> = names(&text).difference(&written).copied().collect();
        assert!(unknown.is_empty(), "{}: {unknown:?}", file.display());
    }
    let page = fs::read_to_string(alerts("../../docs/monitoring.md")).expect("a page");
    let untold: Vec<_> = written.difference(&names(&page)).copied().collect();
    assert!(untold.is_empty(), "docs/monitoring.md tells nothing of {untold:?}");
}
