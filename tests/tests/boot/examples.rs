//! The units that `docs/systemd.md` shows, taken from there.

use std::{fs, path::Path};

use crate::machine::Machine;

/// A program that stays for as long as it is wanted, and says at its start and its end whether its secret is what
/// it should be. It also keeps the file open. It starts no program to read, since all of a service that is stopped
/// are told to end, also those that begin then.
const CONSUMER: &str = r#"#!/bin/sh
[ "$1" = --token-file ] || exit 64
check() {
    IFS= read -r secret <"$file"
    IFS= read -r expected </etc/expected
    [ "$secret" = "$expected" ] || { echo "consumer: wrong or no secret"; exit 1; }
    echo "consumer: $1"
}
file=$2
trap 'check "had it to the end"; exit 0' TERM
exec 3<"$file"
check "has it"
while :; do sleep infinity & wait; done
"#;

/// A unit of the page: its name, and what is in it.
pub struct Example {
    name: String,
    text: String,
}

/// All of them.
pub fn examples() -> Vec<Example> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/systemd.md");
    let page = fs::read_to_string(page).expect("docs/systemd.md");
    let blocks = page.split("```ini\n# /etc/systemd/system/").skip(1);
    let example = |block: &str| {
        let block = block.split("```").next().expect("an end");
        let (name, text) = block.split_once(".service\n").expect("the name of a service");
        Example { name: name.to_owned(), text: text.to_owned() }
    };
    blocks.map(example).collect()
}

impl Machine {
    /// Makes the user of the examples.
    pub fn add_billing(&self) {
        self.run("useradd --system billing");
    }

    /// Installs and enables each example, several times under several names, and tells their names.
    pub fn install_examples(&self, times: usize, expected: &str) -> Vec<String> {
        self.write("/etc/expected", expected);
        let mut units = Vec::new();
        for Example { name, text } in examples() {
            let program = format!("/usr/local/bin/{name}");
            self.write(&program, CONSUMER);
            self.run(&format!("chmod 0755 {program}"));
            for number in 1..=times {
                let unit = format!("{name}-{number}.service");
                self.write(&format!("/etc/systemd/system/{unit}"), &text);
                units.push(unit);
            }
        }
        self.run(&format!("systemctl daemon-reload; systemctl enable --quiet {}", units.join(" ")));
        units
    }
}
