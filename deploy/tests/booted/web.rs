//! Nginx as it is rendered, between curl and something that stands for Odoo and `PgAdmin`.

use deploy::node::Variant;
use fixtures::machine::{self, Need::Program};

use crate::machine::{Machine, NEEDS};

/// Answers each request on any of three ports with the port, the path, and the headers that it was told.
const BACKENDS: &str = "\
import http.server, threading
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = f'{self.server.server_port} {self.path}\\n{self.headers}'.encode() + b'x' * 2000
        self.send_response(200)
        self.send_header('Content-Type', 'text/css')
        self.send_header('Content-Length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)
    def do_POST(self):
        size = int(self.headers['Content-Length'])
        while size > 0:
            size -= len(self.rfile.read(min(size, 1 << 20)))
        self.do_GET()
servers = [http.server.ThreadingHTTPServer(('127.0.0.1', port), Handler) for port in (8069, 8072, 5050)]
threads = [threading.Thread(target=server.serve_forever) for server in servers]
[thread.start() for thread in threads]
";

/// Asks as a client of the vault's CA does.
const ASK: &str = "\
ask() { curl --ipv4 --silent --show-error --max-time 30 --cacert /run/vault/certs/vault-ca-cert.pem \"$@\"; }
/usr/bin/timeout 20 sh -c 'until curl --silent --output /dev/null http://127.0.0.1:5050; do sleep 0.1; done'
";

fn can_boot() -> bool {
    machine::has(&NEEDS) && machine::has(&[Program("nginx"), Program("curl"), Program("python3")])
}

fn booted(options: &str, variant: Variant, script: &str) -> String {
    let machine = Machine::of(&format!("[service-stack]\n{options}"), variant);
    let machine = machine.service("backends.service", BACKENDS).starting(&["nginx.service"]);
    machine.tells(&format!("{ASK}{script}"))
}

#[test]
fn nginx_passes_on_what_is_odoos_and_pgadmins() {
    if !can_boot() {
        return;
    }
    let said = booted(
        "pgadmin = true\n",
        Variant::Run,
        "ask https://localhost/web?debug=1 --header 'X-Forwarded-Host: evil.example' | head -c 600; echo
         ask https://localhost/longpolling/poll | head -n 1
         ask https://localhost/pgadmin/login | head -c 600; echo
         ask --output /dev/null --write-out 'pgadmin %{http_code} %{redirect_url}\\n' https://localhost/pgadmin
         ask --output /dev/null --write-out 'gzip %{size_download}\\n' --header 'Accept-Encoding: gzip' https://localhost/
         ask --output /dev/null --write-out 'http/%{http_version}\\n' https://localhost/
         head -c 150000000 /dev/zero >/tmp/large
         ask --output /dev/null --write-out 'large %{http_code}\\n' --data-binary @/tmp/large https://localhost/upload
         ask --head https://localhost/ | grep -i -e ^server -e ^strict || true",
    );
    let mut answers = said.split("x\n");
    let odoo = answers.next().unwrap_or_default();
    for header in [
        "8069 /web?debug=1\n",
        "Host: localhost\n",
        "X-Forwarded-Host: localhost\n",
        "X-Forwarded-For: 127.0.0.1\n",
        "X-Forwarded-Proto: https\n",
    ] {
        assert!(odoo.contains(header), "Odoo is not told {header:?}: {said}");
    }
    assert!(!odoo.contains("evil"), "the client chose the host: {said}");
    assert!(said.contains("8072 /longpolling/poll\n"), "long-polling has its own process: {said}");
    for header in ["5050 /pgadmin/login\n", "X-Script-Name: /pgadmin\n", "X-Scheme: https\n"] {
        assert!(said.contains(header), "PgAdmin is not told {header:?}: {said}");
    }
    assert!(said.contains("pgadmin 301 https://localhost/pgadmin/\n"), "the path without its slash: {said}");
    let size = said.split("gzip ").nth(1).and_then(|rest| rest.lines().next()?.parse::<u32>().ok());
    assert!(size.is_some_and(|size| (1..1000).contains(&size)), "2000 bytes are not compressed: {said}");
    assert!(said.contains("http/2\n"), "it is not HTTP/2: {said}");
    assert!(said.contains("large 200\n"), "an attachment is not taken: {said}");
    assert!(said.to_lowercase().contains("server: nginx\r\n"), "it tells its version: {said}");
    assert!(!said.to_lowercase().contains("strict-transport"), "it pins localhost to TLS: {said}");
}

#[test]
fn nginx_leads_to_tls_at_the_public_port_and_speaks_modern_tls_only() {
    if !can_boot() {
        return;
    }
    let said = booted(
        "public-port = 8443\n",
        Variant::Run,
        "where() { ask --insecure --output /dev/null --write-out \"$1 %{http_code} %{redirect_url}\\n\" \"$2\"; }
         where plain http://localhost/web?a=b
         where address https://127.0.0.1/web?a=b
         curl --insecure --silent --output /dev/null --write-out 'ipv6 %{http_code} %{redirect_url}\\n' 'https://[::1]/'
         ask https://localhost/ | head -n 8
         where pgadmin https://localhost/pgadmin/
         for version in tls1 tls1_1 tls1_2 tls1_3; do
             if openssl s_client -connect localhost:443 -$version -cipher ALL:@SECLEVEL=0 </dev/null >/tmp/$version 2>&1
             then echo \"$version yes\"; else echo \"$version no\"; fi
         done
         for cipher in AES128-GCM-SHA256 ECDHE-ECDSA-AES128-SHA256 ECDHE-RSA-AES256-SHA; do
             openssl s_client -connect localhost:443 -tls1_2 -cipher $cipher </dev/null >/dev/null 2>&1 && echo \"$cipher yes\"
         done
         systemctl reload nginx.service
         sleep 1
         ask --output /dev/null --write-out 'reloaded %{http_code}\\n' https://localhost/
         echo 'nonsense' >>/etc/nginx/nginx.conf
         systemctl reload nginx.service
         sleep 1
         ask --output /dev/null --write-out 'still %{http_code}\\n' https://localhost/
         systemctl stop nginx.service
         systemctl is-failed nginx.service && echo 'stopped badly'
         journalctl --unit nginx.service --grep 'GET /web' --output cat | tail -n 1",
    );
    for line in [
        "plain 301 https://localhost:8443/web?a=b",
        "address 301 https://localhost:8443/web?a=b",
        "ipv6 301 https://localhost:8443/",
        "X-Forwarded-Host: localhost:8443",
        "tls1 no",
        "tls1_1 no",
        "tls1_2 yes",
        "tls1_3 yes",
        "reloaded 200",
        "still 200",
    ] {
        assert!(said.lines().any(|said| said.trim_end() == line), "no {line:?}: {said}");
    }
    for never in ["SHA256 yes", "SHA yes", "stopped badly", "5050"] {
        assert!(!said.contains(never), "{never}: {said}");
    }
    assert!(said.contains("\"GET /web?a=b HTTP/"), "no access in the journal: {said}");
}

#[test]
fn nginx_of_the_bootstrap_variant_says_that_odoo_does_not_run() {
    if !can_boot() {
        return;
    }
    let said = booted(
        "pgadmin = true\n",
        Variant::Bootstrap,
        "ask --write-out '\\n%{http_code}\\n' https://localhost/web
         ask https://localhost/pgadmin/ | head -n 1",
    );
    assert!(said.contains("waiting for its data.\n503\n"), "{said}");
    assert!(said.contains("5050 /pgadmin/\n"), "{said}");
}
