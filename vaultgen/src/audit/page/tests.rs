//! The page of a report that somebody hostile had a hand in.

use std::collections::BTreeSet;

use vault_format::audit::{Code, Finding, Grade, Place};

use super::render;
use crate::audit::report::{
    AllowedFinding, CommitFacts, PersonFacts, Question, Report, Scope, Step, Trust, VaultReport, Verdict,
};

const HOSTILE: &str = "<script>alert(1)</script>\"'><img src=x onerror=y>]]>\u{202e}\u{1b}[2J";

fn person() -> PersonFacts {
    let at = "2026-03-01T12:00:00Z".parse().expect("a moment");
    PersonFacts { name: HOSTILE.to_owned(), email: HOSTILE.to_owned(), at }
}

fn step() -> Step {
    let commit = CommitFacts {
        id: "0123456789abcdef0123456789abcdef01234567".to_owned(),
        author: person(),
        committer: person(),
        subject: HOSTILE.repeat(100),
    };
    Step {
        commit: Some(commit),
        main_line: true,
        merge: false,
        verdict: Verdict::Unsound,
        problems: vec![HOSTILE.to_owned()],
        serial: Some(1),
        lock_sha256: None,
        signer: None,
        signer_trusted: false,
        signed_by_committer: false,
        follows: false,
        changes: Vec::new(),
    }
}

fn report() -> Report {
    let place = || Place { path: HOSTILE.to_owned(), line: Some(1), commit: Some(HOSTILE.to_owned()) };
    let finding = |code: &Code| Finding::new(*code, Grade::Proved, place(), HOSTILE);
    Report {
        made: "2026-11-30T12:00:00Z".parse().expect("a moment"),
        question: Question {
            scope: Scope::Range { name: HOSTILE.to_owned(), from: String::new(), to: String::new() },
            secret: None,
            at: None,
            shallow: true,
        },
        trust: Trust { from_outside: false, statement: "anchored here", signers: Vec::new() },
        vaults: vec![VaultReport {
            path: HOSTILE.to_owned(),
            verdict: Verdict::Unsound,
            signer: None,
            commit: None,
            state: None,
            history: vec![step()],
            access: None,
        }],
        findings: Code::ALL.iter().map(finding).collect(),
        allowed: vec![AllowedFinding {
            finding: finding(&Code::Fork),
            reason: HOSTILE.to_owned(),
            until: "2027-01-01".to_owned(),
        }],
        notes: vec![HOSTILE.to_owned()],
    }
}

#[test]
fn nothing_of_what_a_report_says_becomes_a_tag() {
    let page = render(&report()).expect("a page");
    for dangerous in ["<script", "<img", "onerror=y>", "\u{202e}", "\u{1b}"] {
        assert!(!page.contains(dangerous), "{dangerous:?}");
    }
    for code in Code::ALL {
        assert!(page.contains(code.word()), "{code}");
    }
    assert!(page.contains("Content-Security-Policy") && page.contains("default-src 'none'"));
}

#[test]
fn each_link_leads_somewhere_and_each_id_is_there_once() {
    let page = render(&report()).expect("a page");
    let values = |start: &str| -> Vec<String> {
        let parts = page.split(start).skip(1);
        parts.filter_map(|part| part.split('"').next()).map(str::to_owned).collect()
    };
    let ids = values(" id=\"");
    let unique: BTreeSet<&String> = ids.iter().collect();
    assert_eq!(ids.len(), unique.len());
    for link in values("href=\"#") {
        assert!(unique.contains(&link), "#{link}");
    }
}
