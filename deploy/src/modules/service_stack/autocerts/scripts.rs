//! The programs of the ACME client.

use super::{CLIENT, Order, WEB_ROOT, certificate};
use crate::formats::{Unwritable, shell};

pub(super) const FIRST: &str = "/usr/local/lib/odbox/acme-first";
pub(super) const ASK: &str = "/usr/local/lib/odbox/acme";

impl Order<'_> {
    /// Makes a certificate with its key; it is there when it is whole.
    pub(super) fn first_script(&self) -> Result<String, Unwritable> {
        let live = certificate(self.domain);
        Ok(format!(
            "#!/bin/sh\n\
             set -eu\n\
             umask 027\n\
             domain={domain} live={live}\n\
             openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -days 30 \\\n    \
                 -subj '/O=Nobody: the certificate is not there yet' -addext \"subjectAltName=DNS:$domain\" \\\n    \
                 -keyout \"$live.key\" -out \"$live.crt\"\n\
             {INSTALL}",
            domain = shell::word(self.domain.as_str())?,
            live = shell::word(live.as_str())?,
        ))
    }

    /// Gets or renews the certificate. What the client writes may be cut off, so it counts if its two halves are of
    /// each other, and becomes Nginx's in one move.
    pub(super) fn ask_script(&self) -> Result<String, Unwritable> {
        let client = format!("{CLIENT}/{}", self.server.authority());
        let live = certificate(self.domain);
        let renew = if self.own.is_some() { "renew --days 30 --no-random-sleep" } else { "renew --days 30" };
        let options = [
            ["--server", self.server.as_str()],
            ["--email", self.email.as_str()],
            ["--domains", self.domain.as_str()],
            ["--key-type", "ec256"],
            ["--path", &client],
            ["--http.webroot", WEB_ROOT],
        ];
        let options = shell::words(options.as_flattened())?;
        Ok(format!(
            "#!/bin/sh\n\
             set -eu\n\
             umask 027\n\
             found={found} live={live}\n\
             \n\
             is_whole() {{\n    \
                 [ -s \"$found.crt\" ] && [ -s \"$found.key\" ] &&\n        \
                 [ \"$(openssl x509 -in \"$found.crt\" -noout -pubkey)\" = \"$(openssl pkey -in \"$found.key\" -pubout)\" ]\n\
             }}\n\
             client() {{ lego --accept-tos --http {options} \"$@\"; }}\n\
             \n\
             if is_whole; then client {renew}; else client run; fi\n\
             is_whole\n\
             cat \"$found.key\" \"$found.crt\" | cmp -s - \"$live\" && exit\n\
             cp \"$found.key\" \"$live.key\"\n\
             cp \"$found.crt\" \"$live.crt\"\n\
             {INSTALL}",
            found = shell::word(&format!("{client}/certificates/{}", self.domain))?,
            live = shell::word(live.as_str())?,
        ))
    }
}

/// Puts both halves into the file that Nginx reads: it has always had a whole one.
const INSTALL: &str = "\
cat \"$live.key\" \"$live.crt\" >\"$live.new\"
sync \"$live.new\"
mv \"$live.new\" \"$live\"
rm \"$live.key\" \"$live.crt\"
";
