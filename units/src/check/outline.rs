//! What of a unit the checks across units look at.

use crate::spec::{ExecSpec, KindSpec, ServiceSpec, UnitSpec};
use std::collections::BTreeMap;

/// The unit without what no check across units reads: while that stays equal, so does what they find, but for places in
/// files that changed.
///
/// Written as what is left out, so that a field counts until somebody says it does not. A check that begins to read one
/// of these takes it off the list.
pub(crate) fn outline(spec: &UnitSpec) -> UnitSpec {
    let mut values = spec.values.clone();
    values.retain(|directive| ["BusName", "DefaultDependencies", "SocketProtocol"].contains(&directive.key));
    let kind = match &spec.kind {
        KindSpec::Service(service) => KindSpec::Service(Box::new(service_outline(service))),
        other @ (KindSpec::Timer(_) | KindSpec::Socket(_) | KindSpec::Target) => other.clone(),
    };
    UnitSpec {
        description: String::new(),
        documentation: Vec::new(),
        conditions: Vec::new(),
        details: None,
        unenforced: Vec::new(),
        delivered: BTreeMap::new(),
        values,
        kind,
        ..spec.clone()
    }
}

fn service_outline(service: &ServiceSpec) -> ServiceSpec {
    ServiceSpec {
        exec_condition: Vec::new(),
        exec_start_pre: Vec::new(),
        exec_start: Vec::new(),
        exec_start_post: Vec::new(),
        exec_reload: Vec::new(),
        exec_stop: Vec::new(),
        exec_stop_post: Vec::new(),
        resources: None,
        exec: ExecSpec {
            environment: Vec::new(),
            environment_files: Vec::new(),
            limits: BTreeMap::new(),
            credentials: None,
            isolation: None,
            ..service.exec.clone()
        },
        ..service.clone()
    }
}
