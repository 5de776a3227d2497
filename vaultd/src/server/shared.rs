//! What the threads of a server share.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock, PoisonError, RwLock, mpsc};
use std::thread;
use std::time::Instant;

use fuser::{Errno, Request};
use serde::{Deserialize, Serialize};

use super::attempts::Attempts;
use super::handles::{ENDED, Handles, is_sent_again, unique};
use super::housekeeping::Task;
use super::opening::{Door, Doorkeeper};
use super::rest::{Held, Rest};
use super::retries::Retries;
use super::view::View;
use crate::generation::Generation;

/// What the kernel can do for this mount, as it says when the mount is new.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agreement {
    /// Files that it reads without asking (Linux 6.9).
    pub passthrough: bool,
    /// Requests that it sends again when their server died (Linux 6.9).
    pub resend: bool,
}

/// Nothing is served before it is there: the kernel is agreed with first.
#[derive(Debug, Default)]
pub(super) struct Shared {
    agreement: OnceLock<Agreement>,
    served: OnceLock<Served>,
    threads: usize,
    rest: Arc<Rest>,
}

/// What is served, and what must outlive the server.
#[derive(Debug)]
pub(super) struct Served {
    view: RwLock<Arc<View>>,
    handles: Handles,
    attempts: Attempts,
    doorkeeper: Doorkeeper,
    retries: Retries,
    tasks: mpsc::Sender<Task>,
}

impl Served {
    pub(super) fn new(
        view: View,
        handles: Handles,
        attempts: Attempts,
        doorkeeper: Doorkeeper,
        tasks: mpsc::Sender<Task>,
    ) -> Self {
        let (view, retries) = (RwLock::new(Arc::new(view)), Retries::default());
        Self { view, handles, attempts, doorkeeper, retries, tasks }
    }

    pub(super) fn doorkeeper(&self) -> &Doorkeeper {
        &self.doorkeeper
    }

    /// The generation that is opened now.
    pub(super) fn generation(&self) -> u64 {
        self.view().current().number()
    }

    /// The path of a node, also of one that is superseded.
    pub(super) fn path(&self, number: u64) -> Option<String> {
        let view = self.view();
        view.node(number).map(|(generation, node)| generation.index().path(node))
    }

    /// The units that a file is only for. No view is held while somebody finds out who is one of them.
    pub(super) fn services(&self, number: u64) -> Option<BTreeSet<String>> {
        let view = self.view();
        view.current().index().services(view.current_node(number)?).cloned()
    }

    /// Counts an open of a thread that a rule forbade.
    pub(super) fn deny(&self, thread: u32) {
        self.retries.opened(thread);
        self.handles.deny();
    }

