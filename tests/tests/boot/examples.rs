//! What `docs/services.md` shows, taken from there.

use std::{collections::BTreeMap, fs, path::Path};

use crate::machine::Machine;
use crate::operator::{POLICY, TOKEN};

/// A program that stays for as long as it is wanted, and says at its start, when it is told to reload, and at its end
/// whether its secret is what it should be. It also keeps the file open. It starts no program to read, since all of a
/// service that is stopped are told to end, also those that begin then.
const CONSUMER: &str = r#"#!/bin/sh
case $1 in --token-file | --config) ;; *) exit 64 ;; esac
check() {
    secret=
    while IFS= read -r line || [ -n "$line" ]; do
        case $line in '['*) ;; 'token = '*) secret=${line#token = } ;; *) secret=$line ;; esac
    done <"$file"
    IFS= read -r expected </etc/expected
    [ "$secret" = "$expected" ] || { echo "consumer: wrong or no secret"; exit 1; }
    echo "consumer: $1"
}
file=$2
trap 'check "had it to the end"; exit 0' TERM
trap 'check "has the new one"' HUP
exec 3<"$file"
check "has it"
while :; do sleep infinity & wait; done
"#;

/// Where the page's units go.
const UNITS: &str = "/etc/systemd/system/";

/// A file that the page shows, or a part of it.
struct Block {
    path: String,
    text: String,
}

fn blocks() -> Vec<Block> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/services.md");
    let page = fs::read_to_string(page).expect("docs/services.md");
    let fenced = page.split("\n```").skip(1).step_by(2);
    let block = |text: &str| {
        let (_, text) = text.split_once('\n').expect("a language");
        let (path, text) = text.strip_prefix("# ")?.split_once('\n').expect("a path");
        Some(Block { path: path.to_owned(), text: format!("{text}\n") })
    };
    fenced.filter_map(block).collect()
}

/// The tables of the policy that the page shows, each with all that is said of it.
fn tables() -> BTreeMap<String, String> {
    let mut tables = BTreeMap::<String, String>::new();
    for Block { text, .. } in blocks().into_iter().filter(|block| block.path == "vault.toml") {
        let (header, lines) = text.split_once('\n').expect("a table");
        tables.entry(header.to_owned()).or_default().push_str(lines);
    }
    tables
}

impl Machine {
    /// Makes the users of the examples.
    pub fn add_users(&self) {
        for user in ["billing", "shop", "mailer"] {
            self.run(&format!("useradd --system {user}"));
        }
    }

    /// Makes the policy and the templates what the page shows, and brings that.
    pub fn follow_the_page(&self) {
        let mut policy = self.run(&format!("cat {POLICY}"));
        let start = policy.find(&format!("[secret.\"{TOKEN}\"]")).expect("the secret");
        let end = policy[start..].find("\n[").map_or(policy.len(), |length| start + length);
        policy.replace_range(start..end, "");
        for (header, lines) in tables() {
            policy.push_str(&format!("\n{header}\n{lines}"));
        }
        self.write(POLICY, &policy);
        for Block { path, text } in blocks() {
            if path.starts_with("templates/") {
                self.write(&format!("/root/vault/{path}"), &text);
            } else if path.starts_with("/etc/vaultd/") {
                self.write(&path, &text);
            }
        }
        self.run("vaultgen sign --yes --quiet --vault /root/vault");
        self.bring_vault();
    }

    /// Installs and enables each example, several times under several names, and tells their names.
    pub fn install_examples(&self, times: usize, expected: &str) -> Vec<String> {
        self.write("/etc/expected", expected);
        let mut units = Vec::new();
        for Block { path, text } in blocks() {
            let Some(name) = path.strip_prefix(UNITS).and_then(|unit| unit.strip_suffix(".service")) else {
                continue;
            };
            let program = format!("/usr/local/bin/{name}");
            self.write(&program, CONSUMER);
            self.run(&format!("chmod 0755 {program}"));
            for number in 1..=times {
                let unit = match number {
                    1 => format!("{name}.service"),
                    number => format!("{name}-{number}.service"),
                };
                self.write(&format!("{UNITS}{unit}"), &text);
                units.push(unit);
            }
        }
        assert_eq!(units.len(), 6 * times, "{units:?}");
        self.run(&format!("systemctl daemon-reload; systemctl enable --quiet {}", units.join(" ")));
        units
    }
}
