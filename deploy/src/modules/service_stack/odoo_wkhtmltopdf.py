#!/usr/bin/python3 -I
"""wkhtmltopdf as Odoo calls it, with the headers and footers that Debian's own leaves out.

Debian builds wkhtmltopdf with a Qt that prints one document, and nothing in its margins. Here that program prints
each body by itself, then all headers and footers on pages of their own, each in a frame that is told its page; and
the bodies are laid upon those pages. A body is white as far as its margins, so nothing is printed into it.

It takes the options that Odoo gives, and refuses others. It ends with 0, or as Debian's program does where that has
printed in spite of what it could not load; with 1 if options are refused; with 2, which Odoo tells its user, if
nothing is printed.
"""

import argparse
import html
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from urllib.parse import quote, urlencode

from PyPDF2 import PdfFileReader, PdfFileWriter
from PyPDF2.generic import DecodedStreamObject, DictionaryObject, NameObject, StreamObject

PROGRAM = "/usr/bin/wkhtmltopdf"
CHILDREN = []
# What Qt says of a service that sees no network devices. Odoo logs a warning for whatever is said.
NOISE = "Could not create AF_NETLINK socket"
# How many of it run at a time: most of that time they wait for scripts to end.
AT_A_TIME = 4
# Pages of headers and footers in one document: WebKit has no more than a thousand frames for it.
PAGES_AT_A_TIME = 100

MILLIMETRES = {"": 1, "mm": 1, "cm": 10, "in": 25.4, "pt": 25.4 / 72, "px": 25.4 / 96}
POINTS = 72 / 25.4
# WebKit prints a pixel as 0.576 pt, which is 96 dpi on Qt's screen of 100 dpi, made smaller by 1.25. Of a document
# that is wider than the paper it makes all smaller until it fits, by 1.6 more at most. Frames are a little wider,
# so that what fits is exact; and as wide as Bootstrap makes what is printed, which the bodies are made smaller for.
PIXELS = POINTS / 0.5755
BOOTSTRAP_WIDTH = 992
SMALLER_AT_MOST = 1.55

# Odoo has its fonts from itself. Those are drawn as curves, a megabyte for three pages that nobody can search; the
# same fonts of this system, where they are installed, are text.
FONTS = "".join(
    '@font-face { font-family: "%s"; src: local("%s"); font-weight: %d; font-style: %s }' % face
    for family in ("Lato", "Roboto", "Open_Sans")
    for weight in (100, 300, 400, 500, 700, 900)
    for face in ((family, family.replace("_", " "), weight, style) for style in ("normal", "italic"))
)
LOCAL_FONTS = """function useLocalFonts(page) {
    page.head.appendChild(page.createElement("style")).textContent = %s;
}""" % json.dumps(FONTS)

# A frame begins without a height, since Odoo's style sheets give its body all of that. As the patched program does,
# it prints from where the body begins, below what that has for a margin: a header ends at its place, a footer begins.
DOCUMENT = """<!DOCTYPE html><html><head><meta charset="utf-8"><style>
html, body { margin: 0 }
.page { position: relative; overflow: hidden; page-break-after: always; width: %(width)dpx; height: %(height)dpx }
.page:last-child { page-break-after: auto }
.page > * { position: absolute; left: 0; width: 100%%; margin: 0; border: 0; overflow: hidden }
.page > hr { border-top: 1px solid black }
iframe { position: absolute; left: 0; width: 100%%; height: 0; border: 0 }
</style><script>
%(fonts)s
var missing = %(frames)d;
function place(frame, top, isHeader) {
    useLocalFonts(frame.contentDocument);
    var body = frame.contentDocument.body.getBoundingClientRect();
    if (isHeader) top -= body.height;
    frame.parentNode.style.top = top + "px";
    frame.parentNode.style.height = %(height)d - top + "px";
    frame.style.top = -body.top + "px";
    frame.style.height = %(height)d - top + body.top + "px";
    if (--missing == 0) document.body.removeChild(document.getElementById("missing"));
}
</script></head><body>%(pages)s</body></html>
"""
# One page more, as long as a frame is missing.
MISSING = '<div class="page" id="missing"></div>'
FRAME = '<div><iframe scrolling="no" src="%s" onload="place(this, %d, %s)"></iframe></div>'


class Failure(Exception):
    """Nothing is printed."""


class Parser(argparse.ArgumentParser):
    def error(self, message):
        self.exit(1, "wkhtmltopdf (odbox): %s\n" % message)


class Passed(argparse.Action):
    """An option that Debian's program is given as it is."""

    def __call__(self, parser, namespace, values, option_string=None):
        values = values if isinstance(values, list) else [values]
        namespace.passed = [*namespace.passed, self.option_strings[-1], *values]


