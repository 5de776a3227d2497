//! How the machine is set up.

use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use rustix::fs::{Mode, OFlags};

use super::Finding;

/// From the kernel's command line, else from what it said when it started.
pub(super) fn init_on_free() -> Finding {
    let line = fs::read_to_string("/proc/cmdline").unwrap_or_default();
    if let Some(set) = switch(&line, "init_on_free=") {
        return Finding::new(set, "on the kernel's command line");
    }
    let log = kernel_log();
    match log.lines().find_map(|line| line.split_once("mem auto-init:")) {
        Some((_, setting)) => Finding::new(setting.contains("heap free:on"), "by the kernel's default"),
        None => Finding::unknown("not on the kernel's command line, and its log is gone or root's"),
    }
}

/// The last setting of a switch counts (kernel parameters, `Documentation/admin-guide`).
fn switch(line: &str, key: &str) -> Option<bool> {
    let value = line.split_whitespace().filter_map(|word| word.strip_prefix(key)).next_back()?;
    Some(matches!(value, "1" | "y" | "Y" | "on"))
}

/// All that is left of it; empty where it may not be read.
fn kernel_log() -> String {
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let Ok(device) = rustix::fs::open("/dev/kmsg", flags, Mode::empty()) else { return String::new() };
    let mut device = File::from(device);
    let (mut log, mut record) = (Vec::new(), vec![0; 8192]);
    // One record a time; an error at the end, as also when records were lost meanwhile.
    while let Ok(length) = device.read(&mut record) {
        log.extend_from_slice(&record[..length]);
    }
    String::from_utf8_lossy(&log).into_owned()
}

/// The kernel lists `disk` where it could hibernate, which `nohibernate` and lockdown forbid.
pub(super) fn no_hibernation() -> Finding {
    match fs::read_to_string("/sys/power/state") {
        Ok(states) if states.split_whitespace().any(|state| state == "disk") => {
            Finding::new(false, "the kernel can hibernate")
        }
        _ => Finding::new(true, "the kernel cannot hibernate"),
    }
}

pub(super) fn no_kdump() -> Finding {
    match fs::read_to_string("/sys/kernel/kexec_crash_loaded") {
        Ok(loaded) if loaded.trim() == "1" => Finding::new(false, "a crash kernel is loaded"),
        _ => Finding::new(true, "no crash kernel is loaded"),
    }
}

pub(super) fn safe_swap() -> Finding {
    let Ok(table) = fs::read_to_string("/proc/swaps") else { return Finding::new(true, "no swap") };
    let areas = swap_areas(&table);
    let open: Vec<&String> = areas.iter().filter(|area| !is_safe(Path::new(area))).collect();
    match (areas.len(), open.as_slice()) {
        (0, _) => Finding::new(true, "no swap"),
        (_, []) => Finding::new(true, "encrypted, or in memory"),
        (_, [first, ..]) => Finding::new(false, format!("{first} is not known to be encrypted")),
    }
}

/// The paths in `/proc/swaps`, behind a line of titles; blanks are escaped (proc(5)).
fn swap_areas(table: &str) -> Vec<String> {
    let paths = table.lines().skip(1).filter_map(|line| line.split_whitespace().next());
    paths.map(|path| path.replace("\\040", " ")).collect()
}

fn is_safe(area: &Path) -> bool {
    let Ok(file) = fs::metadata(area) else { return false };
    let device = if file.file_type().is_block_device() { file.rdev() } else { file.dev() };
    let (major, minor) = (rustix::fs::major(device), rustix::fs::minor(device));
    fs::canonicalize(format!("/sys/dev/block/{major}:{minor}")).is_ok_and(|block| is_encrypted(&block))
}

/// Whether a block device, as a folder of sysfs, is in memory or encrypted, or all that it lies on is.
fn is_encrypted(block: &Path) -> bool {
    let in_memory = block.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"zram"));
    let kind = fs::read_to_string(block.join("dm/uuid")).unwrap_or_default();
    if in_memory || kind.starts_with("CRYPT-") {
        return true;
    }
    let below = fs::read_dir(block.join("slaves")).into_iter().flatten().flatten();
    let below: Vec<bool> =
        below.map(|entry| entry.path().canonicalize().is_ok_and(|block| is_encrypted(&block))).collect();
    !below.is_empty() && below.into_iter().all(|encrypted| encrypted)
}

#[cfg(test)]
mod tests {
    use super::{is_encrypted, swap_areas, switch};
    use std::fs;
    use std::os::unix::fs::symlink;

    #[test]
    fn the_last_switch_counts() {
        assert_eq!(switch("quiet init_on_free=0 init_on_free=1", "init_on_free="), Some(true));
        assert_eq!(switch("init_on_free=1 init_on_free=off", "init_on_free="), Some(false));
        assert_eq!(switch("quiet noinit_on_free=1", "init_on_free="), None);
    }

    #[test]
    fn all_swap_areas_are_seen() {
        let table =
            "Filename\tType\tSize\tUsed\tPriority\n/swap\\040file file 1 0 -2\n/dev/zram0 partition 1 0 5\n";
        assert_eq!(swap_areas(table), ["/swap file", "/dev/zram0"]);
        assert_eq!(swap_areas("Filename\tType\n"), [""; 0]);
    }

    #[test]
    fn encryption_is_found_below_a_volume_and_must_be_complete() {
        let folder = tempfile::tempdir().expect("a folder");
        let device = |name: &str, uuid: &str, below: &[&str]| {
            let block = folder.path().join(name);
            fs::create_dir_all(block.join("slaves")).expect("mkdir");
            fs::create_dir(block.join("dm")).expect("mkdir");
            fs::write(block.join("dm/uuid"), uuid).expect("write");
            for name in below {
                symlink(folder.path().join(name), block.join("slaves").join(name)).expect("symlink");
            }
            block
        };
        let (crypt, plain) = (device("dm-0", "CRYPT-LUKS2-x\n", &[]), device("sda", "", &[]));
        assert!(is_encrypted(&crypt) && !is_encrypted(&plain));
        assert!(is_encrypted(&device("zram0", "", &[])));
        assert!(is_encrypted(&device("dm-1", "LVM-x\n", &["dm-0"])));
        assert!(!is_encrypted(&device("dm-2", "LVM-x\n", &["dm-0", "sda"])));
    }
}
