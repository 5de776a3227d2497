//! What is on the pages, and where.

use std::fs;

use crate::{
    pdf::{picture, texts, words},
    printer::{Printer, SUBSTITUTE},
};

const NUMBERED: &str = "<div>Acme Page <span class='page'></span> / <span class='topage'></span></div>";
/// What Odoo has in its style sheets: a header takes no height of its own, and a footer has a margin above.
const STYLE: &str = "<style>html, body { height: 100% } .footer { margin-top: 200px }</style>";
const RED: [u8; 3] = [255, 0, 0];
const GREEN: [u8; 3] = [0, 255, 0];
const BLUE: [u8; 3] = [0, 0, 255];

/// So many lines of text.
fn lines(count: usize) -> String {
    (0..count).map(|line| format!("<p>line{line}</p>")).collect()
}

/// A box of a colour, so many millimetres high on paper.
fn coloured(class: &str, colour: &str, height: u32) -> String {
    // What is 992 pixels wide is printed on 196 mm.
    let height = f64::from(height) * 992.0 / 196.0;
    format!("<div class='{class}' style='background: {colour}; height: {height}px'></div>")
}

#[test]
fn each_page_has_its_number_in_its_margins() {
    let Some(printer) = Printer::new() else { return };
    printer.document("header.html", SUBSTITUTE, NUMBERED).document("footer.html", SUBSTITUTE, NUMBERED);
    printer.document("body.html", "", &lines(90));
    let pdf = printer.print(&["--header-html", "header.html", "--footer-html", "footer.html", "body.html"]);
    let pages = words(&pdf);
    assert_eq!(pages.len(), 3);
    for (page, words) in pages.iter().enumerate() {
        let (above, rest): (Vec<_>, Vec<_>) = words.iter().partition(|word| word.bottom <= 40.1);
        let (below, body): (Vec<_>, Vec<_>) = rest.into_iter().partition(|word| word.top >= 297.0 - 32.1);
        let expected = ["Acme", "Page", &(page + 1).to_string(), "/", "3"];
        for margin in [above, below] {
            let texts: Vec<&str> = margin.iter().map(|word| word.text.as_str()).collect();
            assert_eq!(texts, expected, "on page {}", page + 1);
        }
        let of_body = |text: &str| text.starts_with("line");
        assert!(
            body.iter().all(|word| of_body(&word.text)),
            "between the margins is the body alone: {body:?}"
        );
        assert!(!body.is_empty() && words.iter().all(|word| word.left >= 6.9 && word.right <= 203.1));
    }
}

#[test]
fn headers_and_footers_are_where_odoo_means_them_and_never_in_the_body() {
    let Some(printer) = Printer::new() else { return };
    printer.document("header.html", STYLE, &coloured("header", "#f00", 20));
    printer.document("footer.html", STYLE, &coloured("footer", "#00f", 10));
    printer.document("body.html", "", &coloured("", "#0f0", 500));
    let arguments = ["--page-size", "A4", "--header-spacing", "35", "--header-html", "header.html"];
    let pdf = printer.print(&[&arguments[..], &["--footer-html", "footer.html", "body.html"]].concat());
    let page = picture(&pdf, 2);
    close_to(Some([page.width, page.height, 0, 0]), [210, 297, 0, 0]);
    close_to(page.area(|pixel| pixel == GREEN), [7, 40, 203, 265]);
    close_to(page.area(|pixel| pixel == RED), [7, 5, 203, 25]);
    close_to(page.area(|pixel| pixel == BLUE), [7, 265, 203, 275]);

    // One that does not fit ends where the body begins.
    printer.document("header.html", STYLE, &coloured("header", "#f00", 400));
    let pdf = printer.print(&[&arguments[..], &["body.html"]].concat());
    let page = picture(&pdf, 1);
    close_to(page.area(|pixel| pixel == GREEN), [7, 40, 203, 265]);
    let [_, top, _, bottom] = page.area(|pixel| pixel == RED).expect("a header");
    assert!(top.abs_diff(5) <= 1 && bottom >= 265, "it is below the body: {top} {bottom}");
}

/// Whether something is there, but for a millimetre at each side.
#[track_caller]
fn close_to(area: Option<[usize; 4]>, expected: [usize; 4]) {
    let is_close =
        area.is_some_and(|area| area.iter().zip(expected).all(|(is, to_be)| is.abs_diff(to_be) <= 1));
    assert!(is_close, "it is at {area:?}, and is to be at {expected:?}");
}

