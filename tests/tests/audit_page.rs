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

const NEEDS: [Need; 3] = [Program("git"), Program("chromium"), Program("age-keygen")];
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
/// A4 between its margins, in the pixels of CSS.
const PAPER: usize = 700;
/// More than have a column each on paper.
const READERS: usize = 24;
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
        scene.write_page();
        scene
    }

    /// One with many readers, a state that was broken, and plaintext: whatever the page has a colour for.
    fn of_many() -> Self {
        let scene = Self::new();
        let policy = scene.vault.path().join("vault.toml");
        let text = fs::read_to_string(&policy).expect("a policy");
        let reader = |number: usize| {
            let identity = program("age-keygen").succeeds().text();
            let key = identity.lines().find_map(|line| line.strip_prefix("# public key: ")).expect("a key");
            format!("reader-{number} = {{ kind = \"person\", keys = [{key:?}] }}\n")
        };
        let readers: String = (0..READERS).map(reader).collect();
        let names: String = (0..READERS).map(|number| format!(", \"reader-{number}\"")).collect();
        let text = text.replace("[recipients]\n", &format!("[recipients]\n{readers}"));
        let many = text.replace("audience = [\"ops\"", &format!("audience = [\"ops\"{names}"));
        assert!(many.len() > text.len() + READERS, "{many}");
        fs::write(&policy, many).expect("a policy");
        scene.commit("nobody signed this");
        vaultgen().args(["sign", "--yes", "--vault"]).arg(scene.vault.path()).succeeds();
        fs::write(scene.vault.path().join("notes.txt"), program("age-keygen").succeeds().output)
            .expect("notes");
        scene.commit("many readers");
        scene.write_page();
        scene
    }

    fn write_page(&self) {
        let audit = vaultgen().args(["audit", "--html"]).arg(self.page());
        audit.in_folder(self.vault.path()).succeeds();
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

/// A page cannot measure itself without a script: a copy that may run one tells a frame of this width.
fn measured(scene: &Scene, arguments: &[&str], width: usize, script: &str, as_on_paper: bool) -> String {
    let page = fs::read_to_string(scene.page()).expect("the page");
    assert!(page.contains(POLICY) && page.contains("@media print{"));
    let tell = format!(
        "<script>addEventListener('load', () => parent.postMessage((() => {{ {script} }})(), '*'))</script></body>"
    );
    let copy = page.replace(POLICY, "").replace("</body>", &tell);
    let copy = if as_on_paper { copy.replace("@media print{", "@media all{") } else { copy };
    fs::write(scene.join("copy.html"), copy).expect("a copy");
    let frame = format!(
        "<!doctype html><title>?</title><script>addEventListener('message', event => \
         document.title = event.data)</script>\
         <iframe src=copy.html width={width} height=800 style='border:0'></iframe>"
    );
    fs::write(scene.join("frame.html"), frame).expect("a frame");
    let usual = ["--hide-scrollbars", "--virtual-time-budget=5000", "--dump-dom"];
    let dom = scene.browse(&scene.join("frame.html"), &[&usual, arguments].concat()).text();
    let title = dom.split("<title>").nth(1).and_then(|rest| rest.split("</title>").next());
    title.expect("a title").to_owned()
}

#[test]
fn nothing_is_wider_than_a_phone() {
    if !machine::has(&NEEDS) {
        return;
    }
    let script = "document.querySelectorAll('details').forEach(d => d.open = true); \
                  return 'width ' + document.documentElement.scrollWidth";
    assert_eq!(measured(&Scene::new(), &[], PHONE, script, false), format!("width {PHONE}"));
}

/// Paper has no scroll bar, and nobody unfolds it.
#[test]
fn on_paper_nothing_is_cut_and_nothing_is_folded() {
    if !machine::has(&NEEDS) {
        return;
    }
    let script = "
        const all = [...document.querySelectorAll('body *')];
        const cut = all.filter(e => e.getBoundingClientRect().right > innerWidth + 1);
        const folded = all.filter(e => e.matches('details > :not(summary)') && !e.checkVisibility());
        const tables = document.querySelectorAll('td.paper').length;
        return [tables > 0, ...cut.slice(0, 3).map(e => e.outerHTML.slice(0, 60)), folded.length].join(' ')";
    assert_eq!(measured(&Scene::of_many(), &[], PAPER, script, true), "true 0");
}

/// As WCAG 2.1 measures it, level AA: each text against what is behind it.
#[test]
fn each_text_can_be_read_by_day_and_by_night() {
    if !machine::has(&NEEDS) {
        return;
    }
    let scene = Scene::of_many();
    let ask = |scheme: &str| {
        let flag = format!("--blink-settings=preferredColorScheme={scheme}");
        measured(&scene, &[&flag], 1_280, include_str!("audit_page/contrast.js"), false)
    };
    let (dark, light) = (ask("0"), ask("1"));
    assert_eq!((dark.as_str(), light.as_str()), ("dark, all can be read", "light, all can be read"));
}
