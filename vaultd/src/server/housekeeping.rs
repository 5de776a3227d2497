//! What a server does beside answering: it switches to another generation, tells what the kernel must forget, and
//! lets go of what nobody has open any more.

use std::io;
use std::sync::{Arc, mpsc};

use super::shared::{Served, Shared};
use super::{Channel, Report};
use crate::generation::Generation;

/// How many names and nodes are told in one message, however long the names are.
const MOST_STALE: usize = 100;

/// One thing to do.
#[derive(Debug)]
pub(super) enum Task {
    /// Have the kernel forget what it remembers of all generations but the current one.
    Refresh,
    /// Show this generation from now on.
    SwitchTo(Generation),
    /// Let go of the generations that nobody has open any more.
    DropUnused,
    /// Let go of what the kernel does not know.
    Unknown(Vec<u64>),
    /// Tell the monitor that requests are answered.
    Answer,
    /// Keep house no more.
    Pause,
    /// Tell the monitor when nothing is to be answered any more.
    Rest,
}

/// Does what there is to do until everybody is gone who could ask for something.
pub(super) fn keep(shared: &Shared, monitor: &Channel, tasks: mpsc::Receiver<Task>) -> io::Result<()> {
    let mut is_paused = false;
    for task in tasks {
        let Some(served) = shared.served() else { return Ok(()) };
        match task {
            Task::Answer => {
                served.wait_for_requests();
                monitor.send(&Report::Alive, &[])?;
            }
            Task::Pause => {
                is_paused = true;
                monitor.send(&Report::Pauses, &[])?;
            }
            Task::Rest => {
                shared.rest();
                monitor.send(&Report::Rests, &[])?;
            }
            Task::Refresh | Task::SwitchTo(_) | Task::DropUnused | Task::Unknown(_) if is_paused => {}
            Task::Refresh => {
                served.asks();
                show(served, monitor, true)?;
            }
            Task::DropUnused => show(served, monitor, false)?,
            Task::Unknown(nodes) => {
                served.unknown(nodes);
                show(served, monitor, false)?;
            }
            Task::SwitchTo(generation) => {
                let before = served.view();
                served.switch_to(&Arc::new(generation));
                Served::wait_for_answers(&before);
                show(served, monitor, true)?;
            }
        }
    }
    Ok(())
}

/// Lets go of what nobody has open, and tells what the kernel must forget, if there is news or something is let go.
fn show(served: &Served, monitor: &Channel, is_news: bool) -> io::Result<()> {
    let before = served.view();
    let dropped = served.let_go();
    if !is_news && dropped.is_empty() {
        return Ok(());
    }
    // Of what is dropped also what who had it open has read since the switch.
    for stale in before.stale().chunks(MOST_STALE) {
        monitor.send(&Report::Stale(stale.to_vec()), &[])?;
    }
    let generation = before.current().number();
    drop(before);
    monitor.send(&Report::Shows { generation, dropped }, &[])
}
