//! The host name comes from the metadata of an instance, and nothing that is none is taken for one.

use std::fs;

use fixtures::{
    command::program,
    machine::{
        self,
        Need::{Program, Root},
    },
    tree,
};

use crate::node;

/// What answers as the metadata of an instance do: to whoever has a token, with a name.
const SERVER: &str = r#"
import http.server, subprocess, sys

class Metadata(http.server.BaseHTTPRequestHandler):
    def answer(self, text):
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def do_PUT(self):
        assert self.path == "/latest/api/token" and self.headers["X-aws-ec2-metadata-token-ttl-seconds"]
        self.answer("a token")

    def do_GET(self):
        if self.headers["X-aws-ec2-metadata-token"] != "a token":
            return self.send_error(401)
        self.answer({"/latest/meta-data/local-hostname": sys.argv[1]}[self.path])

    def log_message(self, *_):
        pass

server = http.server.HTTPServer(("169.254.169.254", 80), Metadata)
import threading
threading.Thread(target=server.serve_forever, daemon=True).start()
sys.exit(subprocess.run(["sh", sys.argv[2]]).returncode)
"#;

/// What the script makes of what the metadata tell.
fn taken(told: &str) -> Option<String> {
    let (folder, rendered) =
        (tree::folder(), node::of("instance", "architecture = \"x86_64\"\nplatform = \"ec2\"\n[base]\n"));
    let path = |name: &str| folder.path().join(name);
    node::write(&path("ask"), node::text(&rendered, "/usr/local/lib/odbox/ask-host-name"));
    node::write(&path("server.py"), SERVER);
    let own = "ip link set lo up && ip address add 169.254.169.254/32 dev lo && exec python3 \"$@\"";
    let variable = format!("RUNTIME_DIRECTORY={}", folder.path().display());
    let ended = program("sh")
        .args(["-c", own, "sh"])
        .arg(path("server.py"))
        .arg(told)
        .arg(path("ask"))
        .under(["unshare", "--net", "env", &variable])
        .run();
    assert_eq!(ended.status == Some(0), path("name").exists(), "{ended}");
    fs::read_to_string(path("name")).ok()
}

#[test]
fn the_first_label_is_the_name() {
    if !machine::has(&[Root, Program("unshare"), Program("ip"), Program("curl"), Program("python3")]) {
        return;
    }
    assert_eq!(taken("ip-10-0-1-2.eu-west-1.compute.internal").as_deref(), Some("ip-10-0-1-2\n"));
    for none in ["", "-x", "a_b", "a b", "$(id)", ".internal", &"a".repeat(64)] {
        assert_eq!(taken(none), None, "{none:?}");
    }
}
