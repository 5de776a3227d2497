//! Invoices that a real Odoo 14 prints with its company's header and footer.
//!
//!     ODBOX_ODOO_ROOT=… ODBOX_STACK_ROOT=… cargo test -p deploy --test odoo_reports
//!
//! The roots are a Debian 11 with `odoo-14` and a Debian with PostgreSQL; it takes root, and some minutes.

#[path = "../reports/pdf.rs"]
mod pdf;

use std::{env, fs};

use fixtures::{
    command::program,
    machine::{
        self,
        Need::{File, Program, Root},
    },
    tree,
};
use pdf::{picture, texts, words};

const HERE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/odoo_reports");
const PRINTER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/modules/service_stack/odoo_wkhtmltopdf.py");
const LATO: &str = "/usr/share/fonts/truetype/lato";

/// The folder that a variable of the environment names.
fn root(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("{name} names no root"))
}

#[test]
fn invoices_have_the_companys_header_and_footer_on_each_page() {
    if !machine::has(&[
        Root,
        Program("unshare"),
        Program("pdftotext"),
        Program("ip"),
        File(LATO, "fonts-lato"),
    ]) {
        return;
    }
    let desk = tree::folder();
    let path = |name: &str| desk.path().join(name);
    let started = ["unshare", "--mount", "--pid", "--net", "--fork", "--kill-child"];
    let script = format!("{HERE}/print");
    let said = program("timeout")
        .arg("1200")
        .args(started)
        .args([&script, &root("ODBOX_ODOO_ROOT"), &root("ODBOX_STACK_ROOT")])
        .arg(desk.path())
        .arg(PRINTER)
        .succeeds();
    eprintln!("{said}");

    said.says("state: ok");
    let log = fs::read_to_string(path("odoo.log")).expect("a log");
    assert!(log.contains("binary at /usr/local/lib/odbox/odoo/bin/wkhtmltopdf"), "{log}");
    assert!(!log.contains(" WARNING ") && !log.contains(" ERROR "), "{log}");
    let left = fs::read_to_string(path("left")).expect("a list");
    assert!(!left.contains("report.") && !left.contains("wkhtmltopdf"), "they stay behind: {left}");

    // One of a page, one of three, each with numbers of its own.
    let (pdf, numbers) = (path("invoices.pdf"), ["1 / 1", "1 / 3", "2 / 3", "3 / 3"]);
    let pages = words(&pdf);
    assert_eq!(pages.len(), numbers.len(), "{:?}", texts(&pdf));
    for (words, number) in pages.iter().zip(numbers) {
        assert!(words.iter().all(|word| word.left >= 6.9 && word.right <= 203.1), "{words:?}");
        let between = |from: f64, to: f64| {
            let inside = words.iter().filter(|word| word.top >= from && word.bottom <= to);
            inside.map(|word| word.text.as_str()).collect::<Vec<_>>().join(" ")
        };
        let (above, body, below) = (between(0.0, 40.1), between(40.0, 265.1), between(264.9, 297.0));
        for part in ["Chairs of oak", "Example Trade Ltd", "1 Long Street"] {
            assert!(above.contains(part) && !body.contains(part), "{number}: {above}\n{body}");
        }
        for part in ["+1 555 0100", "Bank: 123-456", &format!("Page: {number}")] {
            assert!(below.contains(part) && !body.contains(part), "{number}: {below}\n{body}");
        }
        assert!(body.contains("Chair") || body.contains("Total"), "{number}: {body}");
    }
    // Of the ink nothing is at the edges.
    let page = picture(&pdf, 3);
    let [left, top, right, bottom] =
        page.area(|[red, green, blue]| red.max(green).max(blue) < 250).expect("ink");
    assert!(left >= 7 && top >= 4 && right <= page.width - 7 && bottom <= page.height - 7);
    assert!(texts(&path("preview.pdf")).concat().contains("Page: 1 / 1"));
}
