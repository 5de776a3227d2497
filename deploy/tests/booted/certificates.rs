//! A certificate from this machine's own ACME server, by lego, over Nginx, as they are rendered.

use deploy::node::Variant;
use fixtures::machine::{self, Need::Program};

use crate::machine::{Machine, NEEDS};

/// Waits until the server's certificate is one that the vault's CA vouches for; `$1` is none that it was before.
const WAIT: &str = "\
vouched() { curl --silent --output /dev/null --cacert /run/vault/certs/vault-ca-cert.pem https://localhost/; }
serial() { openssl s_client -connect localhost:443 </dev/null 2>/dev/null | openssl x509 -noout -serial; }
until_vouched() {
    for i in $(seq 300); do
        if vouched && [ \"$(serial)\" != \"${1:-}\" ]; then return; fi
        sleep 0.1
    done
    return 1
}
";

fn can_boot() -> bool {
    machine::has(&NEEDS) && machine::has(&["nginx", "curl", "caddy", "lego", "openssl"].map(Program))
}

#[test]
fn a_certificate_is_issued_by_this_machine_and_taken_up() {
    if !can_boot() {
        return;
    }
    let machine = Machine::of("[service-stack]\nautocerts = true\n\n[local-ca]\n", Variant::Bootstrap);
    let machine = machine.starting(&["local-ca.service", "nginx.service", "acme-reload.path"]);
    let said = machine.tells(&format!(
        "{WAIT}
        until_vouched
        openssl s_client -connect localhost:443 -showcerts </dev/null 2>/dev/null | openssl x509 -noout -text -nameopt RFC2253
        # This machine trusts its own CA, whatever the program.
        curl --silent --output /dev/null --write-out 'trusted %{{http_code}}\\n' https://localhost/
        curl --silent https://localhost:10443/acme/local-ca/directory && echo
        first=$(serial)
        systemctl start acme.service
        until_vouched \"$first\" && echo renewed
        # What the client left half-written is no certificate.
        second=$(serial)
        truncate --size 100 /var/lib/acme/lego/*/certificates/localhost.crt
        systemctl start acme.service
        until_vouched \"$second\" && echo recovered
        stat --format '%A %U:%G %n' /var/lib/acme /var/lib/acme/* /var/lib/acme/tls/*
        find /var/lib/local-ca /var/lib/acme -type f -name '*.key' -printf 'key %M %u %p\\n'
        ss --listening --tcp --numeric --no-header | grep 10443
        systemctl is-failed acme.service acme-first.service acme-reload.service local-ca.service || true
        for unit in nginx acme local-ca; do echo \"$unit $(systemctl show --property=NRestarts --value $unit.service)\"; done"
    ));
    for part in [
        "Issuer: CN=odbox SNAKE OIL local CA",
        "DNS:localhost",
        "NIST CURVE: P-256",
        "trusted 503",
        "\"newOrder\":\"https://localhost:10443/acme/local-ca/new-order\"",
        "\nrenewed\n",
        "\nrecovered\n",
        "drwx--x--x acme:acme /var/lib/acme\n",
        "drwx------ acme:acme /var/lib/acme/lego\n",
        "drwxr-x--- acme:nginx /var/lib/acme/tls\n",
        "-rw-r----- acme:nginx /var/lib/acme/tls/localhost.pem\n",
        "127.0.0.1:10443",
        "\nnginx 0\nacme 0\nlocal-ca 0\n",
    ] {
        assert!(said.contains(part), "no {part:?}: {said}");
    }
    assert!(
        !said.contains("0.0.0.0:10443") && !said.contains("*:10443"),
        "the CA is for this machine: {said}"
    );
    assert!(!said.contains("\nfailed\n"), "a unit has failed: {said}");
    for line in said.lines().filter(|line| line.starts_with("key ")) {
        assert!(line.contains(" acme /var/lib/acme/lego/"), "a key where others can come: {line}");
    }
}

#[test]
fn nginx_starts_before_there_is_a_certificate_and_while_nobody_issues_one() {
    if !can_boot() {
        return;
    }
    let options = "autocerts = true\ndomain = \"odoo.example.org\"\npublic-port = 8443\n\
                   acme-server = \"https://localhost:1/directory\"\n";
    let machine = Machine::of(&format!("[service-stack]\n{options}"), Variant::Bootstrap);
    let said = machine.starting(&["nginx.service"]).tells(
        "ask() { curl --silent --show-error --connect-to ::127.0.0.1: \"$@\"; }
         ask --insecure --head https://odoo.example.org/
         ask --output /dev/null --write-out '%{http_code} %{redirect_url}\\n' http://odoo.example.org/web
         mkdir -p /var/lib/acme/web/.well-known/acme-challenge
         echo answer >/var/lib/acme/web/.well-known/acme-challenge/token
         chmod -R a+rX /var/lib/acme/web/.well-known
         ask http://odoo.example.org/.well-known/acme-challenge/token
         openssl x509 -in /var/lib/acme/tls/odoo.example.org.pem -noout -text",
    );
    for part in [
        "HTTP/2 503",
        "strict-transport-security: max-age=63072000",
        "301 https://odoo.example.org:8443/web\n",
        "\nanswer\n",
        "DNS:odoo.example.org",
        "NIST CURVE: P-256",
    ] {
        assert!(said.contains(part), "no {part:?}: {said}");
    }
}
