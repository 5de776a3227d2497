//! The whole of `nginx.conf`: nothing that Debian's package brings is included.

use super::{PID, ServiceStack, autocerts};
use crate::{
    formats::{
        Unwritable,
        nginx::{Directive, render},
    },
    node::Variant,
    value::Port,
};

/// Where systemd puts the credentials of the unit: the configuration cannot say `%d`.
const CREDENTIALS: &str = "/run/credentials/nginx.service";

/// The text of the file.
///
/// # Errors
///
/// If an option cannot be written into it.
pub(super) fn of(stack: &ServiceStack, variant: Variant) -> Result<String, Unwritable> {
    let tree = [
        Directive::new("pid").literal(PID),
        Directive::new("error_log").literal("stderr"),
        Directive::new("worker_processes").literal("auto"),
        Directive::comment("What a reload replaces ends with its longest request."),
        Directive::new("worker_shutdown_timeout").literal("720s"),
        Directive::new("events").block([Directive::new("worker_connections").number(2048_u16)]),
        Directive::new("http").block(http(stack, variant)?),
    ];
    Ok(render(&tree))
}

fn http(stack: &ServiceStack, variant: Variant) -> Result<Vec<Directive>, Unwritable> {
    let mut http = logs_and_files();
    http.extend(tls(stack)?);
    http.extend(compression());
    http.extend(proxying(stack)?);
    let url = Directive::new("default").text(&format!("https://{}", authority(stack)))?;
    http.push(Directive::comment("The URL that browsers see."));
    http.push(Directive::new("map").literal("\"\" $public").block([url]));
    http.push(plain_server(stack));
    http.push(stray_server());
    http.push(server(stack, variant)?);
    Ok(http)
}

/// The journal has the logs; what is too large for memory goes to its cache.
fn logs_and_files() -> Vec<Directive> {
    vec![
        Directive::new("access_log").literal("syslog:server=unix:/dev/log,nohostname,tag=nginx"),
        Directive::new("client_body_temp_path").literal("/var/cache/nginx/body"),
        Directive::new("proxy_temp_path").literal("/var/cache/nginx/proxy"),
        Directive::comment("Not used, and made nevertheless."),
        Directive::new("fastcgi_temp_path").literal("/var/cache/nginx/fastcgi"),
        Directive::new("uwsgi_temp_path").literal("/var/cache/nginx/uwsgi"),
        Directive::new("scgi_temp_path").literal("/var/cache/nginx/scgi"),
        Directive::new("default_type").literal("text/plain"),
        Directive::new("server_tokens").literal("off"),
        Directive::comment("Odoo takes attachments of 128 MiB, which are a third longer in JSON."),
        Directive::new("client_max_body_size").literal("200m"),
    ]
}

/// Mozilla's "intermediate" of 5.7 without its finite-field exchange: TLS 1.3, and for programs that call Odoo's
/// interface TLS 1.2 with forward secrecy and authenticated encryption. Groups are OpenSSL's own, of which the
/// first is post-quantum from 3.5 on.
fn tls(stack: &ServiceStack) -> Result<Vec<Directive>, Unwritable> {
    let (certificate, key) = if stack.autocerts {
        let path = autocerts::certificate(&stack.domain).to_string();
        (path.clone(), path)
    } else {
        (format!("{CREDENTIALS}/tls.pem"), format!("{CREDENTIALS}/tls-key.pem"))
    };
    Ok(vec![
        Directive::new("ssl_certificate").text(&certificate)?,
        Directive::new("ssl_certificate_key").text(&key)?,
        Directive::new("ssl_protocols").literal("TLSv1.2 TLSv1.3"),
        Directive::new("ssl_ciphers").literal(
            "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:\
             ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384:\
             ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305",
        ),
        Directive::new("ssl_prefer_server_ciphers").literal("off"),
        Directive::new("ssl_session_cache").literal("shared:tls:10m"),
        Directive::new("ssl_session_timeout").literal("1d"),
        Directive::comment("Its key would be the same until a restart."),
        Directive::new("ssl_session_tickets").literal("off"),
    ])
}

fn compression() -> Vec<Directive> {
    vec![
        Directive::new("gzip").literal("on"),
        Directive::new("gzip_proxied").literal("any"),
        Directive::new("gzip_vary").literal("on"),
        Directive::new("gzip_min_length").number(1024_u16),
        // text/html always is.
        Directive::new("gzip_types").literal(
            "text/plain text/css text/xml application/json application/javascript \
             text/javascript application/xml image/svg+xml",
        ),
    ]
}

