//! May this host run this unit? The node's policy says what units may ask for, other daemons of the host may hold what
//! only one can have.

use crate::claims::Claims;
use crate::policy::Policy;
use crate::supervise::Admission;
use fleet_units::diagnostic::Reason;
use fleet_units::ids::UnitName;
use fleet_units::spec::UnitSpec;

/// Policy first, then claims.
#[derive(Debug)]
pub struct HostAdmission {
    /// What units may ask for.
    pub policy: Policy,
    /// What other daemons of this host hold; `None` when the folder for claims cannot be used.
    pub claims: Option<Claims>,
}

impl Admission for HostAdmission {
    fn admit(&mut self, unit: &UnitSpec) -> Result<(), Reason> {
        self.policy.judge(unit)?;
        match &mut self.claims {
            Some(claims) => claims.claim(unit),
            None => Ok(()),
        }
    }

    fn forget(&mut self, unit: &UnitName) {
        if let Some(claims) = &mut self.claims {
            claims.release(unit);
        }
    }
}
