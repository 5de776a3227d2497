//! The page of an audit in a real browser: on a screen, on paper, and on a phone.

use std::{
    fs,
    path::{Path, PathBuf},
};

use fixtures::{
    command::{Ended, program, vaultgen},
    machine::{
        self,
        Need::{self, Program},
    },
    tree,
    vault::Vault,
};
use tempfile::TempDir;

const NEEDS: [Need; 2] = [Program("git"), Program("chromium")];
/// It is to start without a display, and to ask nobody for anything.
const ALONE: [&str; 8] = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
];
const PHONE: usize = 400;
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'";

/// A repository with a vault of two states, and the page about it.
struct Scene {
    vault: Vault,
    folder: TempDir,
}

impl Scene {
    fn new() -> Self {
        let vault = Vault::with("certs/one.pem", "one")
            .and("passwords/root.txt", "two")
            .and("a-token-with-a-long-name-that-has-no-place-to-break-in-it-and-goes-on", "three")
            .build()
            .trusted();
        let scene = Self { vault, folder: tree::folder() };
        scene.git(&["init", "-q", "-b", "main"]);
        scene.commit("the first <b>state</b>");
        fs::write(scene.vault.beside("text"), "another").expect("a file");
        scene.commit("the second");
        let audit = vaultgen().args(["audit", "--html"]).arg(scene.page());
        audit.in_folder(scene.vault.path()).succeeds();
        scene
    }

    fn git(&self, arguments: &[&str]) {
        let identity = ["-c", "user.name=Olivia Operator", "-c", "user.email=operator@example.org"];
        program("git").args(identity).args(arguments).in_folder(self.vault.path()).succeeds();
    }

    fn commit(&self, message: &str) {
        self.git(&["add", "-A"]);
        self.git(&["commit", "-q", "--allow-empty", "-m", message]);
    }

    fn join(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn page(&self) -> PathBuf {
        self.join("page.html")
    }

    /// Opens a page in a browser that knows nothing yet.
    fn browse(&self, page: &Path, arguments: &[&str]) -> Ended {
        let profile = tree::folder();
        let known = format!("--user-data-dir={}", profile.path().display());
        let address = format!("file://{}", page.display());
        let chromium = program("chromium").at_home(profile.path()).args(ALONE).arg(known);
        chromium.args(arguments).arg(address).succeeds()
    }
}

#[test]
fn a_browser_shows_every_secret_and_runs_nothing() {
    if !machine::has(&NEEDS) {
        return;
    }
    let scene = Scene::new();
    let dom = scene.browse(&scene.page(), &["--dump-dom"]).text();
    for name in scene.vault.names() {
        assert!(dom.contains(&name), "{name}");
    }
    assert!(dom.contains("the first &lt;b&gt;state") && !dom.contains("<script"));
}

#[test]
fn a_browser_draws_it() {
    if !machine::has(&NEEDS) {
        return;
    }
    let scene = Scene::new();
    let picture = scene.join("page.png");
    let out = format!("--screenshot={}", picture.display());
    scene.browse(&scene.page(), &["--hide-scrollbars", "--window-size=1200,900", &out]);
    let png = fs::read(picture).expect("a picture");
    assert_eq!(png[..8], *b"\x89PNG\r\n\x1a\n");
    let number = |at: usize| u32::from_be_bytes(png[at..at + 4].try_into().expect("four bytes"));
    assert_eq!((number(16), number(20)), (1200, 900));
    // What is blank is much smaller.
    assert!(png.len() > 20_000, "{}", png.len());
}

#[test]
fn it_can_be_printed() {
    if !machine::has(&NEEDS) {
        return;
    }
    let scene = Scene::new();
    let paper = scene.join("page.pdf");
    scene.browse(&scene.page(), &[&format!("--print-to-pdf={}", paper.display())]);
    let pdf = fs::read(paper).expect("a document");
    assert!(pdf.starts_with(b"%PDF-"));
    let pdf = String::from_utf8_lossy(&pdf);
    let pages = pdf.matches("/Type /Page").count() - pdf.matches("/Type /Pages").count();
    assert!(pages > 0, "no page");
}

/// A page cannot measure itself without a script: a copy that may run one tells a frame of a phone's width.
#[test]
fn nothing_is_wider_than_a_phone() {
    if !machine::has(&NEEDS) {
        return;
    }
    let scene = Scene::new();
    let page = fs::read_to_string(scene.page()).expect("the page");
    assert!(page.contains(POLICY));
    let tell = "<script>addEventListener('load', () => { document.querySelectorAll('details').forEach(\
        d => d.open = true); parent.postMessage(document.documentElement.scrollWidth, '*') })</script></body>";
    let copy = page.replace(POLICY, "").replace("</body>", tell);
    fs::write(scene.join("copy.html"), copy).expect("a copy");
    let frame = format!(
        "<!doctype html><title>?</title><script>addEventListener('message', event => \
         document.title = 'width ' + event.data)</script>\
         <iframe src=copy.html width={PHONE} height=800 style='border:0'></iframe>"
    );
    fs::write(scene.join("frame.html"), frame).expect("a frame");
    let dom = scene
        .browse(&scene.join("frame.html"), &["--hide-scrollbars", "--virtual-time-budget=5000", "--dump-dom"])
        .text();
    assert!(
        dom.contains(&format!("<title>width {PHONE}</title>")),
        "{}",
        dom.split("<iframe").next().unwrap_or_default()
    );
}
