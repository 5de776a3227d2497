//! Nginx: `nginx -t` reads the whole configuration, loads the certificates and opens what it would listen on.
//!
//! It looks at a copy, in which these stand for what is on the machine alone:
//!
//! | directive | in the copy |
//! | --- | --- |
//! | `user` | left out: that user is not here |
//! | `ssl_certificate`, `ssl_certificate_key` and other files of TLS | a certificate and key made for the check |
//! | `pid`, `lock_file`, `error_log`, `access_log`, `…_temp_path` | files in the folder of the check |
//! | `include`, and other files that the tree has | the tree's |
//! | `listen` on a port below 1024 | 40000 more, since nobody else may |

mod configuration;
mod copy;

use std::fs;

use self::{configuration::Directive, copy::Stage};
use super::{
    Outcome, Subject, Verdict,
    program::{Program, run},
};

const NGINX: Program = Program { name: "nginx", package: Some("nginx-light") };
/// The main file.
const MAIN: &str = "/etc/nginx/nginx.conf";

pub(super) fn check(subject: &Subject<'_>) -> Vec<Outcome> {
    let main = subject.text(MAIN).map(|text| Outcome::of("nginx -t", MAIN, judge(subject, text)));
    main.into_iter().collect()
}

fn judge(subject: &Subject<'_>, text: &str) -> Result<Verdict, Verdict> {
    let mut nginx = NGINX.command()?;
    let folder = subject.folder("nginx")?;
    let stage = Stage::new(subject, &folder)?;
    let copy = folder.join("nginx.conf");
    fs::write(&copy, stage.copy(text))?;
    nginx.arg("-t").arg("-q").arg("-e").arg("stderr").arg("-p").arg(&folder).arg("-c").arg(&copy);
    Ok(run(nginx)?.without(&subject.root).without(&folder).verdict())
}
