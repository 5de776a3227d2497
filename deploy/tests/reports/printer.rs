//! Runs the program as Odoo does, and reads what it has printed.

use std::{
    fs,
    path::{Path, PathBuf},
};

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

/// A word on a page, in millimetres from its upper left corner.
#[derive(Debug)]
pub struct Word {
    pub text: String,
    pub left: f64,
    pub top: f64,
    pub right: f64,
    pub bottom: f64,
}

/// A page as a picture of a pixel for each millimetre.
pub struct Picture {
    pub width: usize,
    pub height: usize,
    pixels: Vec<u8>,
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

/// The words of each page.
pub fn words(pdf: &Path) -> Vec<Vec<Word>> {
    let text = program("pdftotext").arg("-bbox").arg(pdf).arg("-").succeeds().text();
    let word = |line: &str| {
        let number = |name: &str| {
            let value = line.split_once(&format!("{name}=\""))?.1.split_once('"')?.0;
            Some(value.parse::<f64>().ok()? * 25.4 / 72.0)
        };
        let text = line.split_once('>')?.1.strip_suffix("</word>")?.to_owned();
        let (left, top) = (number("xMin")?, number("yMin")?);
        Some(Word { text, left, top, right: number("xMax")?, bottom: number("yMax")? })
    };
    text.split("<page ").skip(1).map(|page| page.lines().filter_map(word).collect()).collect()
}

/// The text of each page: words with a space between.
pub fn texts(pdf: &Path) -> Vec<String> {
    let text = |page: Vec<Word>| page.into_iter().map(|word| word.text).collect::<Vec<_>>().join(" ");
    words(pdf).into_iter().map(text).collect()
}

/// A page, from 1, as a picture.
pub fn picture(pdf: &Path, page: usize) -> Picture {
    let page = page.to_string();
    let arguments = ["-r", "25.4", "-aa", "no", "-aaVector", "no", "-f", &page, "-l", &page];
    let said = program("pdftoppm").args(arguments).arg(pdf).succeeds();
    // P6, width, height, the highest value, and the pixels.
    let head: Vec<&[u8]> = said.output.splitn(4, u8::is_ascii_whitespace).collect();
    let number = |field: &[u8]| String::from_utf8_lossy(field).parse().expect("a number");
    let (width, height) = (number(head[1]), number(head[2]));
    let pixels = said.output[said.output.len() - width * height * 3..].to_vec();
    Picture { width, height, pixels }
}

impl Picture {
    /// From where to where something of that colour is: left, top, right, bottom, in millimetres.
    pub fn area(&self, colour: [u8; 3]) -> Option<[usize; 4]> {
        let of_colour = self.pixels.chunks_exact(3).enumerate().filter(|(_, pixel)| *pixel == colour);
        let points = of_colour.map(|(at, _)| (at % self.width, at / self.width));
        points.fold(None, |area, (x, y)| {
            let [left, top, right, bottom] = area.unwrap_or([x, y, x, y]);
            Some([left.min(x), top.min(y), right.max(x), bottom.max(y)])
        })
    }
}
