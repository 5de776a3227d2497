//! `vaultd explain`.

mod judgement;
mod report;
mod unit;

use std::io;
use std::path::PathBuf;
use std::process::ExitCode;

use miette::IntoDiagnostic;

use self::judgement::Judgement;
use self::report::{Report, Service};
use self::unit::Unit;
use super::mounted;
use crate::monitor::control::{Question, Rule, ask};
use crate::monitor::settings::SERVER_USER;
use crate::monitor::workers::Workers;
use crate::monitor::{mount, units};
use crate::opens::Place;
use crate::process::{Role, Station, blob};
use crate::resolver::{self, Asked, People};
use crate::sys::memory::Locking;

/// Tell who may open a file, and which rule decides
///
/// With --unit or --user, the exit status is 1 if that unit or user may not.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Path of the file below the mount point
    name: String,

    /// Whether the processes of this unit may open it
    #[arg(long, value_name = "UNIT", conflicts_with = "user")]
    unit: Option<String>,

    /// Whether this user may open it, a name or a number
    #[arg(long, value_name = "USER")]
    user: Option<String>,

    /// Print it as JSON
    #[arg(long)]
    json: bool,

    /// Where the vault is mounted; may be left out if there is only one
    #[arg(value_name = "MOUNTPOINT")]
    mount_point: Option<PathBuf>,
}

/// Why nothing can be told.
#[derive(Debug, thiserror::Error, miette::Diagnostic)]
enum ExplainError {
    #[error("{0} is not served")]
    #[diagnostic(help(
        "see what is: find {} -type f; a secret that this machine's identity cannot decrypt is not", .1.display()
    ))]
    NotServed(String, PathBuf),
    #[error("there is no user {0}")]
    #[diagnostic(help("see who there is: getent passwd"))]
    NoUser(String),
    #[error("there is no unit {0}")]
    #[diagnostic(help(
        "give its whole name, such as nginx.service; see which there are: systemctl list-units"
    ))]
    NoUnit(String),
    #[error("the system manager does not tell what {0} is")]
    #[diagnostic(help("a unit is explained where systemd runs"))]
    NoSystemManager(String, #[source] io::Error),
}

pub(super) fn run(args: &Args) -> miette::Result<ExitCode> {
    mount::require_root()?;
    let mount = mounted::vault(args.mount_point.as_deref())?;
    let rule: Option<Rule> = ask(&mount, &Question::Rule(args.name.clone()))?;
    let not_served = || ExplainError::NotServed(args.name.clone(), mount.path.clone());
    let Rule { facts, services } = rule.ok_or_else(not_served)?;
    let services: Vec<Service> = services.iter().map(service).collect();
    let unit = args.unit.as_deref().map(Unit::find).transpose()?;
    let asked = Asked {
        owner: facts.owner,
        group: facts.group,
        user: args.user.clone().or_else(|| unit.as_ref().and_then(Unit::user)),
        instead: unit.as_ref().and_then(|unit| unit.group.clone()),
        more: unit.as_ref().map(|unit| unit.groups.clone()).unwrap_or_default(),
    };
    let people = people(asked)?;
    let judgement = match (unit, &args.user) {
        (Some(unit), _) => Some(Judgement::of_unit(&unit, people.user.as_ref(), facts, &services)),
        (None, Some(name)) => {
            let person = people.user.as_ref().ok_or_else(|| ExplainError::NoUser(name.clone()))?;
            Some(Judgement::of_user(name, person, facts, &services))
        }
        (None, None) => None,
    };
    let denied = judgement.as_ref().is_some_and(|judgement| !judgement.allowed);
    Report::new(&args.name, facts, &people, services, judgement).print(args.json).into_diagnostic()?;
    Ok(if denied { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn service(name: &String) -> Service {
    Service { name: name.clone(), place: Place::parse(&units::control_group(name.as_bytes())) }
}

/// The name service may run foreign code, so it is asked by a process that has nothing.
fn people(asked: Asked) -> miette::Result<People> {
    let station = Station::of_user(SERVER_USER, Locking::AllowSwappable).into_diagnostic()?;
    let order = resolver::Order { station, task: resolver::Task::People(asked) };
    let read = |(), received: Vec<_>| blob::read(received.first().ok_or(io::ErrorKind::InvalidData)?);
    Ok(Workers::default().ask(Role::Resolver, &order, &[], read)?)
}
