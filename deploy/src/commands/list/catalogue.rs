//! What can be had: nodes, variants, and modules with their options.

use std::io::{self, Write};

use serde::Serialize;

use super::json;
use crate::{
    modules::MODULES,
    node::{Variant, shipped},
};

#[derive(Serialize)]
pub(super) struct Catalogue {
    nodes: Vec<&'static str>,
    variants: [&'static str; 2],
    modules: Vec<Module>,
}

#[derive(Serialize)]
struct Module {
    name: &'static str,
    summary: &'static str,
    options: Vec<ModuleOption>,
}

#[derive(Serialize)]
struct ModuleOption {
    key: &'static str,
    #[serde(serialize_with = "json::value")]
    default: Option<String>,
    expected: String,
}

impl Catalogue {
    pub fn new() -> Self {
        let modules = MODULES.iter().map(|module| {
            let options = module.options().into_iter();
            let options = options.map(|option| ModuleOption {
                key: option.key,
                default: option.default,
                expected: option.expected,
            });
            Module { name: module.name, summary: module.summary, options: options.collect() }
        });
        Self {
            nodes: shipped().into_iter().map(|(name, _)| name).collect(),
            variants: [Variant::Run, Variant::Bootstrap].map(Variant::as_str),
            modules: modules.collect(),
        }
    }

    pub fn write(&self, out: &mut impl Write) -> io::Result<()> {
        writeln!(out, "nodes, each with the variants {}:", self.variants.join(", "))?;
        for name in &self.nodes {
            writeln!(out, "  {name}")?;
        }
        writeln!(out, "\nmodules, with their options and defaults:")?;
        for module in &self.modules {
            writeln!(out, "  {}: {}", module.name, module.summary)?;
            for ModuleOption { key, default, expected } in &module.options {
                let default = default.as_ref().map(|default| format!(" = {default}")).unwrap_or_default();
                writeln!(out, "    {key}{default}  # {expected}")?;
            }
        }
        Ok(())
    }
}