    /// What is shown now.
    pub(super) fn view(&self) -> Arc<View> {
        Arc::clone(&self.view.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits until nobody answers any more from what was shown `before`: the kernel would remember an answer that
    /// comes after it was told to forget. An answer is a few copies, none of which waits for anybody.
    pub(super) fn wait_for_answers(before: &Arc<View>) {
        while Arc::strong_count(before) > 1 {
            thread::yield_now();
        }
    }

    /// Waits until every request is answered that is in hand now.
    pub(super) fn wait_for_requests(&self) {
        let before = self.view();
        // Whoever comes now answers from the copy.
        self.change_view(|view, _| (view.clone(), ()));
        Self::wait_for_answers(&before);
    }

    /// Shows what `change` makes of what is shown now; no file is opened meanwhile.
    pub(super) fn change_view<T>(&self, change: impl FnOnce(&View, &Handles) -> (View, T)) -> T {
        let mut view = self.view.write().unwrap_or_else(PoisonError::into_inner);
        let (changed, result) = change(&view, &self.handles);
        *view = Arc::new(changed);
        result
    }

    /// Shows `next` to whoever opens a file from now on. An open that met the switch before comes first.
    pub(super) fn switch_to(&self, next: &Arc<Generation>) {
        let start = Instant::now();
        loop {
            self.retries.wait(start);
            let mut view = self.view.write().unwrap_or_else(PoisonError::into_inner);
            // Somebody may have been told to try again meanwhile.
            if self.retries.are_done(start) {
                *view = Arc::new(view.switched_to(Arc::clone(next)));
                return;
            }
        }
    }

    /// Opens a node for a thread.
    pub(super) fn open(&self, thread: u32, handle: u64, number: u64) -> Result<Door, Errno> {
        // Held until the handle is known: else what was just opened could be dropped as open to nobody.
        let view = self.view.read().unwrap_or_else(PoisonError::into_inner);
        let Some(node) = view.current_node(number) else {
            // A dead server may have opened it, before a switch.
            self.handles.remove(handle);
            self.retries.refused(thread);
            return Err(Errno::ESTALE);
        };
        self.retries.opened(thread);
        let content = node.content().ok_or(Errno::EISDIR)?;
        let is_new = self.handles.insert(handle, number).map_err(|_| Errno::ENOMEM)?;
        let generation = view.current();
        Ok(Door { backing: generation.backing(content), generation: generation.number(), is_new })
    }
}

impl Shared {
    /// For as many threads that answer requests.
    pub(super) fn new(threads: usize) -> Self {
        Self { threads, ..Self::default() }
    }

    /// Waits until all threads rest, and everything is answered and told.
    pub(super) fn rest(&self) {
        self.rest.begin(self.threads);
        self.finish();
    }

    /// To be called by a thread that has answered.
    pub(super) fn rest_if_wanted(&self) {
        self.rest.rest_if_wanted();
    }

    /// To be kept while a request is answered on another thread.
    pub(super) fn hold(&self) -> Held {
        self.rest.hold()
    }

    /// Tells what is still to be told of opens.
    pub(super) fn finish(&self) {
        if let Some(served) = self.served() {
            served.doorkeeper.finish();
        }
    }

    pub(super) fn agreed(&self, agreement: Agreement) {
        // There is one handshake.
        let _ = self.agreement.set(agreement);
    }

    pub(super) fn agreement(&self) -> Agreement {
        self.agreement.get().copied().unwrap_or_default()
    }

    pub(super) fn serve(&self, served: Served) {
        // There is one order to serve.
        let _ = self.served.set(served);
    }

    pub(super) fn served(&self) -> Option<&Served> {
        self.served.get()
    }

    /// What is shown, to answer a request from; nothing if the request must not be handled.
    pub(super) fn view_for(&self, request: &Request) -> Option<Arc<View>> {
        let served = self.served()?;
        self.may_handle(served, request).then(|| served.view())
    }

    fn may_handle(&self, served: &Served, request: &Request) -> bool {
        !is_sent_again(request.unique()) || served.attempts.may_handle(unique(request.unique()))
    }

    /// What is served, to open something of it; nothing if the request must not be handled.
    pub(super) fn served_for(&self, request: &Request) -> Option<&Served> {
        self.served().filter(|served| self.may_handle(served, request))
    }

    /// What a listing shows: the generation that was current when it began, to its end, also to another server;
    /// then [`ENDED`].
    pub(super) fn listed(&self, request: &Request, handle: u64, offset: u64) -> Option<(Arc<View>, u64)> {
        let served = self.served().filter(|served| self.may_handle(served, request))?;
        // Held until the listing is known: else its generation could be dropped.
        let view = served.view.read().unwrap_or_else(PoisonError::into_inner);
        let current = view.current().number();
        let shown = match offset {
            0 => served.handles.list(handle, current).ok().map(|()| current),
            _ => {
                let known = |number: &u64| *number == ENDED || view.generation(*number).is_some();
                served.handles.shown_to(handle).filter(known)
            }
        };
        Some((Arc::clone(&view), shown.unwrap_or(current)))
    }

    /// A listing that came to its end. Where there is no memory to note it, its generation is kept until it is
    /// closed.
    pub(super) fn end_listing(&self, handle: u64) {
        let Some(served) = self.served() else { return };
        let shown = served.handles.shown_to(handle);
        let ended = served.handles.list(handle, ENDED).is_ok();
        if ended && shown.is_some_and(|number| number != served.view().current().number()) {
            let _ = served.tasks.send(Task::DropUnused);
        }
    }

    /// A file or a listing that nobody needs any more.
    pub(super) fn release(&self, handle: u64) {
        let Some(served) = self.served() else { return };
        let closed = served.handles.remove(handle);
        if closed.is_some_and(|number| served.view().is_superseded(number)) {
            // Nobody keeps house any more when the server ends.
            let _ = served.tasks.send(Task::DropUnused);
        }
    }
}

#[cfg(test)]
mod tests;
