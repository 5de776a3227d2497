//! docs/findings.md explains each finding, once, and the other pages on auditing name no others.

use std::{collections::BTreeSet, fs, path::PathBuf};

use regex::Regex;
use vault_format::audit::{Code, Severity};

fn page(name: &str) -> String {
    let path = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../docs")).join(name);
    fs::read_to_string(path).expect("a page")
}

#[test]
fn each_code_has_a_section_with_its_severity_and_an_example() {
    let page = page("findings.md");
    let sections: Vec<(&str, &str)> = page
        .split("\n## ")
        .skip(1)
        .map(|section| section.split_once('\n').expect("a heading and a text"))
        .collect();
    let titles: Vec<&str> = sections.iter().map(|(title, _)| *title).collect();
    let unique: BTreeSet<&str> = titles.iter().copied().collect();
    let codes: BTreeSet<&str> = Code::ALL.iter().map(|code| code.word()).collect();
    assert_eq!((unique.len(), &unique), (titles.len(), &codes));
    for (title, text) in sections {
        let code = Code::ALL.iter().find(|code| code.word() == title).expect("a code");
        let line = text.lines().find_map(|line| line.strip_prefix("Severity: ")).expect("a severity");
        let named = line.split([',', '.']).next().unwrap_or_default();
        assert_eq!(named.parse::<Severity>(), Ok(code.severity()), "{title}");
        for part in ["Found as: ", "**What to do.** ", "**May be let be.** "] {
            assert!(text.contains(part), "{title} lacks {part}");
        }
        // As `vaultgen audit` prints it.
        let example = format!("```text\n  {:8} {title} ", code.severity());
        assert!(text.contains(&example), "{title}: {example}");
    }
}

#[test]
fn links_to_findings_lead_somewhere() {
    let link = Regex::new(r"\((?:findings\.md)?#([a-z0-9-]+)\)").expect("a pattern");
    let known: BTreeSet<&str> = Code::ALL.iter().map(|code| code.word()).collect();
    for (name, pattern) in [("controls.md", r"findings\.md#"), ("findings.md", r"\(#")] {
        let page = page(name);
        let begins = Regex::new(pattern).expect("a pattern");
        assert!(begins.is_match(&page), "{name} links to no finding");
        for found in link.captures_iter(&page) {
            assert!(known.contains(&found[1]), "{name}: {}", &found[1]);
        }
    }
}