class Version(argparse.Action):
    """Odoo takes the first number; "with patched qt" is not said, since it is not so."""

    def __call__(self, parser, namespace, values, option_string=None):
        said = subprocess.run([PROGRAM, "--version"], stdout=subprocess.PIPE, check=True, universal_newlines=True)
        print(said.stdout.strip(), "with headers and footers by odbox")
        parser.exit()


def parser():
    parser = Parser("wkhtmltopdf", allow_abbrev=False)
    parser.set_defaults(passed=[])
    parser.add_argument("-V", "--version", action=Version, nargs=0)
    for name in ("top", "bottom", "left", "right"):
        parser.add_argument("-" + name[0].upper(), "--margin-" + name, type=millimetres, default=10.0)
    for name in ("header", "footer"):
        parser.add_argument("--%s-html" % name, type=file)
        parser.add_argument("--%s-spacing" % name, type=millimetres, default=0.0)
        parser.add_argument("--%s-line" % name, action="store_true")
    for pattern, *flags in (
        ("[A-Za-z0-9]+", "-s", "--page-size"),
        ("[0-9.]+[a-z]*", "--page-width"),
        ("[0-9.]+[a-z]*", "--page-height"),
        ("(?i)portrait|landscape", "-O", "--orientation"),
        ("[0-9]+", "-d", "--dpi"),
        ("[0-9.]+", "--zoom"),
        ("[0-9]+", "--javascript-delay"),
        ("[A-Za-z0-9-]+", "--encoding"),
        ("/.+", "--cookie-jar"),
        ("/.+", "--allow"),
    ):
        parser.add_argument(*flags, action=Passed, type=text(pattern))
    # Odoo gives it for previews; Debian's program has no use for it.
    parser.add_argument("--viewport-size", type=text("[0-9]+x[0-9]+"))
    parser.add_argument("--cookie", action=Passed, nargs=2, type=text("[^-].*"))
    for flags in (["-q", "--quiet"], ["--disable-local-file-access"], ["--enable-local-file-access"]):
        parser.add_argument(*flags, action=Passed, nargs=0)
    parser.add_argument("bodies", nargs="+", type=file)
    parser.add_argument("output", type=os.path.abspath)
    return parser


def text(pattern):
    def checked(value):
        if not re.fullmatch(pattern, value):
            raise argparse.ArgumentTypeError("%r is no such value" % value)
        return value

    return checked


def millimetres(value):
    found = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?)([a-z]*)", value)
    if not found or found[2] not in MILLIMETRES:
        raise argparse.ArgumentTypeError("%r is no length, such as 12.5mm" % value)
    return float(found[1]) * MILLIMETRES[found[2]]


def file(path):
    if not os.path.isfile(path):
        raise argparse.ArgumentTypeError("there is no file %r, and no other address is printed" % path)
    return path


def main():
    os.umask(0o077)
    signal.signal(signal.SIGTERM, end)
    # Newer releases of PyPDF2 have other names for what is used here, and warn of these.
    warnings.simplefilter("ignore")
    options = parser().parse_args()
    with tempfile.TemporaryDirectory(prefix="wkhtmltopdf.") as folder:
        return convert(options, Path(folder))


def end(*_):
    """Ends with what it has started, and without what is temporary."""
    for child in CHILDREN:
        child.kill()
    sys.exit(2)


def convert(options, folder):
    """Prints bodies and margins, and writes both as one. Returns how it ends."""
    vertical = ["--margin-top", str(options.margin_top), "--margin-bottom", str(options.margin_bottom)]
    script = ["--run-script", LOCAL_FONTS + "useLocalFonts(document)"]
    targets = [folder / ("body-%d.pdf" % number) for number in range(len(options.bodies))]
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        printed = list(pool.map(lambda pair: run(options, vertical + script, *pair), zip(options.bodies, targets)))
    documents = [document for document, _ in printed]
    writer = PdfFileWriter()
    bodies = [page for document in documents for page in document.pages]
    if options.header_html or options.footer_html or options.header_line or options.footer_line:
        margins = marginal_pages(options, list(variables(options.bodies, documents)), bodies[0].mediaBox, folder)
        for margin, body in zip(margins, bodies):
            add_layers(writer, {"/Margins": margin, "/Body": body})
    else:
        for body in bodies:
            writer.addPage(body)
    writer.addMetadata({key: str(value) for key, value in documents[0].documentInfo.items()})
    with open(options.output, "wb") as output:
        writer.write(output)
    return max(status for _, status in printed)


