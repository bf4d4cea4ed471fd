//! `template.yaml`, deployed in the simulated account.

use std::path::Path;
use std::sync::LazyLock;

use simulator::cloudformation::{Place, Stack, Template};
use simulator::iam::Permissions;
use simulator::world::Settings;

/// The functions, and their resources' names in the template.
pub(crate) const FUNCTIONS: [(&str, &str); 3] = [
    ("instance-terminating", "InstanceTerminating"),
    ("spot-interruption", "SpotInterruption"),
    ("reconcile", "Reconcile"),
];

static TEMPLATE: LazyLock<Template> = LazyLock::new(|| Template::parse(&text("template.yaml")).unwrap());

/// A file of the repository.
pub(crate) fn text(path: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

pub(crate) fn template() -> &'static Template {
    &TEMPLATE
}

/// The template with these parameters, where a world with `settings` is.
pub(crate) fn deployed(settings: &Settings, parameters: &[(&str, &str)]) -> Stack<'static> {
    let place = Place {
        partition: settings.partition.clone(),
        region: settings.region.clone(),
        account: settings.account.clone(),
        stack: "ecs-drainer".into(),
    };
    TEMPLATE.deployed(place, parameters).unwrap()
}

/// The actions that the role of a function allows.
pub(crate) fn permissions(stack: &Stack, function: &str) -> Permissions {
    let (_, name) = FUNCTIONS.into_iter().find(|(binary, _)| *binary == function).expect("a function of the template");
    Permissions::of_role(stack, &format!("{name}Role")).unwrap()
}
