//! Opening a file: who asks, whether a rule lets them, and what is told of it.

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::thread;

use fuser::{Errno, FileHandle, FopenFlags, ReplyOpen, Request};

use super::bursts::{Bursts, Sort};
use super::end_with;
use super::handles::unique;
use super::judge::{Judge, Verdict};
use super::shared::{Served, Shared};
use crate::configuration::Record;
use crate::opens::line::{Asking, SEPARATOR};
use crate::opens::record::Caller;
use crate::opens::{Decision, Opened, Process, Reason};
use crate::process::channel::Channel;
use crate::sys::passthrough;

/// What a server needs to know who opens, and to tell of it.
#[derive(Debug)]
pub(super) struct Doorkeeper {
    processes: Asking,
    judge: Judge,
    bursts: Option<Bursts>,
}

impl Doorkeeper {
    /// One on these lines: where to ask for a process, where for a unit, and where to tell of opens.
    pub(super) fn new([processes, units, told]: [OwnedFd; 3], record: Record) -> Self {
        let told = Channel::from(told);
        let bursts = (record == Record::On).then(|| {
            let (bursts, teller) = Bursts::new();
            thread::spawn(move || end_with(teller.tell(&told)));
            bursts
        });
        let line = |socket: OwnedFd| Asking::new(Channel::from(socket));
        Self { processes: line(processes), judge: Judge::new(line(units)), bursts }
    }

    /// Whether opens are to come by here. Else the kernel is told to open files alone.
    pub(super) fn records(&self) -> bool {
        self.bursts.is_some()
    }

    /// Tells what is still to be told.
    pub(super) fn finish(&self) {
        if let Some(bursts) = &self.bursts {
            bursts.finish();
        }
    }

    /// The process with that number. It waits for our answer meanwhile, so it is not gone, nor is another one in its
    /// place.
    fn process(&self, pid: u32) -> Process {
        // 0 is one that the monitor cannot see.
        let answer =
            if pid == 0 { Vec::new() } else { self.processes.ask(&pid.to_ne_bytes()).unwrap_or_default() };
        let mut parts = answer.splitn(2, |byte| *byte == SEPARATOR);
        let (cgroup, exe) = (parts.next().unwrap_or_default(), parts.next().unwrap_or_default());
        Process::new(cgroup, exe)
    }
}

/// A file that somebody wants to open.
struct Wish {
    /// The node.
    number: u64,
    /// The request, which is the handle from then on.
    handle: u64,
    caller: Caller,
}

/// A file that was opened.
pub(super) struct Door {
    /// The number under which the kernel reads it itself, if it does.
    pub backing: Option<u32>,
    /// The generation that it is a file of.
    pub generation: u64,
    /// Whether no server opened it before for the same request.
    pub is_new: bool,
}

/// Answers a request to open a file, now or later.
pub(super) fn open(shared: &Arc<Shared>, request: &Request, number: u64, reply: ReplyOpen) {
    let Some(served) = shared.served_for(request) else { return reply.error(Errno::EIO) };
    if !served.doorkeeper().records() {
        // It asks no more then, as long as the mount is there.
        return reply.error(Errno::ENOSYS);
    }
    let wish = Wish {
        number,
        handle: unique(request.unique()),
        caller: Caller { uid: request.uid(), gid: request.gid(), pid: request.pid() },
    };
    let Some(services) = served.services(number) else { return wish.answer(served, None, reply) };
    let (doorkeeper, pid) = (served.doorkeeper(), wish.caller.pid);
    let process = doorkeeper.process(pid);
    let (shared, held) = (Arc::clone(shared), shared.hold());
    doorkeeper.judge.judge((pid, process.clone()), services, move |verdict| {
        // It is served: else there was nothing to judge.
        let Some(served) = shared.served() else { return };
        wish.answer(served, Some((process, verdict)), reply);
        drop(held);
    });
}

impl Wish {
    /// Opens it, unless the verdict is against it, and tells of it before whoever asks is let go.
    fn answer(&self, served: &Served, judged: Option<(Process, Verdict)>, reply: ReplyOpen) {
        let (process, verdict) = judged.map_or((None, Ok(Reason::Mode)), |(process, verdict)| {
            (Some(process), verdict.map(|()| Reason::Service))
        });
        let reason = match verdict {
            Ok(reason) => reason,
            Err(reason) => {
                served.deny(self.caller.pid);
                self.tell(served, (Decision::Denied, reason), served.generation(), process, true);
                return reply.error(Errno::EACCES);
            }
        };
        match served.open(self.caller.pid, self.handle, self.number) {
            Ok(Door { backing, generation, is_new }) => {
                self.tell(served, (Decision::Allowed, reason), generation, process, is_new);
                match backing {
                    Some(backing) => passthrough::reply(reply, FileHandle(self.handle), backing),
                    None => reply.opened(FileHandle(self.handle), FopenFlags::FOPEN_KEEP_CACHE),
                }
            }
            Err(errno) => reply.error(errno),
        }
    }

    fn tell(
        &self,
        served: &Served,
        (decision, reason): (Decision, Reason),
        generation: u64,
        process: Option<Process>,
        is_new: bool,
    ) {
        let doorkeeper = served.doorkeeper();
        let Some(bursts) = &doorkeeper.bursts else { return };
        let sort = Sort { node: self.number, generation, caller: self.caller, decision };
        if is_new && bursts.goes_on(&sort) {
            return;
        }
        let process = process.unwrap_or_else(|| doorkeeper.process(self.caller.pid));
        let opened = Opened {
            secret: served.path(self.number),
            decision,
            reason,
            caller: Some(self.caller),
            unit: process.unit().map(str::to_owned),
            exe: process.exe,
            generation: Some(generation),
            count: 1,
            again: false,
        };
        match is_new {
            true => bursts.begin(sort, opened),
            false => bursts.say_again(opened),
        }
    }
}
