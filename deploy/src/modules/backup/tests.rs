use crate::modules::sample::{problems, tree};

const STACK: &str = "[vault]\nsnakeoil = true\n[login]\nmode = \"standard\"\n[service-stack]\n";
const UNITS: &str = "/etc/systemd/system";
const SCRIPT: &str = "/usr/local/lib/odbox/backup";

fn with(options: &str) -> crate::tree::Tree {
    tree(&format!("{STACK}[backup]\n{options}"))
}

#[test]
fn without_options_it_is_hot_by_day_and_cold_by_night_in_a_folder_of_roots() {
    let tree = with("");
    let hot = tree.text(&format!("{UNITS}/odbox-backup-hot.timer"));
    assert!(hot.contains("OnCalendar=11:00\nOnCalendar=14:00\nOnCalendar=16:00\n"), "{hot}");
    let cold = tree.text(&format!("{UNITS}/odbox-backup-cold.timer"));
    assert!(cold.contains("OnCalendar=02:00\n") && !cold.contains("Persistent"), "never by day: {cold}");
    assert_eq!(tree.access("/backup"), ("root", "root", "0700"), "for root only");
    let script = tree.text(SCRIPT);
    for value in ["base='/backup'", "database='odoo'", "keep='7'", "recipients=''"] {
        assert!(script.contains(&format!("\n{value}\n")), "no {value} in {script}");
    }
    assert!(script.contains("--no-owner --no-acl --schema=public"), "{script}");
    assert!(tree.at("/etc/odbox/backup-recipients").is_none(), "it is not encrypted");
}

#[test]
fn each_schedule_is_a_timer_or_none() {
    let tree = with("hot-schedule = []\ncold-schedule = [\"Mon..Fri 01:30\", \"Sat 05:00\"]\n");
    assert!(tree.at(&format!("{UNITS}/odbox-backup-hot.timer")).is_none(), "never by itself");
    assert!(tree.at(&format!("{UNITS}/odbox-backup-hot.service")).is_some(), "but by hand");
    let cold = tree.text(&format!("{UNITS}/odbox-backup-cold.timer"));
    assert!(cold.contains("OnCalendar=Mon..Fri 01:30\nOnCalendar=Sat 05:00\n"), "{cold}");
}

#[test]
fn odoo_stands_still_for_a_cold_backup_and_a_restore_and_runs_again() {
    let tree = with("");
    for unit in ["odbox-backup-cold", "odbox-restore", "odbox-restore@"] {
        let text = tree.text(&format!("{UNITS}/{unit}.service"));
        let resume = "ExecStopPost=/usr/bin/systemctl start --no-block odbox-odoo-resume.service\n";
        assert!(text.contains(resume), "whatever comes of it, {unit}: {text}");
        assert!(
            text.contains("OnFailure=odbox-odoo-resume.service\n"),
            "even if that is killed, {unit}: {text}"
        );
    }
    let hot = tree.text(&format!("{UNITS}/odbox-backup-hot.service"));
    assert!(!hot.contains("resume"), "it runs during a hot one: {hot}");
}

#[test]
fn only_backing_up_writes_where_backups_are() {
    let tree = with("basedir = \"/srv/backups\"\n");
    let writes = |unit: &str| {
        let text = tree.text(&format!("{UNITS}/{unit}.service"));
        assert!(text.contains("RequiresMountsFor=/srv/backups\n"), "{unit}: {text}");
        text.contains("ReadWritePaths=/srv/backups\n")
    };
    assert!(writes("odbox-backup-hot") && writes("odbox-backup-cold"), "they make them");
    assert!(!writes("odbox-backup-verify") && !writes("odbox-restore"), "they never change one");
    assert_eq!(tree.access("/srv/backups"), ("root", "root", "0700"));
}

#[test]
fn what_is_odoos_is_read_as_odoo() {
    let tree = with("");
    for unit in ["odbox-backup-hot", "odbox-backup-cold", "odbox-backup-verify", "odbox-restore"] {
        let text = tree.text(&format!("{UNITS}/{unit}.service"));
        let bounds = "CapabilityBoundingSet=CAP_SETGID CAP_SETUID\n";
        assert!(text.contains(bounds), "root reads nothing for which it takes a right, {unit}: {text}");
    }
}

#[test]
fn what_opens_a_backup_goes_after_it() {
    let tree = with("encrypted = true\n");
    let forgets = |unit: &str| {
        let text = tree.text(&format!("{UNITS}/{unit}.service"));
        text.contains("ExecStartPost=+/usr/bin/rm --force /run/odbox-backup-identity\n")
    };
    assert!(forgets("odbox-backup-verify") && forgets("odbox-restore") && forgets("odbox-restore@"));
    assert!(!forgets("odbox-backup-hot") && !forgets("odbox-backup-cold"), "they open none");
}

#[test]
fn the_boot_does_not_wait_for_the_disk_and_no_backup_goes_without_it() {
    let tree = with("device = \"/dev/disk/by-partlabel/backup\"\n");
    let mount = tree.text(&format!("{UNITS}/backup.mount"));
    for line in ["What=/dev/disk/by-partlabel/backup", "Where=/backup", "DefaultDependencies=no"] {
        assert!(mount.contains(&format!("{line}\n")), "no {line} in {mount}");
    }
    assert!(!mount.contains("local-fs.target"), "it would fail the boot: {mount}");
    tree.link(&format!("{UNITS}/multi-user.target.wants/backup.mount"));
    assert!(with("").at(&format!("{UNITS}/backup.mount")).is_none(), "the folder is on the machine's disk");
}

#[test]
fn as_many_are_kept_as_is_said() {
    assert!(with("keep = 30\n").text(SCRIPT).contains("\nkeep='30'\n"));
}

#[test]
fn encrypted_they_are_for_the_vaults_operators() {
    let tree = with("encrypted = true\n");
    let operators = "age1ep6xuwll6dy9g8rvdttafprrrlm3s9l90w9w97yhqq9uz4fr4yhsqla2dk\n";
    assert_eq!(tree.text("/etc/odbox/backup-recipients"), operators, "not for the machine");
    assert!(tree.text(SCRIPT).contains("\nrecipients='/etc/odbox/backup-recipients'\n"));
    assert!(tree.manifest.packages.contains("age"), "{:?}", tree.manifest.packages);
}

#[test]
fn there_has_to_be_something_to_back_up() {
    assert!(problems("[backup]\n").contains("there is nothing to back up"));
}
