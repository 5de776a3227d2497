//! What node_exporter makes of what `vaultd-metrics.timer` writes.

use crate::machine::{Machine, can_boot};

/// What the exporter of Debian answers about vaultd.
const SCRAPE: &str = "exec 3<>/dev/tcp/127.0.0.1/9100
     printf 'GET /metrics HTTP/1.0\\r\\n\\r\\n' >&3
     grep -E '^(vaultd_|node_textfile)' <&3";

impl Machine {
    /// Waits until the exporter says this.
    fn is_scraped(&self, line: &str) {
        self.write("/root/scrape", SCRAPE);
        self.run(&format!(
            "for try in $(seq 200); do
                 bash /root/scrape | grep -qxF '{line}' && exit 0
                 sleep 0.1
             done
             bash /root/scrape
             exit 1"
        ));
    }
}

#[test]
fn a_timer_writes_what_an_exporter_reads() {
    if !can_boot() {
        return;
    }
    let mut machine = Machine::new();
    machine.make_vault(&machine.run("vaultd keygen"), "first");
    machine.run(
        "mkdir -p /etc/systemd/system/vaultd-metrics.timer.d
         printf '[Timer]\\nOnUnitInactiveSec=\\nOnActiveSec=0\\nOnUnitInactiveSec=1\\nAccuracySec=100ms\\n' \\
             >/etc/systemd/system/vaultd-metrics.timer.d/often.conf
         systemctl enable --quiet vaultd.service vaultd-metrics.timer prometheus-node-exporter.service",
    );
    machine.reboot();
    assert_eq!(machine.state(), "running");
    machine.is_scraped("vaultd_up{mountpoint=\"/run/vault\"} 1");
    machine.is_scraped("vaultd_secrets{mountpoint=\"/run/vault\"} 1");
    machine.is_scraped("node_textfile_scrape_error 0");
    assert_eq!(machine.run("stat -c '%a %U' /var/lib/prometheus/node-exporter/vaultd.prom"), "644 root");

    machine.damage_vault();
    machine.try_run("vaultd reload");
    machine.is_scraped("vaultd_refused{mountpoint=\"/run/vault\"} 1");
    machine.run("systemctl stop vaultd.service");
    machine.is_scraped("vaultd_up{mountpoint=\"/run/vault\"} 0");
    assert_eq!(machine.state_of("vaultd-metrics.timer"), "active");
    machine.run("! systemctl is-failed --quiet vaultd-metrics.service");
}
