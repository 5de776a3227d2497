use crate::modules::sample;

#[test]
fn sessions_end_after_the_minutes_of_the_option() {
    for (options, minutes) in [("", 5), ("odoo-session-timeout = 20160", 20160)] {
        let tree = sample::tree(&format!("[vault]\nsnakeoil = true\n[service-stack]\n{options}"));
        let unit = tree.text("/etc/systemd/system/odoo-sessions.service");
        let command = format!(
            "ExecStart=/usr/bin/find /var/lib/odoo/sessions -ignore_readdir_race -type f -mmin +{minutes} -delete\n"
        );
        assert!(unit.contains(&command), "{unit}");
        assert!(unit.contains("User=odoo\n"), "as who made them: {unit}");
        let timer = tree.text("/etc/systemd/system/odoo-sessions.timer");
        assert!(timer.contains("OnCalendar=hourly\n"), "each hour: {timer}");
    }
}
