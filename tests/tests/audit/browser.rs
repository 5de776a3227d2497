//! The page of a report, in a browser.

use std::{fs, path::Path};

use fixtures::{
    command::{Run, program},
    machine::{self, Need::Program},
    tree,
};

use super::{NEEDS, scene::Repository};

/// A browser without a window, that asks nobody for anything.
fn chromium(profile: &Path) -> Run {
    let quiet = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
    ];
    program("chromium").args(quiet).arg(format!("--user-data-dir={}", profile.display()))
}

#[test]
fn the_page_is_shown_and_printed() {
    if !machine::has(&NEEDS) || !machine::has(&[Program("chromium")]) {
        return;
    }
    let repository = Repository::new();
    repository.vaultgen(&["init", "--batch"]);
    repository.vaultgen(&["machine", "add", "web-1"]);
    repository.git(&["add", "-A"]).succeeds();
    repository.git(&["commit", "-q", "-m", "<b>a vault</b>"]).succeeds();
    repository.audit(&["--html", "page.html", "--quiet"]).succeeds();
    let (page, profile) = (repository.join("page.html"), tree::folder());
    let address = format!("file://{}", page.display());

    let shown = chromium(profile.path()).args(["--dump-dom", &address]).succeeds();
    shown.says("passwords/root.txt").says("web-1").says("&lt;b&gt;a vault&lt;/b&gt;");

    let paper = repository.join("page.pdf");
    let print = format!("--print-to-pdf={}", paper.display());
    chromium(profile.path()).args([&print, "--no-pdf-header-footer", &address]).succeeds();
    assert!(fs::read(&paper).expect("a document").starts_with(b"%PDF-"));
}
