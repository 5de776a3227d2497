//! What a server does beside answering: it switches to another generation, has the kernel forget what changed,
//! and lets go of what nobody has open any more. On a thread that answers nothing, since the kernel may make
//! it wait for an answer.

use std::ffi::OsStr;
use std::io;
use std::sync::{Arc, mpsc};

use fuser::{INodeNo, Notifier};

use super::shared::{Served, Shared};
use super::{Channel, Report};
use crate::generation::{Generation, Stale};

/// One thing to do.
#[derive(Debug)]
pub(super) enum Task {
    /// Have the kernel forget what it remembers of all generations but the current one.
    Refresh,
    /// Show this generation from now on.
    SwitchTo(Generation),
    /// Let go of the generations that nobody has open any more.
    DropUnused,
}

/// Does what there is to do until everybody is gone who could ask for something.
pub(super) fn keep(
    shared: &Shared,
    notifier: &Notifier,
    monitor: &Channel,
    tasks: mpsc::Receiver<Task>,
) -> io::Result<()> {
    for task in tasks {
        let Some(served) = shared.served() else { return Ok(()) };
        match task {
            Task::SwitchTo(generation) => {
                let (before, next) = (served.view(), Arc::new(generation));
                served.change_view(|view, _| (view.switched_to(next), ()));
                Served::wait_for_answers(&before);
                refresh(served.view().stale(), notifier);
            }
            Task::Refresh => refresh(served.view().stale(), notifier),
            Task::DropUnused => {}
        }
        let shown = served.view().current().number();
        let before = served.view();
        let gone = served.change_view(|view, handles| view.without_what_nobody_has_open(handles));
        if !gone.is_empty() {
            // What who had it open has read since the switch.
            refresh(before.stale(), notifier);
        }
        drop(before);
        monitor.send(&Report::Shows { generation: shown, dropped: gone }, &[])?;
    }
    Ok(())
}

/// Has the kernel forget. What it does not know any more is no error.
fn refresh(stale: Vec<Stale>, notifier: &Notifier) {
    for stale in stale {
        let _ = match stale {
            Stale::Name { parent, name } => notifier.inval_entry(INodeNo(parent), OsStr::new(&name)),
            Stale::Node(number) => notifier.inval_inode(INodeNo(number), 0, 0),
        };
    }
}
