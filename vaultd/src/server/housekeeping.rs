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
    /// Tell the monitor that requests are answered.
    Answer,
}

/// Does what there is to do until everybody is gone who could ask for something.
pub(super) fn keep(shared: &Shared, monitor: &Channel, tasks: mpsc::Receiver<Task>) -> io::Result<()> {
    for task in tasks {
        let Some(served) = shared.served() else { return Ok(()) };
        if matches!(task, Task::Answer) {
            served.wait_for_requests();
            monitor.send(&Report::Alive, &[])?;
            continue;
        }
        let is_news = !matches!(task, Task::DropUnused);
        if let Task::SwitchTo(generation) = task {
            let before = served.view();
            served.switch_to(&Arc::new(generation));
            Served::wait_for_answers(&before);
        }
        let before = served.view();
        let dropped = served.change_view(|view, handles| view.without_what_nobody_has_open(handles));
        if !is_news && dropped.is_empty() {
            continue;
        }
        // Of what is dropped also what who had it open has read since the switch.
        for stale in before.stale().chunks(MOST_STALE) {
            monitor.send(&Report::Stale(stale.to_vec()), &[])?;
        }
        let generation = before.current().number();
        drop(before);
        monitor.send(&Report::Shows { generation, dropped }, &[])?;
    }
    Ok(())
}
