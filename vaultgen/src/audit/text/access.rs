//! Who could read a secret, line by line.

use std::collections::BTreeMap;

use vault_format::audit::Change;

use crate::audit::{
    report::{Moment, ReaderAccess, Report, SecretAccess, Step, VaultReport},
    words,
};

/// Who could read it, since when, and who allowed it.
pub fn lines(report: &Report, vault: &VaultReport, access: &SecretAccess, folder: &str) -> Vec<String> {
    let mut lines = vec![match &report.question.at {
        Some(at) => {
            format!("who could read {} of vault {folder} in {} (by {})", access.secret, at.name, at.source)
        }
        None => {
            format!("who could ever read {} of vault {folder} (by the dates of Git's commits)", access.secret)
        }
    }];
    lines.extend(access.readers.iter().map(|reader| of_reader(reader, access.present)));
    if access.readers.is_empty() {
        lines.push("  nobody".to_owned());
    }
    lines.extend(access.served.iter().map(|served| {
        let access = words::access(&served.access);
        format!("  on {} it may be opened as {} by {access}", served.machine, served.path)
    }));
    lines.push(format!("  its value changed on: {} (the signers say so)", access.rotated.join(", ")));
    if !access.present {
        lines.push(
            "  it was taken out since; who knows its last value can use that wherever it is still good"
                .to_owned(),
        );
    }
    lines.extend(renames(vault, access));
    lines.extend(signers(report, vault, access));
    lines
}

fn of_reader(reader: &ReaderAccess, is_present: bool) -> String {
    let key = words::key(reader.key.as_str());
    let who = if reader.names.is_empty() { key.clone() } else { reader.names.join(" and ") };
    let until = reader.until.as_ref().map(|until| format!(" until {}", moment(until))).unwrap_or_default();
    let now = match (reader.still, reader.knows_present_value) {
        (true, _) => "still so",
        (false, true) => "knows the present value all the same",
        (false, false) if is_present => "the value was changed since",
        (false, false) => "the secret was taken out since",
    };
    let aside = if reader.side_branch { " on a side branch" } else { "" };
    format!("  {who} [{key}]: since {}{until}{aside}; {now}", moment(&reader.since))
}

fn moment(moment: &Moment) -> String {
    let signer = moment.signer.as_deref().unwrap_or("nobody known");
    format!(
        "{} (signed by {signer}, committed by {} in {})",
        moment.at.date_time().date(),
        moment.committer,
        words::commit(&moment.commit)
    )
}

/// Under another name it is another secret: its readers are told there.
fn renames(vault: &VaultReport, access: &SecretAccess) -> Vec<String> {
    let changes = vault.history.iter().flat_map(|step| &step.changes);
    let lines = changes.filter_map(|change| match change {
        Change::Renamed { from, to, .. } if *from == access.secret => {
            Some(format!("  it was renamed to {to}: ask about that too"))
        }
        Change::Renamed { from, to, .. } if *to == access.secret => {
            Some(format!("  it was called {from} before: ask about that too"))
        }
        _ => None,
    });
    lines.collect()
}

/// Whose signatures allowed it: a name is what a list calls a key.
fn signers(report: &Report, vault: &VaultReport, access: &SecretAccess) -> Vec<String> {
    let steps: BTreeMap<&str, &Step> =
        vault.history.iter().filter_map(|step| Some((step.commit.as_ref()?.id.as_str(), step))).collect();
    let moments = access.readers.iter().flat_map(|reader| [Some(&reader.since), reader.until.as_ref()]);
    let steps = moments.flatten().filter_map(|moment| steps.get(moment.commit.as_str()));
    let mut lines: Vec<String> = steps
        .filter_map(|step| {
            let signer = step.signer.as_ref()?;
            let known = match (report.trust.from_outside, step.signer_trusted) {
                (true, true) => "who is on your list",
                (true, false) => "who is not on your list",
                (false, _) => "whom only this repository calls so",
            };
            Some(format!("  {} is {}, {known}", signer.principal, signer.fingerprint))
        })
        .collect();
    lines.sort();
    lines.dedup();
    lines
}
