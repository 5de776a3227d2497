//! What has been printed, as words and as pictures.

use std::path::Path;

use fixtures::command::program;

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
    /// From where to where something of such a colour is: left, top, right, bottom, in millimetres.
    pub fn area(&self, is_of_colour: impl Fn([u8; 3]) -> bool) -> Option<[usize; 4]> {
        let pixels = self.pixels.chunks_exact(3).map(|pixel| [pixel[0], pixel[1], pixel[2]]).enumerate();
        let of_colour = pixels.filter(|(_, pixel)| is_of_colour(*pixel));
        let points = of_colour.map(|(at, _)| (at % self.width, at / self.width));
        points.fold(None, |area, (x, y)| {
            let [left, top, right, bottom] = area.unwrap_or([x, y, x, y]);
            Some([left.min(x), top.min(y), right.max(x), bottom.max(y)])
        })
    }
}