/// A connection each, which is the default: a worker of Odoo would wait for the next request on an open one.
fn proxying(stack: &ServiceStack) -> Result<Vec<Directive>, Unwritable> {
    let timeouts = ["proxy_connect_timeout", "proxy_send_timeout", "proxy_read_timeout"];
    let mut directives: Vec<Directive> =
        timeouts.into_iter().map(|name| Directive::new(name).literal("720s")).collect();
    directives.push(Directive::new("proxy_redirect").literal("off"));
    directives.extend(forwarded(stack)?);
    Ok(directives)
}

/// What is told of a request, none of it by the client's word: whoever chose the host would choose the links in
/// Odoo's mail. A location that sets a header of its own has none of these unless it repeats them.
fn forwarded(stack: &ServiceStack) -> Result<Vec<Directive>, Unwritable> {
    let header = |name| Directive::new("proxy_set_header").literal(name);
    Ok(vec![
        header("Host").text(&authority(stack))?,
        header("X-Forwarded-Host").text(&authority(stack))?,
        header("X-Forwarded-For").literal("$remote_addr"),
        header("X-Forwarded-Proto").literal("https"),
        header("X-Real-IP").literal("$remote_addr"),
    ])
}

/// The domain, with the port where browsers have to say it.
fn authority(stack: &ServiceStack) -> String {
    match stack.public_port {
        port if port == Port::new(443) => stack.domain.to_string(),
        port => format!("{}:{port}", stack.domain),
    }
}

/// Port 80: answers an ACME server (RFC 8555, 8.3), and leads everybody else to TLS.
fn plain_server(stack: &ServiceStack) -> Directive {
    let mut server = vec![
        Directive::new("listen").literal("80 default_server"),
        Directive::new("listen").literal("[::]:80 default_server"),
    ];
    if stack.autocerts {
        let answers = [Directive::new("root").literal(autocerts::WEB_ROOT)];
        server.push(Directive::new("location").literal("^~ /.well-known/acme-challenge/").block(answers));
    }
    server.push(Directive::new("location").literal("/").block([to_public("$public$request_uri")]));
    Directive::new("server").block(server)
}

/// Port 443 by any other name, or an address: leads to the one that the certificate is for.
fn stray_server() -> Directive {
    let listen = |address| Directive::new("listen").literal(address);
    Directive::new("server").block([
        // `http2 on` is of 1.25; this is known to all.
        listen("443 ssl http2 default_server"),
        listen("[::]:443 ssl http2 default_server"),
        to_public("$public$request_uri"),
    ])
}

fn server(stack: &ServiceStack, variant: Variant) -> Result<Directive, Unwritable> {
    let listen = |address| Directive::new("listen").literal(address);
    let mut server = vec![listen("443 ssl http2"), listen("[::]:443 ssl http2")];
    server.push(Directive::new("server_name").text(stack.domain.as_str())?);
    if stack.domain.as_str() != "localhost" {
        let header = Directive::new("add_header").literal("Strict-Transport-Security");
        server.push(header.text("max-age=63072000")?.literal("always"));
    }
    server.extend(odoo(variant)?);
    if stack.pgadmin {
        server.extend(pgadmin(stack)?);
    }
    Ok(Directive::new("server").block(server))
}

fn odoo(variant: Variant) -> Result<Vec<Directive>, Unwritable> {
    let location = |path| Directive::new("location").literal(path);
    let pass = |url| Directive::new("proxy_pass").literal(url);
    Ok(match variant {
        Variant::Run => vec![
            location("/").block([pass("http://127.0.0.1:8069")]),
            location("/longpolling").block([pass("http://127.0.0.1:8072")]),
        ],
        Variant::Bootstrap => {
            let answer = "Odoo does not run here yet: this machine is waiting for its data.";
            vec![location("/").block([Directive::new("return").number(503_u16).text(answer)?])]
        }
    })
}

/// `PgAdmin` below a path, as its manual has it ("Hosting pgAdmin in a sub-directory").
fn pgadmin(stack: &ServiceStack) -> Result<[Directive; 2], Unwritable> {
    let header = |name| Directive::new("proxy_set_header").literal(name);
    let mut pass = vec![Directive::new("proxy_pass").literal("http://127.0.0.1:5050")];
    pass.extend(forwarded(stack)?);
    pass.extend([header("X-Script-Name /pgadmin"), header("X-Scheme https")]);
    let location = |path| Directive::new("location").literal(path);
    Ok([location("= /pgadmin").block([to_public("$public/pgadmin/")]), location("/pgadmin/").block(pass)])
}

fn to_public(url: &'static str) -> Directive {
    Directive::new("return").number(301_u16).literal(url)
}
