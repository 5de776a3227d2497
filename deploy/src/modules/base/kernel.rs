//! What the kernel and the journal keep, and what not.

use crate::{
    formats::unit::UnitFile,
    system::{Contributor, File},
    value::AbsolutePath,
};

/// What the vault wants of the kernel (SECURITY.md): the copies that the kernel made of a page go when it is freed, and
/// no memory is written to a disk as an image. GRUB adds this to its command line.
const COMMAND_LINE: &str = "\
# kernel-parameters.txt of Linux
GRUB_CMDLINE_LINUX=\"$GRUB_CMDLINE_LINUX init_on_free=1 nohibernate\"
";

/// sysctl.d(5)
const SYSCTL: &str = "\
# No program leaves its memory behind when it crashes (core(5)).
kernel.core_pattern = |/bin/false
fs.suid_dumpable = 0
# No other kernel is loaded, so none that dumps the memory of this one when that crashes.
kernel.kexec_load_disabled = 1
# Only root sees into the processes of others, and of its own user's.
kernel.yama.ptrace_scope = 2
# Addresses and messages of the kernel are for root.
kernel.kptr_restrict = 2
kernel.dmesg_restrict = 1
";

pub(super) fn contribute(system: &mut Contributor<'_>) {
    system.file(AbsolutePath::known("/etc/default/grub.d/50-odbox.cfg"), File::text(COMMAND_LINE));
    system.file(AbsolutePath::known("/etc/sysctl.d/60-odbox-memory.conf"), File::text(SYSCTL));

    // By which systemd has the kernel refuse services each other's ports (SocketBindDeny=).
    system.package("libbpf1");

    let mut manager = UnitFile::new();
    manager.section("Manager").set("DefaultLimitCORE", "0");
    let path = AbsolutePath::known("/etc/systemd/system.conf.d/odbox.conf");
    system.file(path, File::text(manager.render()));

    let mut journal = UnitFile::new();
    journal
        .section("Journal")
        .set("Storage", "persistent")
        .set("SystemMaxUse", "1G")
        .set("SystemKeepFree", "1G")
        .set("RuntimeMaxUse", "64M");
    let path = AbsolutePath::known("/etc/systemd/journald.conf.d/odbox.conf");
    system.file(path, File::text(journal.render()));
}
