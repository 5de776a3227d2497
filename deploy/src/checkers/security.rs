//! How exposed each service is: `systemd-analyze security` weighs its sandbox, 0.0 for none to 10.0 for all.

use std::collections::BTreeMap;

use super::{
    Outcome, Subject, Verdict,
    program::run,
    units::{ANALYZE, loadable, ours},
};

const CHECKER: &str = "systemd-analyze security";
/// The most that a service of ours may have, in tenths.
const MOST: u32 = 30;

pub(super) fn check(subject: &Subject<'_>) -> Vec<Outcome> {
    match exposures(subject) {
        Err(verdict) => vec![Outcome::of(CHECKER, "services", Err(verdict))],
        Ok(exposures) => exposures.iter().map(|(name, exposure)| outcome(name, *exposure)).collect(),
    }
}

fn outcome(name: &str, exposure: Option<u32>) -> Outcome {
    let verdict = match exposure {
        Some(exposure) if exposure <= MOST => Verdict::Passed,
        Some(_) => Verdict::Failed(format!("its exposure is above {}", tenths(MOST))),
        None => Verdict::Failed("systemd does not load it".to_owned()),
    };
    let shown = exposure.map(|exposure| format!(" ({})", tenths(exposure))).unwrap_or_default();
    Outcome::of(CHECKER, format!("{name}{shown}"), Ok(verdict))
}

pub(super) fn tenths(number: u32) -> String {
    format!("{}.{}", number / 10, number % 10)
}

/// The exposure of each of our services in tenths, by its name.
pub(super) fn exposures<'a>(subject: &Subject<'a>) -> Result<BTreeMap<&'a str, Option<u32>>, Verdict> {
    let services = ours(subject).map(|(name, _)| name).filter(|name| name.ends_with(".service"));
    let services: Vec<&str> = services.collect();
    if services.is_empty() {
        return Ok(BTreeMap::new());
    }
    let mut analyze = ANALYZE.command()?;
    analyze.args(["security", "--no-pager", "--offline=yes", "--root"]).arg(&subject.root);
    analyze.args(services.iter().map(|name| loadable(name)));
    let said = run(analyze)?.text;
    let told: BTreeMap<&str, u32> = said.lines().filter_map(overall).collect();
    Ok(services.into_iter().map(|name| (name, told.get(loadable(name).as_str()).copied())).collect())
}

/// `→ Overall exposure level for odoo.service: 1.2 OK 🙂`, in tenths.
fn overall(line: &str) -> Option<(&str, u32)> {
    let (_, rest) = line.split_once("Overall exposure level for ")?;
    let (name, value) = rest.split_once(": ")?;
    let (ones, tenth) = value.split(' ').next()?.split_once('.')?;
    Some((name, ones.parse::<u32>().ok()? * 10 + tenth.parse::<u32>().ok()?))
}
