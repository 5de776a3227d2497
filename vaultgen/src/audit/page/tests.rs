//! What the page promises: everything is there, nothing of it is a tag, and every link leads somewhere.

mod sample;

use std::collections::{BTreeMap, BTreeSet};

use vault_format::audit::{Change, readers::ReaderKind};

use super::{bundles, labels, picture, render, timeline};
use crate::audit::report::{Report, Verdict};

const SIZES: [usize; 3] = [10, 300, 3_000];
/// What somebody may write who wants to be more than text.
const HOSTILE: [&str; 5] = [
    "<script>alert(1)</script>",
    "\"><svg onload=alert(1)>",
    "' onmouseover='alert(1)",
    "]]><iframe src=//example.org></iframe>",
    "</title></style><img src=x onerror=alert(1)>\u{202e}txt.exe\u{0}\u{1b}[2J",
];

fn page(report: &Report) -> String {
    render(report).expect("a page")
}

/// The tags of a page: each from its `<` to its `>`. All values are escaped, so that no attribute has either.
fn tags(page: &str) -> impl Iterator<Item = &str> {
    page.split('<').skip(1).map(|rest| rest.split_once('>').expect("an end of the tag").0)
}

/// The values of an attribute.
fn values<'a>(page: &'a str, attribute: &str) -> Vec<&'a str> {
    let start = format!(" {attribute}=\"");
    tags(page)
        .filter_map(|tag| tag.split_once(start.as_str()).and_then(|(_, rest)| rest.split('"').next()))
        .collect()
}

fn tag_counts(page: &str) -> BTreeMap<&str, usize> {
    let mut counts = BTreeMap::new();
    for tag in tags(page) {
        *counts.entry(tag.split([' ', '\n']).next().unwrap_or_default()).or_default() += 1;
    }
    counts
}

#[test]
fn everything_that_was_found_is_on_the_page() {
    for size in SIZES {
        let report = sample::report(size);
        let page = page(&report);
        let state = report.vaults[0].state.as_ref().expect("a state");
        let summaries: BTreeSet<&str> =
            page.split("<summary>").skip(1).filter_map(|rest| rest.split(" <span").next()).collect();
        for name in state.secrets.iter().map(|secret| secret.name.as_str().replace('/', "&#x2f;")) {
            assert!(summaries.contains(name.as_str()), "{name} of {size}");
        }
        for machine in &state.machines {
            assert!(summaries.contains(machine.name.as_str()), "{} of {size}", machine.name);
        }
        for finding in &report.findings {
            assert!(page.contains(&format!("<code>{}</code>", finding.code)), "{}", finding.code);
            assert!(page.contains(&format!("<b>{}</b>", finding.reason)), "{}", finding.reason);
        }
        assert!(page.contains("it goes in spring") && page.contains("Who could read"));
    }
}

#[test]
fn a_large_vault_is_a_page_that_can_be_sent() {
    let sizes = SIZES.map(|size| page(&sample::report(size)).len());
    assert!(sizes[0] < 200_000 && sizes[2] < 6_000_000, "{sizes:?}");
}

#[test]
fn ids_are_unique_and_each_link_leads_to_one() {
    for size in SIZES {
        let page = page(&sample::report(size));
        let ids = values(&page, "id");
        let unique: BTreeSet<&str> = ids.iter().copied().collect();
        assert_eq!(unique.len(), ids.len());
        for link in values(&page, "href") {
            let id = link.strip_prefix('#').expect("a link within the page");
            assert!(unique.contains(id), "{link}");
        }
        let labels = values(&page, "aria-labelledby");
        assert!(labels.iter().flat_map(|ids| ids.split(' ')).all(|id| unique.contains(id)));
    }
}

#[test]
fn headings_are_in_order() {
    let page = page(&sample::report(300));
    let levels: Vec<u32> =
        tags(&page).filter_map(|tag| tag.strip_prefix('h')?.split(' ').next()?.parse().ok()).collect();
    assert!(levels[0] == 1 && levels.iter().filter(|level| **level == 1).count() == 1);
    assert!(levels.windows(2).all(|pair| pair[1] <= pair[0] + 1), "{levels:?}");
}

#[test]
fn nothing_is_run_and_nothing_is_loaded() {
    let page = page(&sample::report(10));
    assert!(page.contains("content=\"default-src 'none'; style-src 'unsafe-inline'\""));
    let counts = tag_counts(&page);
    assert!(
        ["script", "link", "img", "iframe", "object", "form"].iter().all(|tag| !counts.contains_key(tag))
    );
    assert!(!page.contains("url(") && !page.contains("@import") && !page.contains("src="));
}

