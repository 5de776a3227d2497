//! When timers elapse: `systemd-analyze calendar` reads each expression.

use super::{Outcome, Subject, Verdict, program::run, units::ANALYZE};

pub(super) fn check(subject: &Subject<'_>) -> Vec<Outcome> {
    let units = subject.resolved.system.units.iter();
    let expressions = units.flat_map(|(name, unit)| {
        unit.value.file.get("Timer", "OnCalendar").into_iter().map(move |expression| (name, expression))
    });
    let judged = expressions.map(|(name, expression)| {
        Outcome::of("systemd-analyze calendar", format!("{name}: {expression}"), judge(expression))
    });
    judged.collect()
}

fn judge(expression: &str) -> Result<Verdict, Verdict> {
    let mut analyze = ANALYZE.command()?;
    analyze.args(["calendar", "--", expression]);
    Ok(run(analyze)?.verdict())
}