#[test]
fn a_header_without_odoos_styles_ends_above_the_body() {
    let Some(printer) = Printer::new() else { return };
    printer.document("header.html", "", &coloured("", "#f00", 20));
    printer.document("body.html", "", &coloured("", "#0f0", 50));
    let arguments = ["--header-spacing", "5", "--header-line", "--header-html", "header.html", "body.html"];
    let page = picture(&printer.print(&arguments), 1);
    close_to(page.area(|pixel| pixel == RED), [7, 15, 203, 35]);
    close_to(page.area(|pixel| pixel == [0, 0, 0]), [7, 35, 203, 35]);
}

#[test]
fn landscape_and_custom_paper_have_the_same_margins() {
    let Some(printer) = Printer::new() else { return };
    printer.document("header.html", STYLE, &coloured("header", "#f00", 10));
    printer.document("body.html", "", &coloured("", "#0f0", 700));
    for (paper, width, height) in [
        (&["--page-size", "A4", "--orientation", "landscape"][..], 297, 210),
        (&["--page-size", "A5"], 148, 210),
        (&["--page-width", "100mm", "--page-height", "200.0mm"], 100, 200),
    ] {
        let header = ["--header-spacing", "35", "--header-html", "header.html", "body.html"];
        let page = picture(&printer.print(&[paper, &header].concat()), 1);
        close_to(Some([page.width, page.height, 0, 0]), [width, height, 0, 0]);
        close_to(page.area(|pixel| pixel == GREEN), [7, 40, width - 7, height - 32]);
        let [left, top, right, _] = page.area(|pixel| pixel == RED).expect("a header");
        close_to(Some([left, top, right, 0]), [7, 5, width - 7, 0]);
    }
}

#[test]
fn each_of_several_documents_has_its_own_header() {
    let Some(printer) = Printer::new() else { return };
    let headers = "<div id='minimal_layout_report_headers'>\
                   <div>First <span class='sitepage'></span> of <span class='sitepages'></span></div>\
                   <div>Second <span class='page'></span> of <span class='topage'></span></div></div>";
    printer.document("header.html", SUBSTITUTE, headers);
    // As Odoo calls them: the number of each is in its name.
    printer.document("report.body.tmp.0.x.html", "", &lines(40));
    printer.document("report.body.tmp.1.y.html", "", "<p>other</p>");
    let bodies = ["report.body.tmp.0.x.html", "report.body.tmp.1.y.html"];
    let pages = texts(&printer.print(&[&["--header-html", "header.html"][..], &bodies].concat()));
    let begin = |page: usize, text: &str| assert!(pages[page].contains(text), "{pages:?}");
    assert_eq!(pages.len(), 3);
    begin(0, "First 1 of 2");
    begin(1, "First 2 of 2");
    begin(2, "Second 3 of 3");
    begin(2, "other");
}

#[test]
fn a_long_report_keeps_its_numbers() {
    let Some(printer) = Printer::new() else { return };
    let pages: String =
        (1..=130).map(|page| format!("<p style='page-break-after: always'>body{page}</p>")).collect();
    printer.document("header.html", SUBSTITUTE, NUMBERED).document("body.html", "", &pages);
    let pages = texts(&printer.print(&["--header-html", "header.html", "body.html"]));
    let last = pages.len();
    assert!(last >= 130, "{last} pages");
    for (page, text) in pages.iter().enumerate().take(130) {
        let page = page + 1;
        assert!(text.contains(&format!("Acme Page {page} / {last}")), "{page}: {text}");
        assert!(
            text.ends_with(&format!("body{page}")) || text.contains(&format!("body{page} ")),
            "{page}: {text}"
        );
    }
}

#[test]
fn text_in_odoos_fonts_is_text() {
    let Some(printer) = Printer::new() else { return };
    let font = fs::read("/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf").expect("a font");
    fs::write(printer.path("font.ttf"), font).expect("a file");
    // The font comes from somewhere, as Odoo's do: such a one is drawn as curves.
    let style = |family: &str| {
        format!(
            "<style>@font-face {{ font-family: {family}; src: url('font.ttf') }} * {{ font-family: {family} }}</style>"
        )
    };
    for (family, is_text) in [("Lato", true), ("Unheard", false)] {
        printer.document("header.html", &style(family), "above").document(
            "body.html",
            &style(family),
            "within",
        );
        let allow = ["--enable-local-file-access", "--header-html", "header.html", "body.html"];
        let pages = texts(&printer.print(&allow));
        let expected = if is_text { "above within" } else { "" };
        assert_eq!(pages, [expected], "in {family}");
    }
}

#[test]
fn one_document_without_margins_is_printed_too() {
    let Some(printer) = Printer::new() else { return };
    printer.document("body.html", "", &coloured("", "#0f0", 50));
    let page = picture(&printer.print(&["--viewport-size", "1280x1024", "body.html"]), 1);
    close_to(page.area(|pixel| pixel == GREEN), [7, 40, 203, 90]);
}
