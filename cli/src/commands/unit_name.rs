//! Units as people name them on the command line: `web` is `web.service`, as in systemctl.

use crate::error::{CommandError, CommandResult};
use fleet_units::ids::{IdError, UnitName};
use fleet_units::spec::suffix_of;
use fleet_units::syntax::mangle::mangle;

/// The unit `text` names, by the rules of `systemd-escape --mangle`.
pub(crate) fn parse(text: &str) -> CommandResult<UnitName> {
    let hint = "a unit is named like web.service";
    let name = mangle(text).map_err(|error| CommandError::usage(error).hint(hint))?;
    let kind = suffix_of(&name).filter(|suffix| !["service", "target", "timer", "socket"].contains(suffix));
    if let Some(kind) = kind {
        let message = format!("{text} means {name}, and Fleet has no .{kind} units");
        return Err(CommandError::usage(message).hint("the kinds are .service, .target, .timer and .socket"));
    }
    name.parse().map_err(|error: IdError| CommandError::usage(error).hint(hint))
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
        assert_eq!(parse("a b").unwrap().as_str(), r"a\x20b.service");
        assert_eq!(parse("nginx.conf").unwrap().as_str(), "nginx.conf.service");
        assert!(parse("").is_err());
        let error = parse("/var/lib").unwrap_err().to_string();
        assert!(error.contains("/var/lib means var-lib.mount, and Fleet has no .mount units"), "{error}");
        let template = parse("worker@").unwrap();
        assert!(matches(&template, "worker@1.service") && !matches(&template, "web.service"));
    }
}
