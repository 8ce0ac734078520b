//! What the kind of a unit adds, while it is being read.

use super::{checks, exec, isolation, resources, service, socket, socket_checks, timer, within};
use crate::ids::UnitKind;
use crate::spec::directives::Family;
use crate::spec::merge::{Merged, Row};
use crate::spec::reader::Reader;
use crate::spec::resources::ResourceSpec;
use crate::spec::{ExecSpec, KindSpec};

/// One for each kind of unit.
pub(crate) enum Draft {
    Service(Box<service::Draft>),
    Timer(Box<timer::Draft>),
    Socket(Box<socket::Draft>),
    /// Targets have no section of their own.
    Target,
}

impl Draft {
    pub(crate) fn new(kind: UnitKind) -> Self {
        match kind {
            UnitKind::Service => Draft::Service(Box::default()),
            UnitKind::Timer => Draft::Timer(Box::default()),
            UnitKind::Socket => Draft::Socket(Box::default()),
            UnitKind::Target => Draft::Target,
        }
    }

    /// Reads one directive of the kind's own section; `false` when it has no typed field.
    pub(crate) fn row(&mut self, reader: &mut Reader<'_>, row: &Row<'_>) -> bool {
        match (self, row.directive.family) {
            (Draft::Service(draft), Family::Service | Family::Kill) => service::row(reader, row, draft),
            (Draft::Service(draft), _) => shared(reader, row, &mut draft.spec.exec, &mut draft.spec.resources),
            (Draft::Timer(draft), _) => timer::row(reader, row, draft),
            (Draft::Socket(draft), Family::Socket | Family::Kill) => socket::row(reader, row, draft),
            (Draft::Socket(draft), _) => shared(reader, row, &mut draft.spec.exec, &mut draft.spec.resources),
            (Draft::Target, _) => false,
        }
    }

    /// Completes it and checks it as a whole; `merged` is `None` when part of the text could not be read: then what it
    /// lacks says nothing.
    pub(crate) fn finish(self, reader: &mut Reader<'_>, merged: Option<&Merged<'_>>, file: &str) -> KindSpec {
        match (self, merged) {
            (Draft::Service(draft), Some(merged)) => {
                KindSpec::Service(Box::new(checks::finish(reader, *draft, merged, file)))
            }
            (Draft::Service(draft), None) => KindSpec::Service(Box::new(draft.spec)),
            (Draft::Timer(draft), merged) => KindSpec::Timer(Box::new(timer::finish(reader, *draft, merged, file))),
            (Draft::Socket(draft), merged) => {
                KindSpec::Socket(Box::new(socket_checks::finish(reader, *draft, merged, file)))
            }
            (Draft::Target, _) => KindSpec::Target,
        }
    }
}

/// What every kind with processes has.
fn shared(
    reader: &mut Reader<'_>,
    row: &Row<'_>,
    exec: &mut ExecSpec,
    resources: &mut Option<Box<ResourceSpec>>,
) -> bool {
    match row.directive.family {
        Family::Exec => exec::row(reader, row, exec),
        Family::Isolation => within(&mut exec.isolation, |part| isolation::row(reader, row, part)),
        Family::Resources => within(resources, |part| resources::row(reader, row, part)),
        _ => false,
    }
}
