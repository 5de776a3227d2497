//! The sandbox of a service: as tight as it gets, and each exception named.
//!
//! systemd.exec(5) has the meaning of each directive; `systemd-analyze security` weighs them.

use crate::{
    formats::{
        Unwritable,
        unit::{Section, Word},
    },
    system::ROOT,
    value::{AbsolutePath, UserName},
};

/// What a service may reach of the network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// Nothing, not even Unix sockets.
    Nothing,
    /// Unix sockets.
    Unix,
    /// Unix sockets, and this machine by IP.
    Loopback,
    /// Everything.
    Internet,
}

/// The sandbox of a service. It begins with nothing allowed; each method allows one thing.
#[derive(Clone, Debug)]
pub struct Sandbox {
    user: UserName,
    group: UserName,
    network: Network,
    capabilities: &'static str,
    writes: Vec<AbsolutePath>,
    system_calls: &'static str,
    has_just_in_time: bool,
    sees_users: bool,
    devices: &'static str,
    is_early: bool,
}

impl Sandbox {
    /// A service that runs as a user of its own.
    #[must_use]
    pub fn of(user: &UserName) -> Self {
        Self {
            user: user.clone(),
            group: user.clone(),
            network: Network::Nothing,
            capabilities: "",
            writes: Vec::new(),
            system_calls: "",
            has_just_in_time: false,
            sees_users: false,
            devices: "",
            is_early: false,
        }
    }

    /// A service that runs as root, without any of its capabilities but those that are given.
    #[must_use]
    pub fn root() -> Self {
        Self::of(&UserName::known(ROOT))
    }

    /// Runs it in the group of somebody else, who may then read what it writes.
    #[must_use]
    pub fn group(mut self, group: &UserName) -> Self {
        self.group = group.clone();
        self
    }

    /// Lets it reach more of the network.
    #[must_use]
    pub fn network(mut self, network: Network) -> Self {
        self.network = network;
        self
    }

    /// Gives it capabilities (capabilities(7)), separated by blanks.
    #[must_use]
    pub fn capabilities(mut self, capabilities: &'static str) -> Self {
        self.capabilities = capabilities;
        self
    }

    /// Lets it write below these folders.
    #[must_use]
    pub fn writes(mut self, folders: impl IntoIterator<Item = AbsolutePath>) -> Self {
        self.writes.extend(folders);
        self
    }

    /// Lets it make system calls beside `@system-service`, as `SystemCallFilter=` names them.
    #[must_use]
    pub fn system_calls(mut self, calls: &'static str) -> Self {
        self.system_calls = calls;
        self
    }

    /// Lets it make memory that can be written and run: for just-in-time compilers.
    #[must_use]
    pub fn just_in_time(mut self) -> Self {
        self.has_just_in_time = true;
        self
    }

    /// Lets it tell the machine's users apart, as it must to know who speaks to it over a socket.
    #[must_use]
    pub fn sees_users(mut self) -> Self {
        self.sees_users = true;
        self
    }

    /// Lets it use devices, as `DeviceAllow=` names them.
    #[must_use]
    pub fn devices(mut self, devices: &'static str) -> Self {
        self.devices = devices;
        self
    }

    /// Has it run before temporary files are set up: a `/tmp` of its own would order it after that.
    #[must_use]
    pub fn early(mut self) -> Self {
        self.is_early = true;
        self
    }

    /// Writes it into the `[Service]` section of a unit.
    ///
    /// # Errors
    ///
    /// Never for what is checked already; as any writing of a unit.
    pub fn apply(&self, service: &mut Section<'_>) -> Result<(), Unwritable> {
        self.identity(service)?;
        self.privileges(service);
        self.reach(service);
        self.files(service)?;
        service.set("SystemCallArchitectures", "native").set("SystemCallFilter", "@system-service");
        service.set("SystemCallFilter", "~@privileged @resources").set("SystemCallErrorNumber", "EPERM");
        if !self.system_calls.is_empty() {
            service.set("SystemCallFilter", self.system_calls);
        }
        Ok(())
    }

    fn is_root(&self) -> bool {
        self.user.as_str() == ROOT
    }

    fn identity(&self, service: &mut Section<'_>) -> Result<(), Unwritable> {
        if !self.is_root() {
            service.words("User", [self.user.as_str()])?.words("Group", [self.group.as_str()])?;
        }
        service
            .set("UMask", "0077")
            .set("RemoveIPC", "yes")
            .set("KeyringMode", "private")
            .set("LimitCORE", "0");
        Ok(())
    }

    fn privileges(&self, service: &mut Section<'_>) {
        service.set("CapabilityBoundingSet", self.capabilities);
        if !self.is_root() {
            service.set("AmbientCapabilities", self.capabilities);
        }
        service.set("NoNewPrivileges", "yes").set("LockPersonality", "yes").set("RestrictRealtime", "yes");
        service.set("RestrictSUIDSGID", "yes").set("RestrictNamespaces", "yes");
        if !self.has_just_in_time {
            service.set("MemoryDenyWriteExecute", "yes");
        }
        if self.capabilities.is_empty() && !self.sees_users && !self.is_root() {
            service.set("PrivateUsers", "yes");
        }
    }

    fn reach(&self, service: &mut Section<'_>) {
        match self.network {
            Network::Nothing => service.set("PrivateNetwork", "yes").set("RestrictAddressFamilies", "none"),
            Network::Unix => service.set("PrivateNetwork", "yes").set("RestrictAddressFamilies", "AF_UNIX"),
            Network::Loopback => service
                .set("RestrictAddressFamilies", "AF_UNIX AF_INET AF_INET6")
                .set("IPAddressDeny", "any")
                .set("IPAddressAllow", "localhost"),
            // But for an instance's metadata, which have credentials of the account.
            Network::Internet => service
                .set("RestrictAddressFamilies", "AF_UNIX AF_INET AF_INET6")
                .set("IPAddressDeny", "169.254.169.254 fd00:ec2::254"),
        };
    }

    fn files(&self, service: &mut Section<'_>) -> Result<(), Unwritable> {
        service.set("ProtectSystem", "strict").set("ProtectHome", "yes");
        if !self.is_early {
            service.set("PrivateTmp", "yes");
        }
        service.set("ProtectClock", "yes").set("ProtectHostname", "yes").set("ProtectControlGroups", "yes");
        service
            .set("ProtectKernelLogs", "yes")
            .set("ProtectKernelModules", "yes")
            .set("ProtectKernelTunables", "yes");
        service.set("ProtectProc", "invisible").set("ProcSubset", "pid");
        match self.devices {
            "" => service.set("PrivateDevices", "yes"),
            devices => service.set("DevicePolicy", "closed").set("DeviceAllow", devices),
        };
        service.words("ReadWritePaths", self.writes.iter().map(|folder| Word::from(folder.as_str())))?;
        Ok(())
    }
}
