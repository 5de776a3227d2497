//! The history by month: what was added and rotated, where access grew and shrank, and what was broken.

use std::collections::BTreeMap;

use serde::Serialize;
use vault_format::audit::Change;

use super::steps::moment_of;
use crate::audit::report::{Report, Step, VaultReport, Verdict};

/// Months without anything are shown too, if the history is not longer than this.
const MONTHS: usize = 60;
const LEFT: usize = 120;
const COLUMN: usize = 34;
const LANE: usize = 40;
const TOP: usize = 34;
const LANES: [(&str, &str); 5] = [
    ("added", "Added"),
    ("rotated", "Rotated"),
    ("grew", "Access grew"),
    ("shrank", "Access shrank"),
    ("broken", "Broken"),
];

/// The picture of a history.
#[derive(Debug, Serialize)]
pub struct Timeline {
    width: usize,
    height: usize,
    lanes: Vec<Lane>,
    months: Vec<Month>,
    /// Whether older months are left out.
    cut: bool,
}

#[derive(Debug, Serialize)]
struct Lane {
    kind: &'static str,
    name: &'static str,
    y: usize,
    total: usize,
}

#[derive(Debug, Serialize)]
struct Month {
    name: String,
    /// Over the first month of each year.
    year: Option<String>,
    short: String,
    x: usize,
    dots: Vec<Dot>,
}

#[derive(Debug, Serialize)]
struct Dot {
    kind: &'static str,
    name: &'static str,
    count: usize,
    y: usize,
    radius: usize,
}

type Counts = [usize; LANES.len()];
type Key = (i32, u8);

/// The timeline of a vault; nothing without a history.
pub fn of(report: &Report, vault: &VaultReport) -> Option<Timeline> {
    let mut counted: BTreeMap<Key, Counts> = BTreeMap::new();
    for step in &vault.history {
        let date = moment_of(report, step).date_time().date();
        let counts = counted.entry((date.year(), u8::from(date.month()))).or_default();
        for (sum, more) in counts.iter_mut().zip(counts_of(step)) {
            *sum += more;
        }
    }
    let all = months(&counted);
    let (first, last) = (counted.keys().next()?, counted.keys().next_back()?);
    let cut = all.first().is_none_or(|month| month > first) || last < first;
    let lanes = LANES.iter().enumerate().map(|(lane, (kind, name))| Lane {
        kind,
        name,
        y: lane_y(lane),
        total: counted.values().map(|counts| counts[lane]).sum(),
    });
    Some(Timeline {
        width: LEFT + all.len() * COLUMN + COLUMN / 2,
        height: TOP + LANES.len() * LANE + 8,
        lanes: lanes.collect(),
        months: all.iter().enumerate().map(|(column, key)| month(&counted, &all, column, *key)).collect(),
        cut,
    })
}

/// The months to show: all from the first to the last, or those of a long history that have something.
fn months(counted: &BTreeMap<Key, Counts>) -> Vec<Key> {
    let (Some(first), Some(last)) = (counted.keys().next(), counted.keys().next_back()) else {
        return Vec::new();
    };
    let mut all = Vec::new();
    let mut key = *first;
    while key <= *last && all.len() <= MONTHS {
        all.push(key);
        key = if key.1 == 12 { (key.0 + 1, 1) } else { (key.0, key.1 + 1) };
    }
    if all.len() <= MONTHS {
        return all;
    }
    let busy: Vec<Key> = counted.keys().copied().collect();
    busy[busy.len().saturating_sub(MONTHS)..].to_vec()
}

fn month(counted: &BTreeMap<Key, Counts>, all: &[Key], column: usize, key: Key) -> Month {
    let counts = counted.get(&key).copied().unwrap_or_default();
    let dots = counts.iter().enumerate().filter(|(_, count)| **count > 0);
    let dots = dots.map(|(lane, count)| Dot {
        kind: LANES[lane].0,
        name: LANES[lane].1,
        count: *count,
        y: lane_y(lane),
        radius: radius(*count),
    });
    let first_of_year = column == 0 || all[column - 1].0 != key.0;
    Month {
        name: format!("{}-{:02}", key.0, key.1),
        year: first_of_year.then(|| key.0.to_string()),
        short: format!("{:02}", key.1),
        x: LEFT + column * COLUMN + COLUMN / 2,
        dots: dots.collect(),
    }
}

fn lane_y(lane: usize) -> usize {
    TOP + lane * LANE + LANE / 2
}

/// Grows with the number of digits and a little within: 1 and 3,000 fit into the same lane.
pub fn radius(count: usize) -> usize {
    match count {
        0..=1 => 8,
        2..=9 => 10,
        10..=99 => 12,
        100..=999 => 14,
        _ => 16,
    }
}

/// How many secrets or events a step adds to each lane.
fn counts_of(step: &Step) -> Counts {
    let secrets = |change: &Change| change.secrets().len().max(1);
    let sum = |fits: &dyn Fn(&Change) -> bool| {
        step.changes.iter().filter(|change| fits(change)).map(secrets).sum::<usize>()
    };
    [
        sum(&|change| matches!(change, Change::Added { .. })),
        sum(&|change| matches!(change, Change::Rotated { .. })),
        sum(&Change::grows),
        sum(&Change::shrinks),
        usize::from(step.verdict == Verdict::Unsound || !step.follows),
    ]
}
