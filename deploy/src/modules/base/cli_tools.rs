//! The command-line tools of a machine: which package of Debian 13's main has each, or why none has.
//!
//! `docs/cli-tools.md` shows the same table, and a test compares the two.

use std::{borrow::Cow, collections::BTreeSet};

use toml::{Spanned, de::DeValue};

use crate::{
    system::{Contributor, File},
    value::{AbsolutePath, OptionValue, PackageName, Wrong},
};

/// The word that stands for all of [`ADMIN_SET`].
const ADMIN: &str = "admin";

/// An entry of the option `cli-tools`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum CliTool {
    /// All of [`ADMIN_SET`].
    AdminSet,
    /// A package of Debian.
    Package(PackageName),
}

/// A tool, and where it comes from.
#[cfg_attr(not(test), allow(dead_code, reason = "a test holds the page with the reasons against them"))]
pub(super) struct Tool {
    /// What it is called.
    pub name: &'static str,
    /// The packages that have it, or what does its work.
    pub packages: &'static [&'static str],
    /// Why it is another tool than the one that is named; empty where it is not.
    pub instead: &'static str,
}

const fn tool(name: &'static str, packages: &'static [&'static str]) -> Tool {
    Tool { name, packages, instead: "" }
}

const fn left_out(name: &'static str, packages: &'static [&'static str], instead: &'static str) -> Tool {
    Tool { name, packages, instead }
}

/// The admin set: each looked up in Debian 13's main, for amd64 and arm64.
pub(super) const ADMIN_SET: [Tool; 34] = [
    tool("core utilities", &["coreutils", "util-linux", "procps", "psmisc", "file"]),
    tool("inet utilities", &["iputils-ping", "inetutils-telnet", "inetutils-traceroute", "hostname"]),
    tool("hwinfo", &["hwinfo"]),
    tool("pciutils", &["pciutils"]),
    tool("usbutils", &["usbutils"]),
    left_out("dua", &["ncdu"], "not in Debian 13; `ncdu` shows what takes the space, and deletes it too"),
    tool("duf", &["duf"]),
    tool("smartmontools", &["smartmontools"]),
    tool("hdparm", &["hdparm"]),
    tool("parted", &["parted"]),
    tool("sdparm", &["sdparm"]),
    tool("bat", &["bat"]),
    tool("eza", &["eza"]),
    tool("ripgrep", &["ripgrep"]),
    tool("lsof", &["lsof"]),
    tool("procs", &["procs"]),
    left_out("bandwhich", &["nethogs"], "not in Debian 13; `nethogs` shows the bandwidth of each process"),
    tool("curl", &["curl"]),
    left_out("dog", &["bind9-dnsutils"], "not in Debian 13, and no longer maintained; `dig` asks the same"),
    tool("gping", &["gping"]),
    tool("netcat", &["netcat-openbsd"]),
    tool("nmap", &["nmap"]),
    tool("ssh", &["openssh-client"]),
    tool("tcpdump", &["tcpdump"]),
    tool("trippy", &["trippy"]),
    tool("ethtool", &["ethtool"]),
    tool("iproute2", &["iproute2"]),
    tool("git", &["git"]),
    tool("zip", &["zip", "unzip"]),
    tool("jq", &["jq"]),
    tool("diceware", &["diceware"]),
    tool("mkpasswd", &["whois"]),
    tool("lesspipe", &["less"]),
    tool("manual pages", &["man-db"]),
];

/// What a login shell is told of the tools, if they are there.
const PROFILE: &str = "\
# What less(1) shows of archives and the like.
if [ -x /usr/bin/lesspipe ]; then eval \"$(SHELL=/bin/sh lesspipe)\"; fi
";

pub(super) fn contribute(tools: &[CliTool], system: &mut Contributor<'_>) {
    let packages: BTreeSet<PackageName> = tools.iter().flat_map(CliTool::packages).collect();
    // Debian has it under another name, as an older program has that one.
    if packages.contains(&PackageName::known("bat")) {
        let program = AbsolutePath::known("/usr/bin/batcat");
        system.file(AbsolutePath::known("/usr/local/bin/bat"), File::link(program));
    }
    system.packages(packages);
    system.package("bash-completion");
    system.file(AbsolutePath::known("/etc/profile.d/odbox-less.sh"), File::text(PROFILE));
}

impl CliTool {
    fn packages(&self) -> Vec<PackageName> {
        match self {
            Self::AdminSet => {
                ADMIN_SET.iter().flat_map(|tool| tool.packages).map(|name| PackageName::known(name)).collect()
            }
            Self::Package(name) => vec![name.clone()],
        }
    }
}

impl OptionValue for CliTool {
    fn expected() -> Cow<'static, str> {
        format!("\"{ADMIN}\" for the admin set, or {}", PackageName::expected()).into()
    }

    fn read(value: &Spanned<DeValue<'_>>) -> Result<Self, Wrong> {
        match value.get_ref().as_str() {
            Some(ADMIN) => Ok(Self::AdminSet),
            _ => match PackageName::read(value) {
                Ok(name) => Ok(Self::Package(name)),
                Err(Wrong { message, .. }) => Err(Wrong::value::<Self>(message)),
            },
        }
    }

    fn show(&self) -> String {
        match self {
            Self::AdminSet => format!("\"{ADMIN}\""),
            Self::Package(name) => name.show(),
        }
    }
}
