//! A process that opens a file.

use std::fmt::Write;

use super::ControlGroup;

/// The process that starts and sorts all others.
const SYSTEM_MANAGER: u32 = 1;

/// Where the system manager itself is, and what it starts and waits for.
const INIT: &str = "init.scope";

/// What is known of a process beside what the request says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Process {
    /// Its program, with what cannot be printed written as `\x1b`.
    pub exe: Option<String>,
    /// Where it is among the control groups.
    pub group: Option<ControlGroup>,
}

impl Process {
    /// What `/proc/PID/cgroup` and the target of `/proc/PID/exe` say; the latter is empty for a kernel's thread.
    #[must_use]
    pub fn new(cgroup: &[u8], exe: &[u8]) -> Self {
        let exe = (!exe.is_empty()).then(|| printable(exe));
        Self { exe, group: ControlGroup::of_process(cgroup) }
    }

    /// The unit that it seems to belong to.
    #[must_use]
    pub fn unit(&self) -> Option<&str> {
        self.group.as_ref()?.unit()
    }

    /// Whether process `pid`, which is this one, is the system manager or something that it waits for: who asks it
    /// meanwhile waits in vain.
    #[must_use]
    pub fn keeps_the_system_manager(&self, pid: u32) -> bool {
        pid == SYSTEM_MANAGER || self.unit() == Some(INIT)
    }
}

/// Text as it is, but for control characters, backslashes and what is no text.
fn printable(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    let escape = |text: &mut String, bytes: &[u8]| {
        for byte in bytes {
            // A string takes all that is written into it.
            let _ = write!(text, "\\x{byte:02x}");
        }
    };
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            match character.is_control() || character == '\\' {
                true => escape(&mut text, character.encode_utf8(&mut [0; 4]).as_bytes()),
                false => text.push(character),
            }
        }
        escape(&mut text, chunk.invalid());
    }
    text
}

#[cfg(test)]
mod tests {
    use super::{Process, printable};

    #[test]
    fn nothing_in_a_name_reaches_a_terminal() {
        assert_eq!(printable("/usr/bin/größe".as_bytes()), "/usr/bin/größe");
        assert_eq!(printable(b"/a\nODBOX_X=\x1b[1m\xff\\"), r"/a\x0aODBOX_X=\x1b[1m\xff\x5c");
        assert_eq!(printable("\u{9b}".as_bytes()), r"\xc2\x9b");
    }

    #[test]
    fn nobody_asks_the_system_manager_while_it_waits() {
        let process = |cgroup: &str| Process::new(cgroup.as_bytes(), b"/bin/x");
        assert!(process("0::/init.scope\n").keeps_the_system_manager(1));
        assert!(process("0::/init.scope\n").keeps_the_system_manager(700), "a generator");
        assert!(process("0::/\n").keeps_the_system_manager(1));
        assert!(!process("0::/system.slice/a.service\n").keeps_the_system_manager(700));
    }
}
