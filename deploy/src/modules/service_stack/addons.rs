//! Addons of Odoo: folders beside the node, which travel with the system, and wheels of exactly one version.

use super::ServiceStack;
use crate::{
    modules::World,
    node::Options,
    problem::Problem,
    system::{Artifact, Contributor, File},
    value::{AbsolutePath, Addon, Located},
};

/// Where they are, in Odoo's root as on the machine.
pub(super) const FOLDER: &str = "/opt/odoo-addons";
/// Those of the node.
const OWN: &str = "/opt/odoo-addons/node";
/// Those of wheels, which are modules of the Python package `odoo.addons`.
const WHEELS: &str = "/opt/odoo-addons/wheels";

/// The addons of a node.
pub(super) struct OdooAddons {
    pub(super) folders: Vec<Located>,
    wheels: Vec<String>,
}

impl OdooAddons {
    pub(super) fn read(options: &mut Options<'_>) -> Self {
        const KEY: &str = "odoo-addons";
        let mut addons = Self { folders: Vec::new(), wheels: Vec::new() };
        for addon in options.get::<Vec<Addon>>(KEY, Vec::new()) {
            match addon {
                Addon::Folder(path) => addons.folders.push(options.located_in(KEY, path)),
                Addon::Wheel(wheel) => addons.wheels.push(wheel),
            }
        }
        addons
    }

    /// Where Odoo finds them, as it takes them; nothing if there are none.
    pub(super) fn path(&self) -> Option<String> {
        let own = (!self.folders.is_empty()).then(|| OWN.to_owned());
        let wheels = (!self.wheels.is_empty()).then(|| format!("{WHEELS}/odoo/addons"));
        let found: Vec<String> = own.into_iter().chain(wheels).collect();
        (!found.is_empty()).then(|| found.join(","))
    }
}

impl ServiceStack {
    pub(super) fn contribute_addons(&self, world: &World<'_>, system: &mut Contributor<'_>) {
        for (addon, files) in &world.addons.0 {
            for (below, bytes) in files {
                match AbsolutePath::new(&format!("{OWN}/{addon}/{below}")) {
                    Ok(path) => system.file(path, File::bytes(bytes.clone())),
                    Err(why) => {
                        let problem =
                            Problem::new(format!("the path of the addon's file `{addon}/{below}` {why}"));
                        system.problem(problem.about("service-stack", "odoo-addons").help("rename it"));
                    }
                }
            }
        }
        if !self.odoo_addons.wheels.is_empty() {
            let requirements = self.odoo_addons.wheels.clone();
            let wheels = Artifact::Wheels { python: "3.9", requirements };
            system.artifact(AbsolutePath::known(WHEELS), wheels);
        }
    }
}

#[cfg(test)]
mod tests;
