//! `deploy check`.

use std::{
    collections::BTreeSet,
    fmt,
    io::{self, Write},
};

use miette::IntoDiagnostic;

use crate::{
    checkers::{self, Outcome, Verdict},
    cli::{Ended, NodeArgs},
    pipeline::{self, Resolved},
    tree::Tree,
};

/// Check a node: all assertions, and every rendered file by its own program's checker.
///
/// A checker that is not installed is listed as skipped.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    node: NodeArgs,
    /// Fail if a checker is not installed.
    #[arg(long)]
    strict: bool,
}

/// Runs the verb.
///
/// # Errors
///
/// Everything that is wrong with the node.
pub fn run(args: &Args) -> miette::Result<Ended> {
    let (resolved, tree) = pipeline::render(&args.node.node, args.node.variant)?;
    let outcomes = checkers::run(&resolved, &tree)?;
    tell(&mut io::stdout().lock(), &resolved, &tree, &outcomes).into_diagnostic()?;
    let is_bad = outcomes.iter().any(|outcome| match outcome.verdict {
        Verdict::Passed | Verdict::Warned(_) => false,
        Verdict::Failed(_) => true,
        Verdict::Skipped(_) => args.strict,
    });
    Ok(if is_bad { Ended::Badly } else { Ended::Well })
}

/// Tells of what there is, then each outcome below its checker, then the keys that are born on the machine.
fn tell(out: &mut impl Write, resolved: &Resolved, tree: &Tree, outcomes: &[Outcome]) -> io::Result<()> {
    let manifest = &tree.manifest;
    let (files, units, packages) = (manifest.files.len(), manifest.units.len(), manifest.packages.len());
    writeln!(
        out,
        "{}, {}: {files} files, {units} units, {packages} packages",
        manifest.node, manifest.variant
    )?;
    for checker in in_order(outcomes) {
        let group: Vec<&Outcome> = outcomes.iter().filter(|outcome| outcome.checker == checker).collect();
        writeln!(out, "\n{checker}: {}", Counts::of(&group))?;
        group.iter().try_for_each(|outcome| tell_one(out, outcome))?;
    }
    if !resolved.system.born_keys.is_empty() {
        writeln!(out, "\nprivate keys that are born on the machine, and stay on its disk:")?;
    }
    for (path, key) in &resolved.system.born_keys {
        writeln!(out, "  {path} of {}: {}", key.value.owner, key.value.why)?;
    }
    writeln!(out, "\n{}", Counts::of(&outcomes.iter().collect::<Vec<_>>()))
}

/// The checkers that had something to say, in the order in which they said it.
fn in_order(outcomes: &[Outcome]) -> Vec<&'static str> {
    let mut seen = BTreeSet::new();
    outcomes.iter().map(|outcome| outcome.checker).filter(|checker| seen.insert(*checker)).collect()
}

fn tell_one(out: &mut impl Write, Outcome { subject, verdict, .. }: &Outcome) -> io::Result<()> {
    let (sign, why) = match verdict {
        Verdict::Passed => return writeln!(out, "  ok       {subject}"),
        Verdict::Warned(why) => ("warning", why),
        Verdict::Failed(why) => ("FAILED ", why),
        Verdict::Skipped(why) => ("skipped", why),
    };
    match why.lines().collect::<Vec<_>>().as_slice() {
        [] => writeln!(out, "  {sign}  {subject}"),
        [line] => writeln!(out, "  {sign}  {subject}: {line}"),
        lines => {
            writeln!(out, "  {sign}  {subject}:")?;
            lines.iter().try_for_each(|line| writeln!(out, "{}", format!("             {line}").trim_end()))
        }
    }
}

/// How many outcomes of each kind there are.
#[derive(Default)]
struct Counts {
    ok: usize,
    warnings: usize,
    failed: usize,
    skipped: usize,
}

impl Counts {
    fn of(outcomes: &[&Outcome]) -> Self {
        let mut counts = Self::default();
        for outcome in outcomes {
            let count = match outcome.verdict {
                Verdict::Passed => &mut counts.ok,
                Verdict::Warned(_) => &mut counts.warnings,
                Verdict::Failed(_) => &mut counts.failed,
                Verdict::Skipped(_) => &mut counts.skipped,
            };
            *count += 1;
        }
        counts
    }
}

impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kinds = [
            (self.ok, "ok"),
            (self.warnings, "warnings"),
            (self.failed, "failed"),
            (self.skipped, "skipped"),
        ];
        let told = kinds.iter().filter(|(count, kind)| *count > 0 || *kind == "ok");
        let told: Vec<String> = told.map(|(count, kind)| format!("{count} {kind}")).collect();
        f.write_str(&told.join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::{Outcome, Verdict, tell};
    use crate::{
        node::{NodeFile, Variant},
        pipeline,
        system::BornKey,
        value::{AbsolutePath, UserName},
    };

    fn outcome(checker: &'static str, subject: &str, verdict: Verdict) -> Outcome {
        Outcome { subject: subject.to_owned(), checker, verdict }
    }

    #[test]
    fn outcomes_stand_below_their_checkers_with_their_counts() {
        let node = NodeFile::from_text("box", "box.toml", "architecture = \"x86_64\"\nplatform = \"devm\"\n");
        let Ok(mut resolved) = pipeline::resolve(&[node], Variant::Run) else { panic!("a sound node") };
        let key = BornKey { owner: UserName::known("root"), why: "who knows the machine knows it by this" };
        resolved.system.by("base").born_key(AbsolutePath::known("/etc/key"), key);
        let tree = resolved.tree();
        let outcomes = [
            outcome("a -t", "/a", Verdict::Passed),
            outcome("b", "/b", Verdict::Skipped("there is no b".to_owned())),
            outcome("a -t", "/c", Verdict::Failed("line 1\nline 2".to_owned())),
            outcome("a -t", "/d", Verdict::Warned("look".to_owned())),
        ];
        let mut out = Vec::new();
        tell(&mut out, &resolved, &tree, &outcomes).expect("written");
        let expected = "\
box, run: 1 files, 0 units, 0 packages

a -t: 1 ok, 1 warnings, 1 failed
  ok       /a
  FAILED   /c:
             line 1
             line 2
  warning  /d: look

b: 0 ok, 1 skipped
  skipped  /b: there is no b

private keys that are born on the machine, and stay on its disk:
  /etc/key of root: who knows the machine knows it by this

1 ok, 1 warnings, 1 failed, 1 skipped
";
        assert_eq!(String::from_utf8_lossy(&out), expected, "groups in the order of their first outcome");
    }
}
