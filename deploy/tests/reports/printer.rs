//! Runs the program as Odoo does.

use std::{fs, path::PathBuf};

use fixtures::{
    command::{Run, program},
    machine::{
        self,
        Need::{File, Program},
    },
    tree,
};
use tempfile::TempDir;

/// What is rendered as `/usr/local/lib/odbox/odoo/bin/wkhtmltopdf`.
const PROGRAM: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/modules/service_stack/odoo_wkhtmltopdf.py");
/// Debian's Python, which has Debian's PyPDF2.
const PYTHON: &str = "/usr/bin/python3";

/// The part of Odoo's own script that puts numbers of pages into a header, and chooses that of the document.
pub const SUBSTITUTE: &str = r"<script>
function subst() {
    var vars = {};
    document.location.search.substring(1).split('&').forEach(function (word) {
        var pair = word.split('=', 2);
        vars[pair[0]] = unescape(pair[1]);
    });
    var names = {'page': 'page', 'topage': 'topage', 'sitepage': 'sitepage', 'sitepages': 'sitepages'};
    for (var name in names) {
        var found = document.getElementsByClassName(name);
        for (var i = 0; i < found.length; ++i) found[i].textContent = vars[name];
    }
    var all = document.getElementById('minimal_layout_report_headers');
    if (all !== null) {
        var own = all.children[vars['webpage'].split('.', 4)[3]];
        all.textContent = '';
        all.appendChild(own);
    }
}
</script>";

/// A desk with documents on it.
pub struct Printer {
    folder: TempDir,
}

impl Printer {
    /// None where what it takes is not installed, which was told.
    pub fn new() -> Option<Self> {
        let needs = [
            Program("wkhtmltopdf"),
            Program("pdftotext"),
            Program("pdftoppm"),
            File("/usr/lib/python3/dist-packages/PyPDF2", "python3-pypdf2"),
            File("/usr/share/fonts/truetype/lato", "fonts-lato"),
        ];
        if !machine::has(&needs) {
            return None;
        }
        let printer = Self { folder: tree::folder() };
        fs::create_dir(printer.temporary()).expect("a folder");
        Some(printer)
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Where the program has what is temporary.
    pub fn temporary(&self) -> PathBuf {
        self.path("tmp")
    }

    /// Writes a document with this body, whose scripts are `head`.
    pub fn document(&self, name: &str, head: &str, body: &str) -> &Self {
        let text = format!(
            "<!DOCTYPE html><html><head><meta charset='utf-8'>{head}</head>\
             <body onload='window.subst && subst()' style='margin: 0'>{body}</body></html>"
        );
        fs::write(self.path(name), text).expect("a document");
        self
    }

    /// The program as Odoo's service has it.
    pub fn program(&self, arguments: &[&str]) -> Run {
        let temporary = format!("TMPDIR={}", self.temporary().display());
        let started = ["env", &temporary, "JSC_useJIT=0", PYTHON, "-I", PROGRAM];
        program(started[0]).args(&started[1..]).args(arguments).in_folder(self.folder.path())
    }

    /// Prints as Odoo does, with margins of 40, 32, 7 and 7 mm, the header 35 mm above the body.
    pub fn print(&self, arguments: &[&str]) -> PathBuf {
        let odoo = "--disable-local-file-access --quiet --margin-top 40.0 --dpi 90 --zoom 1.0666666666666667 \
                    --margin-left 7.0 --margin-bottom 32.0 --margin-right 7.0";
        let arguments: Vec<&str> =
            odoo.split_whitespace().chain(arguments.iter().copied()).chain(["out.pdf"]).collect();
        let ended = self.program(&arguments).succeeds();
        assert_eq!(ended.errors, "", "Odoo logs a warning for what is said");
        self.path("out.pdf")
    }
}
