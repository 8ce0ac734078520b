//! node.proto: manifests and bundles, which are also what a node stores.

use super::{InField, WireError};
use crate::v1;
use fleet_units::assignment::{AssignedUnit, NodeAssignment};
use fleet_units::bundle::{Bundle, SourceFile};
use fleet_units::ids::{Epoch, Generation, UnitDigest, UnitName};

/// Newest format of manifests and bundles this version writes and reads.
const FORMAT: u32 = 1;

fn known_format(what: &'static str, found: u32) -> Result<(), WireError> {
    if found == FORMAT { Ok(()) } else { Err(WireError::Format { what, found, known: FORMAT }) }
}

impl From<(&UnitName, &AssignedUnit)> for v1::ManifestEntry {
    fn from((unit, entry): (&UnitName, &AssignedUnit)) -> Self {
        v1::ManifestEntry {
            unit: unit.to_string(),
            digest: entry.digest.as_bytes().to_vec().into(),
            revision: entry.revision.to_string(),
            source_path: String::new(),
            signature: Default::default(),
        }
    }
}

impl TryFrom<v1::ManifestEntry> for (UnitName, AssignedUnit) {
    type Error = WireError;
    fn try_from(entry: v1::ManifestEntry) -> Result<Self, WireError> {
        let unit = entry.unit.parse().in_field("ManifestEntry.unit")?;
        let digest = UnitDigest::from_bytes(&entry.digest).in_field("ManifestEntry.digest")?;
        let revision = entry.revision.parse().in_field("ManifestEntry.revision")?;
        Ok((unit, AssignedUnit { digest, revision }))
    }
}

impl From<&NodeAssignment> for v1::Manifest {
    fn from(assignment: &NodeAssignment) -> Self {
        v1::Manifest {
            format: FORMAT,
            environment: assignment.environment.to_string(),
            node: assignment.node.to_string(),
            epoch: assignment.epoch.0,
            generation: assignment.generation.0,
            revision: assignment.revision.to_string(),
            units: assignment.units.iter().map(Into::into).collect(),
        }
    }
}

impl TryFrom<v1::Manifest> for NodeAssignment {
    type Error = WireError;
    fn try_from(manifest: v1::Manifest) -> Result<Self, WireError> {
        known_format("the manifest", manifest.format)?;
        Ok(NodeAssignment {
            environment: manifest.environment.parse().in_field("Manifest.environment")?,
            node: manifest.node.parse().in_field("Manifest.node")?,
            epoch: Epoch(manifest.epoch),
            generation: Generation(manifest.generation),
            revision: manifest.revision.parse().in_field("Manifest.revision")?,
            units: manifest.units.into_iter().map(TryInto::try_into).collect::<Result<_, _>>()?,
        })
    }
}

impl From<&Bundle> for v1::Bundle {
    fn from(bundle: &Bundle) -> Self {
        let files = bundle.files.iter().map(|(path, file)| v1::BundleFile {
            path: path.clone(),
            executable: file.executable,
            content: file.content.to_vec().into(),
        });
        v1::Bundle { format: FORMAT, digest: bundle.digest().as_bytes().to_vec().into(), files: files.collect() }
    }
}

impl TryFrom<v1::Bundle> for Bundle {
    type Error = WireError;
    /// The content is checked against the digest it came under.
    fn try_from(wire: v1::Bundle) -> Result<Self, WireError> {
        known_format("the bundle", wire.format)?;
        let named = UnitDigest::from_bytes(&wire.digest).in_field("Bundle.digest")?;
        let files = wire.files.into_iter().map(|file| (file.path, SourceFile::new(file.executable, &file.content[..])));
        let bundle = Bundle { files: files.collect() };
        let actual = bundle.digest();
        if actual == named {
            Ok(bundle)
        } else {
            Err(WireError::Digest { named: named.to_string(), actual: actual.to_string() })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bundle() -> Bundle {
        let file = SourceFile::new(false, &b"[Service]\nExecStart=/bin/true\n"[..]);
        Bundle { files: [("units/web.service".to_owned(), file)].into() }
    }

    #[test]
    fn bundles_round_trip() {
        assert_eq!(Bundle::try_from(v1::Bundle::from(&bundle())).unwrap(), bundle());
    }

    #[test]
    fn a_bundle_with_other_content_than_its_digest_is_refused() {
        let mut wire = v1::Bundle::from(&bundle());
        wire.files[0].executable = true;
        assert!(matches!(Bundle::try_from(wire), Err(WireError::Digest { .. })));
    }

    #[test]
    fn manifests_round_trip_and_newer_formats_are_refused() {
        let assignment = NodeAssignment {
            environment: "test".parse().unwrap(),
            node: "test-1".parse().unwrap(),
            epoch: Epoch(3),
            generation: Generation(9),
            revision: "a".repeat(40).parse().unwrap(),
            units: [(
                "web.service".parse().unwrap(),
                AssignedUnit { digest: bundle().digest(), revision: "b".repeat(40).parse().unwrap() },
            )]
            .into(),
        };
        let mut wire = v1::Manifest::from(&assignment);
        assert_eq!(NodeAssignment::try_from(wire.clone()).unwrap(), assignment);
        wire.format = 2;
        assert!(matches!(NodeAssignment::try_from(wire), Err(WireError::Format { found: 2, .. })));
    }
}