def run(options, arguments, source, target):
    """Has Debian's program print a document. Returns that, and the status."""
    sides = ["--margin-left", str(options.margin_left), "--margin-right", str(options.margin_right)]
    command = [PROGRAM, *options.passed, *sides, *arguments, os.path.abspath(source), str(target)]
    # Without a folder of its own Qt says so each time.
    environment = {**os.environ, "XDG_RUNTIME_DIR": str(target.parent)}
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    child = subprocess.Popen(command, env=environment, **streams)
    CHILDREN.append(child)
    said = child.communicate()[1].decode(errors="replace")
    sys.stderr.writelines(line for line in said.splitlines(True) if not line.startswith(NOISE))
    status = child.returncode
    if status < 0 or not target.exists() or target.stat().st_size == 0:
        raise Failure("%s is not printed: %s ended with %d" % (source, PROGRAM, status))
    return PdfFileReader(str(target), strict=False), status


def variables(bodies, documents):
    """What the patched program tells each page's header and footer. Sections and titles are not known here."""
    page, last = 0, sum(document.numPages for document in documents)
    everywhere = dict.fromkeys(("section", "subsection", "subsubsection", "title", "doctitle"), "")
    everywhere.update(date=time.strftime("%x"), isodate=time.strftime("%Y-%m-%d"), time=time.strftime("%X"))
    for body, document in zip(bodies, documents):
        for sitepage in range(1, document.numPages + 1):
            page += 1
            site = {"webpage": body, "sitepage": sitepage, "sitepages": document.numPages}
            yield {"page": page, "frompage": 1, "topage": last, **site, **everywhere}


def marginal_pages(options, pages, paper, folder):
    """A page for each of those variables, with its header and its footer where they belong."""
    width, height = float(paper.getWidth()) / POINTS, float(paper.getHeight()) / POINTS
    content = width - options.margin_left - options.margin_right
    frame = max(content * PIXELS, min(BOOTSTRAP_WIDTH, content * PIXELS * SMALLER_AT_MOST))
    scale = frame / content
    header = (options.margin_top - options.header_spacing) * scale
    footer = (height - options.margin_bottom + options.footer_spacing) * scale
    line = '<hr style="top: %dpx">'
    files = [path for path in (options.header_html, options.footer_html) if path]
    arguments = [word for path in files for word in ("--allow", os.path.abspath(path))] + ["--margin-top", "0", "--margin-bottom", "0"]
    margins = []
    for start in range(0, len(pages), PAGES_AT_A_TIME):
        some = pages[start : start + PAGES_AT_A_TIME]
        filled = (
            '<div class="page">'
            + (FRAME % (address(options.header_html, page), header, "true") if options.header_html else "")
            + (FRAME % (address(options.footer_html, page), footer, "false") if options.footer_html else "")
            + (line % header if options.header_line else "") + (line % footer if options.footer_line else "")
            + "</div>"
            for page in some
        )
        source, target = folder / ("margins-%d.html" % start), folder / ("margins-%d.pdf" % start)
        sizes = {"width": frame, "height": height * scale - 2, "frames": len(files) * len(some)}
        shown = "".join(filled) + (MISSING if files else "")
        source.write_text(DOCUMENT % {**sizes, "fonts": LOCAL_FONTS, "pages": shown}, encoding="utf-8")
        document, _ = run(options, arguments, source, target)
        # Their scripts may do anything to it.
        if document.numPages != len(some):
            raise Failure("headers or footers are not printed: one does not load, or changes more than itself")
        margins.extend(document.pages)
    return margins


def address(path, page):
    return html.escape("file://%s?%s" % (quote(os.path.abspath(path)), urlencode(page, quote_via=quote)))


def add_layers(writer, layers):
    """Adds a page that shows these pages, one upon the other."""
    boxes = [page.mediaBox for page in layers.values()]
    forms = DictionaryObject({NameObject(name): form(page) for name, page in layers.items()})
    page = writer.addBlankPage(boxes[0].getWidth(), boxes[0].getHeight())
    page[NameObject("/Resources")] = DictionaryObject({NameObject("/XObject"): forms})
    page[NameObject("/Contents")] = DecodedStreamObject()
    page["/Contents"].setData("".join("%s Do\n" % name for name in layers).encode())


def form(page):
    """What a page shows, as something to be drawn (ISO 32000, 8.10)."""
    contents = page["/Contents"]
    if not isinstance(contents, StreamObject):
        raise Failure("%s does not print a page as one stream" % PROGRAM)
    kind = {"/Type": "/XObject", "/Subtype": "/Form"}
    contents.update({NameObject(key): NameObject(value) for key, value in kind.items()})
    contents.update({NameObject("/BBox"): page.mediaBox, NameObject("/Resources"): page["/Resources"]})
    return page.raw_get("/Contents")


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failure as failure:
        message = str(failure)
    except Exception as failure:
        message = repr(failure)
    print("wkhtmltopdf (odbox):", message, file=sys.stderr)
    sys.exit(2)
