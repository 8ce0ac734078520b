//! Units as people name them on the command line: `web` is `web.service`, as in systemctl.

use crate::error::{CommandError, CommandResult};
use fleet_units::ids::UnitName;

/// The unit `text` names.
pub(crate) fn parse(text: &str) -> CommandResult<UnitName> {
    text.parse().or_else(|error| {
        format!("{text}.service")
            .parse()
            .map_err(|_| CommandError::usage(error).hint("a unit is named like web.service"))
    })
}

/// Whether `unit` is what `wanted` names: itself, or an instance of the template.
pub(crate) fn matches(wanted: &UnitName, unit: &str) -> bool {
    wanted.as_str() == unit
        || (wanted.is_template() && unit.parse::<UnitName>().is_ok_and(|unit| unit.template().as_ref() == Some(wanted)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bare_name_is_a_service_and_a_template_means_its_instances() {
        assert_eq!(parse("web").unwrap().as_str(), "web.service");
        assert_eq!(parse("all.target").unwrap().as_str(), "all.target");
        assert!(parse("a b").is_err());
        let template = parse("worker@").unwrap();
        assert!(matches(&template, "worker@1.service") && !matches(&template, "web.service"));
    }
}
