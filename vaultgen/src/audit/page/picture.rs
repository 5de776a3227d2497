//! Who can read what, as a picture: readers on the left, bundles of secrets in the middle, who opens them where they
//! are served on the right. Everything here is arithmetic; the template draws it.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use vault_format::audit::{StateFacts, readers::ReaderKind};

use super::{
    anchors::secret_id,
    bundles::{self, Bundle},
    labels,
};

/// How many boxes a column has at most: more cannot be read.
const READERS: usize = 30;
const BUNDLES: usize = 40;
const OPENERS: usize = 30;
/// In units of the picture.
const WIDTH: f64 = 960.0;
const BOX_WIDTH: f64 = 230.0;
const BOX_HEIGHT: f64 = 30.0;
const STEP: f64 = 38.0;
const TOP: f64 = 44.0;
/// How many letters a box has room for: a reader's has its kind too, and a bundle's are bold.
const READER_LETTERS: usize = 21;
const BUNDLE_LETTERS: usize = 25;
const OPENER_LETTERS: usize = 29;
/// How much further apart than usual the boxes of a short column stand at most.
const SPREAD: f64 = 3.0;

/// The picture of a vault, and the same as a table.
#[derive(Debug, Serialize)]
pub struct Picture {
    width: f64,
    height: f64,
    readers: Vec<Place>,
    bundles: Vec<Place>,
    openers: Vec<Place>,
    /// What does not fit, in words.
    more: Vec<String>,
    /// The readers of the table, all of them.
    columns: Vec<String>,
    rows: Vec<Row>,
}

/// A box, and the lines that begin or end there.
#[derive(Debug, Serialize)]
struct Place {
    label: String,
    /// As much of it as fits into the box.
    drawn: String,
    kind: &'static str,
    link: Option<String>,
    x: f64,
    y: f64,
    width: f64,
    height: f64,
    /// Curves to the bundles; only readers and openers have them.
    lines: Vec<String>,
}

/// A bundle in the table.
#[derive(Debug, Serialize)]
struct Row {
    id: String,
    label: String,
    opener: String,
    /// For each column whether that reader can decrypt it.
    marks: Vec<bool>,
    /// The same by name: paper is too narrow for a column each.
    readers: Vec<String>,
    unnamed: usize,
    secrets: Vec<Link>,
    more: usize,
}

#[derive(Debug, Serialize)]
struct Link {
    id: String,
    name: String,
}

/// Names of secrets that a row of the table tells.
const TOLD: usize = 12;

/// The picture of a state.
pub fn of(state: &StateFacts, vault: usize) -> Picture {
    let bundles = bundles::of(state);
    let readers = readers(state, &bundles);
    let columns = readers.iter().map(|(name, _)| (*name).to_owned()).collect();
    let rows = bundles.iter().enumerate().map(|(index, bundle)| row(state, vault, index, bundle, &readers));
    let rows = rows.collect();
    let shown: Vec<usize> = in_order(&bundles[..bundles.len().min(BUNDLES)], &readers);
    let left: Vec<_> = readers.iter().take(READERS).copied().collect();
    let right = openers(&bundles, &shown);
    let mut more = Vec::new();
    tell_more(&mut more, readers.len(), READERS, "readers");
    tell_more(&mut more, bundles.len(), BUNDLES, "bundles");
    tell_more(&mut more, right.len(), OPENERS, "users and services");
    let right = &right[..right.len().min(OPENERS)];
    let tallest = left.len().max(shown.len()).max(right.len());
    let mid = |column: usize, row: usize, count: usize| place(column, row, count, tallest);
    let bundle_at: Vec<(usize, (f64, f64))> =
        shown.iter().enumerate().map(|(row, index)| (*index, mid(1, row, shown.len()))).collect();
    Picture {
        width: WIDTH,
        height: height(tallest),
        readers: fit(boxes_of_readers(&left, &bundles, &bundle_at, &mid, vault), READER_LETTERS),
        bundles: fit(
            bundle_at.iter().map(|(index, at)| box_of_bundle(vault, *index, &bundles[*index], *at)).collect(),
            BUNDLE_LETTERS,
        ),
        openers: fit(boxes_of_openers(right, &bundles, &bundle_at, &mid), OPENER_LETTERS),
        more,
        columns,
        rows,
    }
}

type Reader<'a> = (&'a str, &'static str);
type Position<'a> = &'a dyn Fn(usize, usize, usize) -> (f64, f64);

