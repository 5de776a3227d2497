//! The names that a server certificate is good for.

use std::{fmt, net::IpAddr, str::FromStr};

use rcgen::{CidrSubnet, GeneralSubtree, SanType};

use super::CertificateError;

/// Longest DNS name (RFC 1035, 2.3.4, as text and without a dot at its end).
const MAX_NAME: usize = 253;
/// Longest part of one between two dots.
const MAX_LABEL: usize = 63;

/// A DNS name, perhaps with a wildcard, or an IP address: what a client connects to.
///
/// It has one spelling: DNS names are in lower case, addresses as RFC 5952 writes them.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerName(Name);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Name {
    Dns(String),
    Ip(IpAddr),
}

impl ServerName {
    /// What its files are called by: a secret's name has neither `*` nor `:`, and no DNS name has a `_`.
    #[must_use]
    pub fn file_stem(&self) -> String {
        self.to_string().replace(['*', ':'], "_")
    }

    /// As it stands in a certificate (RFC 5280, 4.2.1.6).
    pub(super) fn alt_name(&self) -> Result<SanType, CertificateError> {
        match &self.0 {
            Name::Dns(name) => Ok(SanType::DnsName(name.as_str().try_into()?)),
            Name::Ip(address) => Ok(SanType::IpAddress(*address)),
        }
    }

    /// As a CA may be limited to it (RFC 5280, 4.2.1.10): a DNS name with all below it, or an address.
    pub(super) fn subtree(&self) -> Result<GeneralSubtree, CertificateError> {
        match &self.0 {
            Name::Dns(name) if name.contains('*') => {
                Err(CertificateError::Name { name: name.clone(), why: "it has a wildcard" })
            }
            Name::Dns(name) => Ok(GeneralSubtree::DnsName(name.clone())),
            Name::Ip(IpAddr::V4(address)) => {
                Ok(GeneralSubtree::IpAddress(CidrSubnet::from_v4_prefix(address.octets(), 32)))
            }
            Name::Ip(IpAddr::V6(address)) => {
                Ok(GeneralSubtree::IpAddress(CidrSubnet::from_v6_prefix(address.octets(), 128)))
            }
        }
    }
}

impl fmt::Display for ServerName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Name::Dns(name) => f.write_str(name),
            Name::Ip(address) => address.fmt(f),
        }
    }
}

impl FromStr for ServerName {
    type Err = CertificateError;

    fn from_str(text: &str) -> Result<Self, CertificateError> {
        if let Ok(address) = text.parse() {
            return Ok(Self(Name::Ip(address)));
        }
        match check(text) {
            Ok(()) => Ok(Self(Name::Dns(text.to_ascii_lowercase()))),
            Err(why) => Err(CertificateError::Name { name: text.escape_default().to_string(), why }),
        }
    }
}

/// Host names as RFC 1123, 2.1 has them, and wildcards as RFC 9525, 6.3: one, and as a whole first part.
fn check(text: &str) -> Result<(), &'static str> {
    if text.is_empty() {
        return Err("it is empty");
    }
    if !text.is_ascii() {
        return Err("it is not ASCII; write it in the form with xn--");
    }
    if text.len() > MAX_NAME {
        return Err("it is longer than 253 characters");
    }
    let host = match text.strip_prefix("*.") {
        Some(rest) if !rest.contains('.') => return Err("a wildcard needs two parts or more after it"),
        Some(rest) => rest,
        None => text,
    };
    host.split('.').try_for_each(check_label)?;
    // Else a program may read it as an address: 10.1, 0x7f.1, 256.0.0.1.
    let last = host.rsplit('.').next().unwrap_or_default();
    if last.bytes().all(|byte| byte.is_ascii_digit()) || last.starts_with("0x") || last.starts_with("0X") {
        return Err("it looks like an IP address");
    }
    Ok(())
}

