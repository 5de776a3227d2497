//! When timers elapse: `systemd-analyze calendar` reads each expression.

use super::{
    Outcome, Subject, Verdict,
    program::run,
    units::{ANALYZE, ours, values},
};

pub(super) fn check(subject: &Subject<'_>) -> Vec<Outcome> {
    let timers = ours(subject).filter(|(name, _)| name.ends_with(".timer"));
    let expressions =
        timers.flat_map(|(name, text)| values(text, "OnCalendar").map(move |expression| (name, expression)));
    let judged = expressions.map(|(name, expression)| {
        Outcome::of("systemd-analyze calendar", format!("{name}: {expression}"), judge(expression))
    });
    judged.collect()
}

fn judge(expression: &str) -> Result<Verdict, Verdict> {
    let mut analyze = ANALYZE.command()?;
    analyze.args(["calendar", "--", expression]);
    let said = run(analyze)?;
    // Such as on the 31st of February.
    let is_never = said.is_content() && said.text.contains("Next elapse: never");
    Ok(if is_never { Verdict::Failed("it never elapses".to_owned()) } else { said.verdict() })
}