/// Writes `text` wherever a report has text of others.
fn poison(report: &mut Report, text: &str) {
    let poisoned = || text.to_owned();
    report.notes.push(poisoned());
    for finding in &mut report.findings {
        finding.reason = poisoned();
        finding.place.path = poisoned();
        finding.place.commit = Some(poisoned());
    }
    for allowed in &mut report.allowed {
        (allowed.reason, allowed.until) = (poisoned(), poisoned());
    }
    report.trust.signers.push(sample::signer(text));
    let vault = &mut report.vaults[0];
    vault.path = poisoned();
    for step in &mut vault.history {
        step.problems.push(poisoned());
        step.changes.push(Change::ReaderAdded { name: poisoned(), kind: ReaderKind::Person });
        step.signer = Some(sample::signer(text));
        let commit = step.commit.as_mut().expect("a commit");
        (commit.id, commit.subject) = (poisoned(), poisoned());
        (commit.committer.name, commit.committer.email) = (poisoned(), poisoned());
    }
    let state = vault.state.as_mut().expect("a state");
    state.id = poisoned();
    for machine in &mut state.machines {
        (machine.name, machine.profile) = (poisoned(), Some(poisoned()));
    }
    for reader in &mut state.readers {
        reader.name = poisoned();
        reader.members.push(poisoned());
    }
    for secret in &mut state.secrets {
        secret.description = Some(poisoned());
        secret.audience.push(poisoned());
        secret.readers.insert(poisoned());
        secret.on_change.push(poisoned());
        (secret.access.owner, secret.access.group) = (poisoned(), poisoned());
        secret.access.services.push(poisoned());
    }
    for reader in &mut vault.access.as_mut().expect("an answer").readers {
        reader.names.push(poisoned());
        reader.since.committer = poisoned();
    }
}

#[test]
fn no_text_of_others_becomes_a_tag_or_an_attribute() {
    let mut harmless = sample::report(10);
    poison(&mut harmless, "harmless");
    let harmless = page(&harmless);
    for text in HOSTILE {
        let mut report = sample::report(10);
        poison(&mut report, text);
        let page = page(&report);
        assert_eq!(tag_counts(&page), tag_counts(&harmless), "{text}");
        let handlers = tags(&page).filter(|tag| {
            let outside = tag.split('"').step_by(2);
            outside.into_iter().any(|part| part.contains(" on") || part.contains("src"))
        });
        assert_eq!(handlers.count(), 0, "{text}");
        assert!(!page.contains(['\u{202e}', '\u{0}', '\u{1b}']), "{text}");
    }
}

#[test]
fn names_of_any_length_fit() {
    let mut report = sample::report(10);
    poison(&mut report, &"ä".repeat(5_000));
    let page = page(&report);
    let drawn = page.split("<text").skip(1).filter_map(|rest| rest.split("</text>").next());
    assert!(drawn.into_iter().all(|text| text.len() < 200));
}

#[test]
fn a_vault_that_cannot_be_read_has_a_page_too() {
    let mut report = sample::report(10);
    let vault = &mut report.vaults[0];
    (vault.state, vault.signer, vault.commit, vault.access) = (None, None, None, None);
    vault.verdict = Verdict::Unsound;
    vault.history.clear();
    assert!(page(&report).contains("There is no history"));
    report.vaults.clear();
    assert!(page(&report).contains("There is no vault."));
}

#[test]
fn bundles_hold_each_secret_once() {
    for size in SIZES {
        let report = sample::report(size);
        let state = report.vaults[0].state.as_ref().expect("a state");
        let mut secrets: Vec<usize> =
            bundles::of(state).into_iter().flat_map(|bundle| bundle.secrets).collect();
        secrets.sort_unstable();
        assert_eq!(secrets, (0..size).collect::<Vec<_>>());
    }
}

#[test]
fn no_two_bundles_look_the_same() {
    let mut report = sample::report(300);
    let state = report.vaults[0].state.as_mut().expect("a state");
    // All in one folder, with readers of their own.
    for (index, secret) in state.secrets.iter_mut().enumerate() {
        secret.name = format!("passwords/of-a-service-with-a-long-name-{index}").parse().expect("a name");
        secret.readers = [format!("reader-{}", index / 10)].into();
    }
    let bundles = bundles::of(state);
    let labels: BTreeSet<&str> = bundles.iter().map(|bundle| bundle.label.as_str()).collect();
    assert!(labels.len() == bundles.len() && bundles.len() >= 30, "{labels:#?}");
    let page = page(&report);
    let drawn: Vec<&str> = page
        .split("class=\"node bundle\"")
        .skip(1)
        .filter_map(|rest| rest.split("</text>").next()?.rsplit('>').next())
        .collect();
    let unique: BTreeSet<&str> = drawn.iter().copied().collect();
    assert!(unique.len() == drawn.len() && drawn.len() >= 30, "{drawn:#?}");
}

