//! vaultd as a service of a real systemd: booted, reloaded, refused, killed, shut down. `scripts/test --boot` runs it.

mod examples;
mod machine;
mod operator;

mod consumers;
mod fallback;
mod hardening;
mod identities;
mod new_vault;
mod owners;
mod services;
mod succession;
mod trouble;