fn check_label(label: &str) -> Result<(), &'static str> {
    match label {
        "" => Err("it has an empty part (a dot at an end, or two in a row)"),
        _ if label.contains('*') => Err("a wildcard is the whole first part, as in *.example.org"),
        _ if !label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-') => {
            Err("it has another character than letters, digits, dashes and dots")
        }
        _ if label.len() > MAX_LABEL => Err("it has a part of more than 63 characters"),
        _ if label.starts_with('-') || label.ends_with('-') => {
            Err("it has a part that starts or ends with a dash")
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::SecretName;

    fn name(text: &str) -> Result<ServerName, String> {
        text.parse().map_err(|error: CertificateError| error.to_string())
    }

    #[test]
    fn a_name_has_one_spelling_and_a_file() {
        for (text, spelling, stem) in [
            ("localhost", "localhost", "localhost"),
            ("Odoo.Example.ORG", "odoo.example.org", "odoo.example.org"),
            ("*.example.org", "*.example.org", "_.example.org"),
            ("xn--mller-kva.example", "xn--mller-kva.example", "xn--mller-kva.example"),
            ("10.0.0.7", "10.0.0.7", "10.0.0.7"),
            ("0:0:0:0:0:0:0:1", "::1", "__1"),
            ("FD00::0007", "fd00::7", "fd00__7"),
        ] {
            let name = name(text).unwrap();
            assert_eq!((name.to_string().as_str(), name.file_stem().as_str()), (spelling, stem));
        }
    }

    #[test]
    fn what_is_no_name_is_refused_with_a_reason() {
        let (long, longest) = ("x".repeat(64), format!("{}.org", vec!["x".repeat(62); 4].join(".")));
        for (text, why) in [
            ("", "empty"),
            (".", "empty part"),
            ("a..b", "empty part"),
            ("example.org.", "empty part"),
            ("a b", "another character"),
            ("a\nb.org", "another character"),
            ("web_1", "another character"),
            ("ops@web", "another character"),
            ("[::1]", "another character"),
            ("fe80::1%eth0", "another character"),
            ("10.0.0.0/8", "another character"),
            ("é.example", "xn--"),
            ("-a.example", "dash"),
            ("a-.example", "dash"),
            ("*", "wildcard"),
            ("*.org", "wildcard"),
            ("*a.example.org", "wildcard"),
            ("a.*.example.org", "wildcard"),
            ("*.*.example.org", "wildcard"),
            ("256.0.0.1", "IP address"),
            ("10.1", "IP address"),
            ("0x7f.0x1", "IP address"),
            (&long, "63"),
            (&longest, "253"),
        ] {
            let error = name(text).unwrap_err();
            assert!(error.contains(why) && !error.chars().any(char::is_control), "{text:?}: {error}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_refused_or_a_name_in_one_spelling(text in "(\\*\\.)?[A-Za-z0-9.:*_é-]{0,24}") {
            if let Ok(parsed) = name(&text) {
                let spelling = parsed.to_string();
                prop_assert_eq!(name(&spelling), Ok(parsed.clone()));
                let file = format!("certs/{}-cert.pem", parsed.file_stem()).parse::<SecretName>();
                prop_assert!(file.is_ok());
                prop_assert!(parsed.alt_name().is_ok());
            }
        }

        #[test]
        fn every_host_name_is_one(labels in "[a-z]([a-z0-9-]{0,20}[a-z0-9])?(\\.[a-z]([a-z0-9-]{0,20}[a-z0-9])?){0,5}") {
            prop_assert_eq!(name(&labels).unwrap().to_string(), labels.clone());
            prop_assert_eq!(name(&labels.to_uppercase()).unwrap().to_string(), labels);
        }

        #[test]
        fn every_address_is_one(v4: [u8; 4], v6: [u8; 16]) {
            for address in [IpAddr::from(v4), IpAddr::from(v6)] {
                let parsed = name(&address.to_string()).unwrap();
                prop_assert_eq!(parsed.alt_name().unwrap(), SanType::IpAddress(address));
            }
        }

        #[test]
        fn two_names_never_share_a_file(one in "(\\*\\.)?[a-z0-9.:-]{1,12}", other in "(\\*\\.)?[a-z0-9.:-]{1,12}") {
            if let (Ok(one), Ok(other)) = (name(&one), name(&other)) {
                prop_assert_eq!(one == other, one.file_stem() == other.file_stem());
            }
        }
    }
}
