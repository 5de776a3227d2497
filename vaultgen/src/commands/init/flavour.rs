//! The kinds of vault that `init` makes, and how they differ.

use std::env;

use vault_format::certificate::{CA_DAYS, LEAF_DAYS, Scope};

use crate::authority;

const SNAKE_OIL: &str = "snakeoil";
/// 100 years.
const SNAKE_OIL_DAYS: u32 = 36525;

/// What kind of vault to make.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flavour {
    Standard,
    Bare,
    SnakeOil,
}

impl Flavour {
    /// The CA's common name.
    pub fn ca_subject(self) -> &'static str {
        match self {
            Self::SnakeOil => "odbox SNAKE OIL CA - its key is public, do not trust",
            _ => authority::SUBJECT,
        }
    }

    /// The common name of the local CA, which is for all of [`Self::machines`]; none where a machine gets
    /// one only when it is asked for.
    pub fn local_ca_subject(self) -> Option<&'static str> {
        (self == Self::SnakeOil).then_some("odbox SNAKE OIL local CA - its key is public, do not trust")
    }

    /// The machines that are there from the beginning.
    pub fn machines(self) -> &'static [&'static str] {
        if self == Self::SnakeOil { &["devm-aarch64", "devm-x86_64"] } else { &[] }
    }

    /// The comment of the SSH identity.
    pub fn ssh_comment(self) -> &'static str {
        match self {
            Self::SnakeOil => "odbox-SNAKE-OIL-its-private-key-is-public",
            _ => "odbox",
        }
    }

    /// Validity of the CA in days.
    pub fn ca_days(self) -> u32 {
        if self == Self::SnakeOil { SNAKE_OIL_DAYS } else { CA_DAYS }
    }

    /// Validity of a leaf in days.
    pub fn leaf_days(self) -> u32 {
        if self == Self::SnakeOil { SNAKE_OIL_DAYS } else { LEAF_DAYS }
    }

    /// What names the CA may sign for.
    pub fn scope(self) -> Scope {
        if self == Self::SnakeOil { Scope::Loopback } else { Scope::Any }
    }

    /// The name that signatures of this operator go by.
    pub fn principal(self) -> String {
        if self == Self::SnakeOil {
            return SNAKE_OIL.to_owned();
        }
        let name = env::var("USER").or_else(|_| env::var("LOGNAME")).unwrap_or_default();
        let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
        if name.is_empty() || !name.chars().all(plain) { "operator".to_owned() } else { name }
    }
}