fn boxes_of_readers(
    left: &[Reader<'_>],
    bundles: &[Bundle<'_>],
    bundle_at: &[(usize, (f64, f64))],
    position: Position<'_>,
    vault: usize,
) -> Vec<Place> {
    let boxes = left.iter().enumerate().map(|(row, (name, kind))| {
        let at = position(0, row, left.len());
        let read = bundle_at.iter().filter(|(index, _)| bundles[*index].readers.contains(name));
        let lines = read.map(|(_, bundle)| curve(right_of(at), left_of(*bundle))).collect();
        boxed((*name).to_owned(), kind, Some(format!("v{vault}-readers")), at, lines)
    });
    boxes.collect()
}

fn box_of_bundle(vault: usize, index: usize, bundle: &Bundle<'_>, at: (f64, f64)) -> Place {
    boxed(bundle.label.clone(), "bundle", Some(bundle_id(vault, index)), at, Vec::new())
}

fn boxes_of_openers(
    right: &[String],
    bundles: &[Bundle<'_>],
    bundle_at: &[(usize, (f64, f64))],
    position: Position<'_>,
) -> Vec<Place> {
    let boxes = right.iter().enumerate().map(|(row, opener)| {
        let at = position(2, row, right.len());
        let opened = bundle_at.iter().filter(|(index, _)| &bundles[*index].opener == opener);
        let lines = opened.map(|(_, bundle)| curve(right_of(*bundle), left_of(at))).collect();
        boxed(opener.clone(), "opener", None, at, lines)
    });
    boxes.collect()
}

fn boxed(
    label: String,
    kind: &'static str,
    link: Option<String>,
    at: (f64, f64),
    lines: Vec<String>,
) -> Place {
    let drawn = label.clone();
    Place { label, drawn, kind, link, x: at.0, y: at.1, width: BOX_WIDTH, height: BOX_HEIGHT, lines }
}

fn fit(mut boxes: Vec<Place>, letters: usize) -> Vec<Place> {
    let drawn = labels::fitted(boxes.iter().map(|place| place.label.as_str()), letters);
    for (place, drawn) in boxes.iter_mut().zip(drawn) {
        place.drawn = drawn;
    }
    boxes
}

/// Those who can decrypt anything: people, then recovery keys, then machines.
fn readers<'a>(state: &'a StateFacts, bundles: &[Bundle<'a>]) -> Vec<Reader<'a>> {
    let mut kinds: BTreeMap<&str, ReaderKind> =
        bundles.iter().flat_map(|bundle| &bundle.readers).map(|name| (*name, ReaderKind::Group)).collect();
    for reader in state.readers.iter().filter(|reader| reader.kind != ReaderKind::Group) {
        kinds.insert(&reader.name, reader.kind);
    }
    let mut readers: Vec<(&str, ReaderKind)> = kinds.into_iter().collect();
    readers.sort_by_key(|(name, kind)| (*kind, *name));
    readers.into_iter().map(|(name, kind)| (name, kind.word())).collect()
}

/// The bundles from top to bottom: each near its readers, so that few lines cross.
fn in_order(bundles: &[Bundle<'_>], readers: &[Reader<'_>]) -> Vec<usize> {
    let rank: BTreeMap<&str, usize> =
        readers.iter().enumerate().map(|(index, (name, _))| (*name, index)).collect();
    let middle = |index: &usize| {
        let ranks = bundles[*index].readers.iter().filter_map(|name| rank.get(name));
        let sum: usize = ranks.sum();
        // In hundredths: whole numbers can be sorted.
        (sum * 100).checked_div(bundles[*index].readers.len()).unwrap_or(0)
    };
    let mut order: Vec<usize> = (0..bundles.len()).collect();
    order.sort_by_key(|index| (middle(index), bundles[*index].label.clone()));
    order
}

/// Who opens what is shown, in the order of the bundles.
fn openers(bundles: &[Bundle<'_>], shown: &[usize]) -> Vec<String> {
    let mut known = BTreeSet::new();
    let openers = shown.iter().map(|index| bundles[*index].opener.clone());
    openers.filter(|opener| known.insert(opener.clone())).collect()
}

fn tell_more(more: &mut Vec<String>, count: usize, most: usize, what: &str) {
    if count > most {
        more.push(format!("{} more {what}", count - most));
    }
}

fn row(state: &StateFacts, vault: usize, index: usize, bundle: &Bundle<'_>, readers: &[Reader<'_>]) -> Row {
    let secrets = bundle.secrets.iter().take(TOLD);
    let link = |secret: &usize| Link {
        id: secret_id(vault, *secret),
        name: state.secrets[*secret].name.as_str().to_owned(),
    };
    Row {
        id: bundle_id(vault, index),
        label: bundle.label.clone(),
        opener: bundle.opener.clone(),
        marks: readers.iter().map(|(name, _)| bundle.readers.contains(name)).collect(),
        readers: bundle.readers.iter().map(|name| (*name).to_owned()).collect(),
        unnamed: bundle.unnamed,
        secrets: secrets.map(link).collect(),
        more: bundle.secrets.len().saturating_sub(TOLD),
    }
}

fn bundle_id(vault: usize, index: usize) -> String {
    format!("v{vault}-b{index}")
}

/// The upper left corner of a box: each column is centred beside the tallest, and spread along it.
#[expect(clippy::cast_precision_loss, reason = "a picture has less than a hundred rows")]
pub fn place(column: usize, row: usize, count: usize, tallest: usize) -> (f64, f64) {
    let x = (WIDTH - BOX_WIDTH) / 2.0 * column as f64;
    let height = tallest as f64 * STEP;
    let step = (height / count.max(1) as f64).min(STEP * SPREAD);
    let above = (height - step * count as f64 + step - STEP) / 2.0;
    (x, TOP + above + row as f64 * step)
}

#[expect(clippy::cast_precision_loss, reason = "a picture has less than a hundred rows")]
fn height(tallest: usize) -> f64 {
    TOP + tallest as f64 * STEP
}

fn left_of((x, y): (f64, f64)) -> (f64, f64) {
    (x, y + BOX_HEIGHT / 2.0)
}

fn right_of((x, y): (f64, f64)) -> (f64, f64) {
    (x + BOX_WIDTH, y + BOX_HEIGHT / 2.0)
}

/// A curve that leaves and arrives level.
pub fn curve((x1, y1): (f64, f64), (x2, y2): (f64, f64)) -> String {
    let middle = f64::midpoint(x1, x2);
    format!("M{x1} {y1}C{middle} {y1} {middle} {y2} {x2} {y2}")
}
