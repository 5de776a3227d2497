//! Numbers, each with its unit and range.

use std::{borrow::Cow, fmt};

use toml::{Spanned, de::DeValue};

use super::{OptionValue, Wrong};

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($type:ty), $what:literal, $least:literal, $most:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
        pub struct $name($type);

        impl $name {
            /// The number, which is known to be in range where it is written.
            #[must_use]
            pub const fn new(number: $type) -> Self {
                assert!($least <= number && (number as u64) <= $most as u64);
                Self(number)
            }

            /// The number.
            #[must_use]
            pub const fn get(self) -> $type {
                self.0
            }
        }

        impl OptionValue for $name {
            fn expected() -> Cow<'static, str> {
                concat!($what, ", ", stringify!($least), " to ", stringify!($most)).into()
            }

            fn read(value: &Spanned<DeValue<'_>>) -> Result<Self, Wrong> {
                let written = value.get_ref().as_integer().ok_or_else(|| Wrong::kind::<Self>(value.get_ref()))?;
                let number = <$type>::from_str_radix(written.as_str(), written.radix()).ok();
                match number.filter(|number| ($least..=$most).contains(number)) {
                    Some(number) => Ok(Self(number)),
                    None => Err(Wrong::value::<Self>(format!("{} is out of range", written.as_str()))),
                }
            }

            fn show(&self) -> String {
                self.0.to_string()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number! {
    /// A TCP port.
    Port(u16), "a port", 1, 65535
}
number! {
    /// How many of something there are.
    Count(u32), "a number", 1, 1024
}
number! {
    /// A size in MiB.
    Mebibytes(u32), "a size in MiB", 1, 1048576
}
number! {
    /// A span of time in minutes; at most a year.
    Minutes(u32), "minutes", 1, 525600
}
