//! How a mount goes, for Prometheus: the text format 0.0.4 that node_exporter reads from files.

use std::path::Path;

use prometheus::core::Collector;
use prometheus::{IntCounterVec, IntGaugeVec, Opts, Registry, TextEncoder};

use crate::monitor::Status;

/// What every name begins with.
const PREFIX: &str = "vaultd";

/// What is written where vaultd was looked for.
pub(super) struct Look<'a> {
    /// Where the vault is, or should be.
    pub mount_point: &'a Path,
    /// Whether anything of vaultd's is mounted there.
    pub is_mounted: bool,
    /// What the monitor says, if there is one.
    pub status: Option<&'a Status>,
}

impl Look<'_> {
    /// All of it as text.
    ///
    /// # Errors
    /// A name or label is none that Prometheus knows: that is a fault of vaultd.
    pub(super) fn write(&self) -> prometheus::Result<String> {
        let mount_point = self.mount_point.to_string_lossy().into_owned();
        let labels = [("mountpoint".to_owned(), mount_point)].into();
        let metrics = Metrics(Registry::new_custom(Some(PREFIX.to_owned()), Some(labels))?);
        metrics.gauge("up", "Whether a monitor answers.", self.status.is_some())?;
        metrics.gauge("mounted", "Whether a vault is mounted, alive or dead.", self.is_mounted)?;
        if let Some(status) = self.status {
            metrics.add(status)?;
        }
        TextEncoder::new().encode_to_string(&metrics.0.gather())
    }
}

/// Names are those of Prometheus' guide: base units, and `_total` for what only grows.
struct Metrics(Registry);

impl Metrics {
    fn add(&self, status: &Status) -> prometheus::Result<()> {
        let Status { generation, secrets, due, server, features, .. } = status;
        let vault_id = status.vault_id.as_ref().map(ToString::to_string).unwrap_or_default();
        let signer = status.signer.clone().unwrap_or_default();
        let info = [status.vault.to_string_lossy().into_owned(), vault_id, signer];
        self.gauges("info", "What is served.", ["vault", "vault_id", "signer"], [(info, 1)])?;
        self.gauge("server_up", "Whether a server is there to answer.", server.pid.is_some())?;
        self.gauge("generation", "Which state of the vault this mount serves, from 1.", number(*generation))?;
        if let Some(serial) = status.serial {
            self.gauge("serial", "The serial of the vault that is served.", number(serial))?;
        }
        self.gauge("unsigned", "Whether nobody signed what is served.", status.unsigned)?;
        self.gauge("fallback", "Whether the state accepted last is served instead.", status.fallback)?;
        let help = "Whether the vault's state was refused when it was last looked at.";
        self.gauge("refused", help, status.problem.is_some())?;
        self.gauge("secrets", "How many files are served.", number(*secrets as u64))?;
        let unresolved = status.unresolved.users.len() + status.unresolved.groups.len();
        let help = "Users and groups that files are to belong to and that are not there.";
        self.gauge("unresolved_owners", help, number(unresolved as u64))?;
        self.gauge("due", "How much is to be changed, or ends within 30 days.", number(due.len() as u64))?;
        let ends = status.ends.iter().map(|end| {
            let labels = [end.secret.to_string(), end.what.word().to_owned()];
            (labels, end.at.date_time().unix_timestamp())
        });
        let help = "When a secret or certificate ends, or is to be changed.";
        self.gauges("secret_due_timestamp_seconds", help, ["secret", "what"], ends)?;
        let opens = [("allowed", status.opens), ("denied", status.denied)];
        let help = "Opens since the mount was made, and those that a rule by service denied.";
        self.counters("opens_total", help, ["decision"], opens.map(|(decision, count)| ([decision], count)))?;
        let help = "Servers that died and were followed by another one.";
        self.counters("server_restarts_total", help, [], [([], server.restarts)])?;
        let features = [
            ("hand-over", features.handover),
            ("noswap", features.noswap),
            ("passthrough", features.passthrough),
            ("resend", features.resend),
        ];
        let features = features.map(|(name, holds)| ([name.to_owned()], holds.into()));
        self.gauges("feature", "Whether the machine does this for vaultd.", ["feature"], features)
    }

    fn gauge(&self, name: &str, help: &str, value: impl Into<i64>) -> prometheus::Result<()> {
        self.gauges(name, help, [], [([], value.into())])
    }

    fn gauges<const N: usize>(
        &self,
        name: &str,
        help: &str,
        labels: [&str; N],
        values: impl IntoIterator<Item = ([String; N], i64)>,
    ) -> prometheus::Result<()> {
        let gauges = IntGaugeVec::new(Opts::new(name, help), &labels)?;
        for (labels, value) in values {
            gauges.get_metric_with_label_values(&labels)?.set(value);
        }
        self.register(gauges)
    }

    fn counters<const N: usize>(
        &self,
        name: &str,
        help: &str,
        labels: [&str; N],
        values: impl IntoIterator<Item = ([&'static str; N], u64)>,
    ) -> prometheus::Result<()> {
        let counters = IntCounterVec::new(Opts::new(name, help), &labels)?;
        for (labels, value) in values {
            counters.get_metric_with_label_values(&labels)?.inc_by(value);
        }
        self.register(counters)
    }

    fn register(&self, metrics: impl Collector + 'static) -> prometheus::Result<()> {
        self.0.register(Box::new(metrics))
    }
}

/// As the crate counts; a number that large is never reached.
fn number(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
