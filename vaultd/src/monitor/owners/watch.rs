//! Looking out for users and groups that are made or removed (inotify(7)). A name service may have them from anywhere,
//! so this only saves time.

use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::inotify::{self, CreateFlags, Reader, WatchFlags};

/// Folders in which users and groups are written down (passwd(5), group(5), nsswitch.conf(5), nss-systemd(8)).
const FOLDERS: [&str; 4] = ["/etc", "/etc/userdb", "/run/userdb", "/run/systemd/userdb"];

/// The files in there that do so. In `/etc` much is written that has nothing to do with users.
const FILES: [&str; 3] = ["passwd", "group", "nsswitch.conf"];

/// How the names of others end: one for each user or group.
const ENDINGS: [&str; 2] = [".user", ".group"];

/// What may have happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum News {
    /// Nothing for as long as was waited.
    None,
    /// Somebody rang.
    Rung,
    /// Users or groups were written down.
    Files,
}

/// One that is looked through.
#[derive(Debug)]
pub(super) struct Watch<'a> {
    bell: &'a OwnedFd,
    /// Nothing where the system has none left.
    files: Option<OwnedFd>,
}

impl<'a> Watch<'a> {
    pub fn new(bell: &'a OwnedFd) -> Self {
        let files = inotify::init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK).ok();
        let watch = Self { bell, files };
        watch.look_at_folders();
        watch
    }

    /// Waits for news.
    pub fn wait(&self, limit: Duration) -> News {
        let start = Instant::now();
        loop {
            // One may have been made since, or have been replaced.
            self.look_at_folders();
            let left = limit.saturating_sub(start.elapsed());
            let timeout = Timespec::try_from(left).unwrap_or(Timespec { tv_sec: 1, tv_nsec: 0 });
            let fds = [Some(self.bell), self.files.as_ref()];
            let mut fds: Vec<PollFd<'_>> =
                fds.into_iter().flatten().map(|fd| PollFd::new(fd, PollFlags::IN)).collect();
            // Interrupted, it is asked again.
            let _ = rustix::event::poll(&mut fds, Some(&timeout));
            // A bell that is rung has a number to be read, of eight bytes.
            if rustix::io::read(self.bell, &mut [0; 8]).is_ok() {
                return News::Rung;
            }
            if self.are_written() {
                return News::Files;
            }
            if start.elapsed() >= limit {
                return News::None;
            }
        }
    }

    /// Forgets what was written until now.
    pub fn forget(&self) {
        self.are_written();
    }

    fn look_at_folders(&self) {
        let Some(files) = &self.files else { return };
        let events = WatchFlags::CLOSE_WRITE
            | WatchFlags::CREATE
            | WatchFlags::DELETE
            | WatchFlags::MOVED_FROM
            | WatchFlags::MOVED_TO
            | WatchFlags::ONLYDIR;
        for folder in FOLDERS {
            // Most machines have not all of them.
            let _ = inotify::add_watch(files, folder, events);
        }
    }

    /// Whether a file was written, among all that happened since this was asked last.
    fn are_written(&self) -> bool {
        let Some(files) = &self.files else { return false };
        let mut buffer = [MaybeUninit::uninit(); 4096];
        let mut events = Reader::new(files, &mut buffer);
        let mut written = false;
        while let Ok(event) = events.next() {
            // Without a name, something happened to the folder, or more than could be told.
            written |= event.file_name().is_none_or(|name| name.to_str().is_ok_and(is_of_interest));
        }
        written
    }
}

/// Whichever folder it is in.
fn is_of_interest(name: &str) -> bool {
    FILES.contains(&name) || ENDINGS.iter().any(|ending| name.ends_with(ending))
}
