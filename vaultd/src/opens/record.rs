//! What is recorded of files that are opened.

use serde::{Deserialize, Serialize};

/// Opens of one file by one process with one outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Opened {
    /// The file, by its path below the mount point; nothing where several are told together.
    pub secret: Option<String>,
    /// How it ended.
    pub decision: Decision,
    /// Why.
    pub reason: Reason,
    /// The process; nothing where several are told together.
    pub caller: Option<Caller>,
    /// Its program.
    pub exe: Option<String>,
    /// The unit that it belongs to.
    pub unit: Option<String>,
    /// The generation that it was a file of; none where several are told together.
    pub generation: Option<u64>,
    /// How often.
    pub count: u64,
    /// Whether it was told or counted before, perhaps: the kernel sent the request again when a server died.
    pub again: bool,
}

/// What a request says of its process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Caller {
    /// The user that it acts as.
    pub uid: u32,
    /// The group that it acts as.
    pub gid: u32,
    /// The number of the thread, which is that of the process for its first one; 0 where the monitor cannot see it.
    pub pid: u32,
}

/// How an attempt to open a file ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Decision {
    /// It was opened.
    Allowed,
    /// It was not: a rule of the policy forbids it.
    Denied,
}

impl Decision {
    /// As a record says it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Allowed => "allowed",
            Self::Denied => "denied",
        }
    }
}

/// Why it ended so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// Owner, group and mode allow it, and the policy names no services.
    Mode,
    /// The process belongs to one of the services.
    Service,
    /// The process belongs to none of the services.
    OtherUnit,
    /// It cannot be told what the process belongs to.
    UnknownProcess,
    /// The system manager does not tell where the services are.
    NoSystemManager,
    /// There were too many at once to tell each.
    TooMany,
    /// The server that had counted them was killed.
    ServerDied,
}

impl Reason {
    /// As a record says it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Mode => "mode",
            Self::Service => "service",
            Self::OtherUnit => "other-unit",
            Self::UnknownProcess => "unknown-process",
            Self::NoSystemManager => "no-system-manager",
            Self::TooMany => "too-many",
            Self::ServerDied => "server-died",
        }
    }

    /// In words for people.
    #[must_use]
    pub fn text(self) -> &'static str {
        match self {
            Self::Mode => "owner, group and mode allow it",
            Self::Service => "it belongs to a service that may",
            Self::OtherUnit => "it belongs to none of the services that may",
            Self::UnknownProcess => "what it belongs to cannot be told",
            Self::NoSystemManager => "the system manager does not tell where the services are that may",
            Self::TooMany => "too many at once to tell each",
            Self::ServerDied => "the server that had counted them was killed",
        }
    }
}

impl Opened {
    /// Opens of which nothing is known but how many there were.
    #[must_use]
    pub fn untold(decision: Decision, reason: Reason, count: u64) -> Self {
        Self {
            secret: None,
            decision,
            reason,
            caller: None,
            exe: None,
            unit: None,
            generation: None,
            count,
            again: false,
        }
    }

    /// One line for people.
    #[must_use]
    pub fn message(&self) -> String {
        let Some((secret, caller)) = self.secret.as_ref().zip(self.caller) else {
            let Self { count, decision, reason, .. } = self;
            return format!("{count} opens {}, by whom is not known: {}", decision.word(), reason.text());
        };
        let exe = self.exe.as_deref().unwrap_or("a process");
        let unit = self.unit.as_deref().map(|unit| format!(" of {unit}")).unwrap_or_default();
        let times = if self.count == 1 { String::new() } else { format!(", {} times more", self.count) };
        let who = format!("{exe}{unit} (pid {}, uid {}){times}", caller.pid, caller.uid);
        match self.decision {
            Decision::Allowed => format!("{secret} opened by {who}"),
            Decision::Denied => format!("{secret} denied to {who}: {}", self.reason.text()),
        }
    }
}