#[test]
fn a_label_loses_its_middle() {
    let fitted = |names: &[&'static str]| labels::fitted(names.iter().copied(), 11);
    assert_eq!(fitted(&["short"]), ["short"]);
    assert_eq!(fitted(&["certs/of-a-shop-key"]), ["certs/…-key"]);
    assert_eq!(fitted(&["certs/of-a-shop-key", "certs/of-b-shop-key"]), ["certs/…-key", "certs…2…key"]);
}

#[test]
fn a_bundle_is_named_by_the_folder_that_all_are_in() {
    assert_eq!(bundles::common_folder(&["a/b/c", "a/b/d"]), "a/b/");
    assert_eq!(bundles::common_folder(&["a/b/c", "a/bc/d"]), "a/");
    assert_eq!(bundles::common_folder(&["ab", "ac"]), "");
    assert_eq!(bundles::common_folder(&["a/b", "a"]), "");
}

#[test]
fn a_shorter_column_stands_beside_the_middle_of_the_tallest() {
    let middle = |count, tallest| {
        let (first, last) =
            (picture::place(0, 0, count, tallest), picture::place(0, count - 1, count, tallest));
        f64::midpoint(first.1, last.1)
    };
    assert!((middle(1, 9) - middle(9, 9)).abs() < 0.001 && (middle(4, 9) - middle(9, 9)).abs() < 0.001);
    assert!(picture::place(1, 0, 1, 1).0 > picture::place(0, 0, 1, 1).0 + 230.0);
    assert_eq!(picture::curve((0.0, 1.0), (10.0, 2.0)), "M0 1C5 1 5 2 10 2");
}

#[test]
fn a_picture_says_what_it_leaves_out() {
    let mut report = sample::report(100);
    let state = report.vaults[0].state.as_mut().expect("a state");
    for (index, secret) in state.secrets.iter_mut().enumerate() {
        secret.access.owner = format!("user-{index}");
    }
    let page = page(&report);
    assert_eq!(page.matches("class=\"node bundle\"").count(), 40);
    assert!(page.contains("60 more bundles") && page.contains("(100 bundles)"));
}

#[test]
fn dots_grow_with_what_they_count_and_stay_in_their_lane() {
    let radii = [1, 5, 50, 500, 5_000].map(timeline::radius);
    assert!(radii.is_sorted() && radii[4] <= 16);
}

#[test]
fn a_history_of_centuries_is_not_a_picture_of_centuries() {
    let mut report = sample::report(10);
    let history = &mut report.vaults[0].history;
    for (step, year) in history.iter_mut().zip([1970, 9_998]) {
        let commit = step.commit.as_mut().expect("a commit");
        commit.committer.at = format!("{year}-01-01T00:00:00Z").parse().expect("a moment");
    }
    assert!(page(&report).matches("class=\"month\"").count() <= 60);
}

/// As WCAG 2.1 measures it: by day, by night and on paper, also where a link leads and the ground is another.
#[test]
fn each_colour_of_text_stands_out_from_each_ground() {
    let schemes: Vec<BTreeMap<&str, f64>> = super::STYLE.split(":root{").skip(1).map(luminances).collect();
    assert_eq!(schemes.len(), 3);
    for scheme in schemes {
        let contrast = |one: &str, other: &str| {
            let (one, other) = (scheme[one], scheme[other]);
            (one.max(other) + 0.05) / (one.min(other) + 0.05)
        };
        for ink in ["--ink", "--soft", "--accent", "--bad", "--warn", "--good"] {
            for ground in ["--paper", "--card"] {
                assert!(contrast(ink, ground) >= 4.5, "{ink} on {ground}: {}", contrast(ink, ground));
            }
        }
    }
}

/// The colours of a scheme, from 0 for black to 1 for white.
fn luminances(scheme: &str) -> BTreeMap<&str, f64> {
    let colours = scheme.split('}').next().unwrap_or_default().split(';');
    let of = |colour: &str| {
        let digits: Vec<u32> =
            colour.trim_start_matches('#').chars().filter_map(|c| c.to_digit(16)).collect();
        let channels: Vec<u32> = match digits.len() {
            3 => digits.iter().map(|digit| digit * 17).collect(),
            _ => digits.chunks(2).map(|pair| pair[0] * 16 + pair[1]).collect(),
        };
        let linear = |value: u32| {
            let value = f64::from(value) / 255.0;
            if value <= 0.03928 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        let weights = [0.2126, 0.7152, 0.0722];
        channels.iter().zip(weights).map(|(channel, weight)| linear(*channel) * weight).sum()
    };
    colours.filter_map(|pair| pair.split_once(':')).map(|(name, colour)| (name, of(colour))).collect()
}
