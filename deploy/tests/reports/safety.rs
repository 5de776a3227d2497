//! Documents are written by whoever uses Odoo, and some of them mean harm.

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    thread,
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process};

use crate::{pdf::texts, printer::Printer};

const SECRET: &str = "topsecret";

#[test]
fn local_files_stay_out() {
    let Some(printer) = Printer::new() else { return };
    printer.document("secret.html", "", SECRET);
    let secret = format!("file://{}", printer.path("secret.html").display());
    let thief = format!(
        "<p>visible</p><iframe src='{secret}'></iframe><object data='{secret}'></object><pre id='got'></pre><script>
        var request = new XMLHttpRequest();
        try {{
            request.open('GET', '{secret}', false);
            request.send();
            document.getElementById('got').textContent = request.responseText;
        }} catch (error) {{}}
        </script>"
    );
    for name in ["body.html", "header.html", "footer.html"] {
        printer.document(name, "", &thief);
    }
    let documents = ["--header-html", "header.html", "--footer-html", "footer.html", "body.html"];
    // Debian's program ends with 1 where it did not load something, and Odoo takes what was printed.
    let printed = |options: &[&str]| {
        let ended = printer.program(&[options, &documents, &["out.pdf"]].concat()).run();
        assert!(matches!(ended.status, Some(0 | 1)), "{ended}");
        texts(&printer.path("out.pdf"))
    };
    let pages = printed(&["--quiet", "--disable-local-file-access"]);
    assert!(pages[0].contains("visible"), "{pages:?}");
    assert!(!pages.concat().contains(SECRET), "{pages:?}");
    // Which is due to the option.
    let pages = printed(&["--quiet"]);
    assert!(!pages.concat().contains(SECRET), "nor if nothing is said: {pages:?}");
    let pages = printed(&["--quiet", "--enable-local-file-access"]);
    assert!(pages.concat().contains(SECRET), "it is the option that does it: {pages:?}");
}

#[test]
fn what_meddles_with_headers_is_not_printed_and_told() {
    let Some(printer) = Printer::new() else { return };
    let pages = "<p style='page-break-after: always'>page</p>".repeat(3);
    printer.document("body.html", "", &pages);
    for script in [
        "top.document.body.innerHTML = 'mine'",
        "top.location = 'about:blank'",
        // Which nobody can place.
        "document.documentElement.removeChild(document.body)",
    ] {
        printer.document("header.html", &format!("<script>function subst() {{ {script} }}</script>"), "");
        let ended = printer.program(&["-q", "--header-html", "header.html", "body.html", "out.pdf"]).exits(2);
        assert!(ended.errors.contains("headers or footers are not printed"), "{script}: {}", ended.errors);
        assert!(!printer.path("out.pdf").exists(), "{script}");
    }
}

#[test]
fn what_it_does_not_know_is_refused_in_one_line() {
    let Some(printer) = Printer::new() else { return };
    printer.document("body.html", "", "text");
    for arguments in [
        &["--run-script", "alert(1)", "body.html", "out.pdf"][..],
        &["--margin", "3", "body.html", "out.pdf"],
        &["--footer-center", "[page]", "body.html", "out.pdf"],
        &["--margin-top", "3 --enable-local-file-access", "body.html", "out.pdf"],
        &["--margin-top", "--enable-local-file-access", "body.html", "out.pdf"],
        &["--margin-top", "nan", "body.html", "out.pdf"],
        &["--dpi", "90;id", "body.html", "out.pdf"],
        &["--page-size", "../../x", "body.html", "out.pdf"],
        &["--cookie", "session_id", "--allow", "body.html", "out.pdf"],
        &["--header-html", "http://127.0.0.1/", "body.html", "out.pdf"],
        &["http://127.0.0.1/", "out.pdf"],
        &["-", "out.pdf"],
        &["body.html"],
        &[],
    ] {
        let ended = printer.program(arguments).exits(1);
        assert_eq!(ended.errors.lines().count(), 1, "{arguments:?}: {}", ended.errors);
        assert!(ended.errors.starts_with("wkhtmltopdf (odbox): "), "{arguments:?}: {}", ended.errors);
        assert!(!printer.path("out.pdf").exists(), "{arguments:?}");
    }
}

#[test]
fn what_is_not_printed_is_told() {
    let Some(printer) = Printer::new() else { return };
    printer.document("body.html", "", "text");
    let ended = printer.program(&["-q", "--page-size", "Nonsense", "body.html", "out.pdf"]).exits(2);
    assert!(ended.errors.contains("body.html is not printed"), "{}", ended.errors);
    assert!(!printer.path("out.pdf").exists());
    assert_eq!(fs::read_dir(printer.temporary()).expect("a folder").count(), 0);
}

#[test]
fn odoo_takes_its_version_and_is_told_no_lie() {
    let Some(printer) = Printer::new() else { return };
    let ended = printer.program(&["--version"]).succeeds();
    // Odoo takes the first number, and wants 0.12.0 or newer.
    let said = ended.text();
    let version =
        said.split(|letter: char| !letter.is_ascii_digit() && letter != '.').find(|word| !word.is_empty());
    assert!(version.is_some_and(|version| version.starts_with("0.12.")), "{}", ended.text());
    assert!(ended.text().contains("by odbox") && !ended.text().contains("patched"), "{}", ended.text());
}

/// The files below a folder, with their modes.
fn modes(folder: &Path) -> Vec<(String, u32)> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mode = |path: &Path| fs::symlink_metadata(path).map_or(0, |entry| entry.permissions().mode() & 0o777);
    let paths = entries.filter_map(|entry| Some(entry.ok()?.path()));
    paths
        .flat_map(|path| [(path.display().to_string(), mode(&path))].into_iter().chain(modes(&path)))
        .collect()
}

#[test]
fn what_is_temporary_is_private_and_goes_also_when_the_program_is_ended() {
    let Some(printer) = Printer::new() else { return };
    printer.document("header.html", "", "header").document("body.html", "", "body");
    for (delay, is_ended) in [("1000", false), ("60000", true)] {
        let arguments =
            ["-q", "--javascript-delay", delay, "--header-html", "header.html", "body.html", "out.pdf"];
        let mut child = printer.program(&arguments).command().spawn().expect("it starts");
        let (began, mut seen, mut is_to_be_told) = (Instant::now(), Vec::new(), is_ended);
        while child.try_wait().expect("a child").is_none() {
            seen.extend(modes(&printer.temporary()));
            if is_to_be_told && began.elapsed() > Duration::from_secs(2) {
                kill_process(Pid::from_child(&child), Signal::TERM).expect("a signal");
                is_to_be_told = false;
            }
            assert!(began.elapsed() < Duration::from_secs(50), "it goes on");
            thread::sleep(Duration::from_millis(5));
        }
        assert!(!seen.is_empty(), "there were some");
        let open = seen.iter().find(|(_, mode)| mode & 0o077 != 0);
        assert!(open.is_none(), "{open:?}");
        assert_eq!(modes(&printer.temporary()), [], "some stay");
    }
}
