//! vaultd as a service of a real systemd: booted, reloaded, refused, killed, shut down. `scripts/test --boot` runs it.

mod examples;
mod machine;
mod operator;

mod consumers;
mod fallback;
mod hardening;
mod identities;
mod monitoring;
mod new_vault;
mod on_change;
mod owners;
mod services;
mod slow;
mod succession;
mod trouble;
