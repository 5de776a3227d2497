//! What is told of a file, for people and as JSON.

use std::io::{self, Write};

use serde::Serialize;

use super::judgement::{Judgement, names};
use crate::generation::Facts;
use crate::opens::Place;
use crate::resolver::People;

/// A unit that the policy names.
#[derive(Debug)]
pub(super) struct Service {
    pub name: String,
    pub place: Place,
}

impl Service {
    fn state(&self) -> &str {
        match &self.place {
            Place::At(place) => place.path(),
            Place::Nowhere => "not running",
            Place::Untold => "unknown: the system manager does not tell",
        }
    }
}

/// All there is to tell.
#[derive(Debug)]
pub(super) struct Report<'a> {
    name: &'a str,
    facts: Facts,
    people: &'a People,
    services: Vec<Service>,
    judgement: Option<Judgement>,
}

#[derive(Serialize)]
struct Json<'a> {
    version: u32,
    name: &'a str,
    owner: Named<'a>,
    group: Named<'a>,
    mode: String,
    services: Vec<JsonService<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    allowed: Option<bool>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    why: &'a [String],
}

#[derive(Serialize)]
struct Named<'a> {
    id: u32,
    name: Option<&'a str>,
}

#[derive(Serialize)]
struct JsonService<'a> {
    unit: &'a str,
    running: Option<bool>,
    control_group: Option<&'a str>,
}

impl<'a> JsonService<'a> {
    fn of(service: &'a Service) -> Self {
        let (running, control_group) = match &service.place {
            Place::At(place) => (Some(true), Some(place.path())),
            Place::Nowhere => (Some(false), None),
            Place::Untold => (None, None),
        };
        Self { unit: &service.name, running, control_group }
    }
}

impl<'a> Report<'a> {
    pub(super) fn new(
        name: &'a str,
        facts: Facts,
        people: &'a People,
        services: Vec<Service>,
        judgement: Option<Judgement>,
    ) -> Self {
        Self { name, facts, people, services, judgement }
    }

    pub(super) fn print(&self, json: bool) -> io::Result<()> {
        let mut output = io::stdout().lock();
        match json {
            true => writeln!(output, "{}", serde_json::to_string_pretty(&self.json())?),
            false => self.show(&mut output),
        }
    }

    fn show(&self, output: &mut impl Write) -> io::Result<()> {
        let Self { facts, people, services, .. } = self;
        let named = |name: &Option<String>, id: u32| match name {
            Some(name) => format!("{name} ({id})"),
            None => format!("{id}, which has no name"),
        };
        writeln!(output, "file      {}", self.name)?;
        writeln!(output, "owner     {}", named(&people.owner, facts.owner))?;
        writeln!(output, "group     {}", named(&people.group, facts.group))?;
        writeln!(output, "mode      {:04o}", facts.mode)?;
        let width = services.iter().map(|service| service.name.len()).max().unwrap_or(0);
        let titles = std::iter::once("services").chain(std::iter::repeat(""));
        for (title, service) in titles.zip(services) {
            writeln!(output, "{title:8}  {:width$}  {}", service.name, service.state())?;
        }
        match &self.judgement {
            Some(Judgement { who, allowed, why }) => {
                let may = if *allowed { "may" } else { "may not" };
                writeln!(output, "{who} {may} open it:")?;
                why.iter().try_for_each(|why| writeln!(output, "- {why}"))
            }
            None => writeln!(output, "{}", self.everybody()),
        }
    }

    /// Who may, in a sentence.
    fn everybody(&self) -> String {
        let classes = [(0o400, "its owner"), (0o040, "its group"), (0o004, "all others")];
        let allowed = classes.iter().filter(|(bit, _)| self.facts.mode & bit != 0).map(|(_, class)| *class);
        let who = std::iter::once("root").chain(allowed).collect::<Vec<_>>().join(", ");
        match self.services.is_empty() {
            true => format!("it may be opened by {who}"),
            false => format!("it may be opened by {who}, and only by a process of {}", names(&self.services)),
        }
    }

    fn json(&self) -> Json<'_> {
        Json {
            version: 1,
            name: self.name,
            owner: Named { id: self.facts.owner, name: self.people.owner.as_deref() },
            group: Named { id: self.facts.group, name: self.people.group.as_deref() },
            mode: format!("{:04o}", self.facts.mode),
            services: self.services.iter().map(JsonService::of).collect(),
            allowed: self.judgement.as_ref().map(|judgement| judgement.allowed),
            why: self.judgement.as_ref().map(|judgement| judgement.why.as_slice()).unwrap_or_default(),
        }
    }
}
