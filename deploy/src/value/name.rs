//! Names that a system gives a meaning: each has the characters that its owner allows, so no file needs quotes for it.

use std::{borrow::Cow, fmt};

use toml::{Spanned, de::DeValue};

use super::{OptionValue, Wrong, quoted, text};

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $expected:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub struct $name(String);

        impl $name {
            /// Checks a name.
            ///
            /// # Errors
            ///
            /// Why it is none.
            pub fn new(name: &str) -> Result<Self, &'static str> {
                let check: fn(&str) -> Result<(), &'static str> = $check;
                check(name).map(|()| Self(name.to_owned()))
            }

            /// A name of our own, which is known to be one.
            ///
            /// # Panics
            ///
            /// If it is none.
            #[must_use]
            pub fn known(name: &str) -> Self {
                Self::new(name).expect("a name that we wrote is sound")
            }

            /// The name.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }

        impl OptionValue for $name {
            fn expected() -> Cow<'static, str> {
                $expected.into()
            }

            fn read(value: &Spanned<DeValue<'_>>) -> Result<Self, Wrong> {
                let written = text::<Self>(value)?;
                let wrong = |why| Wrong::value::<Self>(format!("`{}` {why}", written.escape_debug()));
                Self::new(written).map_err(wrong)
            }

            fn show(&self) -> String {
                quoted(&self.0)
            }
        }
    };
}

name! {
    /// A host name of one label (RFC 1123).
    HostName, "a host name: 1 to 63 letters, digits and hyphens", label
}
name! {
    /// A domain name (RFC 1123), as in a certificate and a URL; no IP address.
    Domain, "a domain name, such as odoo.example.org", domain
}
name! {
    /// The name of a machine in a vault's policy.
    MachineName, "the name of a machine in the vault, such as web-1", |name| {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        only(name, 64, is_plain, "has characters other than letters, digits and . _ -")
    }
}
name! {
    /// A user or a group of the machine: what useradd(8) of Debian takes everywhere.
    UserName, "a user's name: 1 to 31 of a-z, 0-9, _ and -, the first a letter", user
}
name! {
    /// A role or database of PostgreSQL that needs no quotes to be told from others.
    PostgresName, "a name for PostgreSQL: 1 to 63 of a-z, 0-9 and _, the first a letter", postgres
}
name! {
    /// A package of Debian (Debian Policy 5.6.1).
    PackageName, "a package of Debian, such as htop", |name| {
        let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "+-.".contains(c);
        only(name, 100, is_plain, "has characters other than a-z, 0-9 and + - .")?;
        let starts_well = name.len() > 1 && name.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit());
        if starts_well { Ok(()) } else { Err("is too short, or does not begin with a letter or digit") }
    }
}

fn only(
    name: &str,
    most: usize,
    is_plain: fn(char) -> bool,
    else_why: &'static str,
) -> Result<(), &'static str> {
    match name {
        "" => Err("is empty"),
        _ if name.len() > most => Err("is too long"),
        _ if !name.chars().all(is_plain) => Err(else_why),
        _ => Ok(()),
    }
}

fn label(name: &str) -> Result<(), &'static str> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '-';
    only(name, 63, is_plain, "has characters other than letters, digits and hyphens")?;
    if name.starts_with('-') || name.ends_with('-') { Err("begins or ends with a hyphen") } else { Ok(()) }
}

fn domain(name: &str) -> Result<(), &'static str> {
    if name.len() > 253 {
        return Err("is too long");
    }
    name.split('.').try_for_each(label)?;
    let last = name.rsplit('.').next().unwrap_or_default();
    if last.chars().all(|c| c.is_ascii_digit()) {
        Err("is an IP address or ends with a number")
    } else {
        Ok(())
    }
}

fn user(name: &str) -> Result<(), &'static str> {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-".contains(c);
    only(name, 31, is_plain, "has characters other than a-z, 0-9, _ and -")?;
    if name.starts_with(|c: char| c.is_ascii_lowercase()) {
        Ok(())
    } else {
        Err("does not begin with a letter")
    }
}

fn postgres(name: &str) -> Result<(), &'static str> {
    let is_plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    only(name, 63, is_plain, "has characters other than a-z, 0-9 and _")?;
    match name {
        _ if !name.starts_with(|c: char| c.is_ascii_lowercase()) => Err("does not begin with a letter"),
        "postgres" | "template0" | "template1" => Err("is PostgreSQL's own"),
        _ if name.starts_with("pg_") => Err("begins with pg_, which is PostgreSQL's own"),
        _ if name.starts_with("odbox_") => {
            Err("begins with odbox_, as databases do that backups make and drop")
        }
        _ => Ok(()),
    }
}
