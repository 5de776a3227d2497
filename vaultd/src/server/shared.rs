//! What the threads of a server share.

use std::collections::{BTreeSet, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, RwLock, mpsc};
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
    /// Whether the kernel is about to be asked what it knows.
    is_asking: AtomicBool,
    /// What of superseded nodes it does not.
    unknown: Mutex<HashSet<u64>>,
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
        Self {
            view,
            handles,
            attempts,
            doorkeeper,
            retries,
            tasks,
            is_asking: AtomicBool::new(false),
            unknown: Mutex::default(),
        }
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

    /// Has the generations let go that nobody has open any more. Nobody keeps house any more when the server ends.
    fn drop_unused(&self) {
        let _ = self.tasks.send(Task::DropUnused);
    }

    /// Has the kernel asked what it still knows of what is superseded. Thousands of files may be closed at once.
    fn ask_again(&self) {
        if !self.is_asking.swap(true, Ordering::AcqRel) {
            let _ = self.tasks.send(Task::Refresh);
        }
    }

    /// To be called before the kernel is asked.
    pub(super) fn asks(&self) {
        self.is_asking.store(false, Ordering::Release);
    }

    /// The kernel does not know these nodes.
    pub(super) fn unknown(&self, nodes: Vec<u64>) {
        self.unknown.lock().unwrap_or_else(PoisonError::into_inner).extend(nodes);
    }

    /// The nodes that are open. Where nobody is told of opens, all that is superseded may be, unless the kernel does not
    /// know it: nobody is given it any more.
    fn open_nodes(&self, view: &View) -> HashSet<u64> {
        if self.doorkeeper.records() {
            return self.handles.nodes();
        }
        let mut superseded = view.superseded();
        let mut unknown = self.unknown.lock().unwrap_or_else(PoisonError::into_inner);
        unknown.retain(|node| superseded.contains(node));
        superseded.retain(|node| !unknown.contains(node));
        superseded
    }

    /// What is shown, without the generations that nobody has open any more, of which the numbers are told.
    pub(super) fn let_go(&self) -> Vec<u64> {
        self.change_view(|view| {
            view.without_what_nobody_has_open(self.open_nodes(view), &self.handles.listed())
        })
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
        self.change_view(|view| (view.clone(), ()));
        Self::wait_for_answers(&before);
    }

    /// Shows what `change` makes of what is shown now; no file is opened meanwhile.
    pub(super) fn change_view<T>(&self, change: impl FnOnce(&View) -> (View, T)) -> T {
        let mut view = self.view.write().unwrap_or_else(PoisonError::into_inner);
        let (changed, result) = change(&view);
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
            served.drop_unused();
        }
    }

    /// The kernel has forgotten a look-up of a node, and so perhaps the node.
    pub(super) fn forget(&self, node: u64) {
        let Some(served) = self.served().filter(|served| !served.doorkeeper.records()) else { return };
        if served.view().is_superseded(node) {
            served.ask_again();
        }
    }

    /// A file or a listing that nobody needs any more.
    pub(super) fn release(&self, handle: u64) {
        let Some(served) = self.served() else { return };
        let closed = served.handles.remove(handle);
        if closed.is_some_and(|number| served.view().is_superseded(number)) {
            served.drop_unused();
        }
    }
}

#[cfg(test)]
mod tests;
