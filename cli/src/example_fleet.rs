//! The sample repository of `fleet up`: the files of `deploy/example-fleet`, with the ports this machine has free.

/// The environments the sample repository knows, in the order of the chain, and the port its files name for each.
pub(crate) const ENVIRONMENTS: [(&str, u16); 4] =
    [("develop", 8101), ("test", 8102), ("staging", 8103), ("production", 8104)];

macro_rules! embed {
    ($($path:literal),* $(,)?) => {
        [$(($path, include_str!(concat!("../../deploy/example-fleet/", $path)))),*]
    };
}

const FILES: [(&str, &str); 15] = embed![
    "README.md",
    "units/hello.service",
    "units/web.service",
    "units/worker.service",
    "files/web/motd.txt",
    "environments/develop/web.service.d/10-port.conf",
    "environments/develop/worker.service.d/10-port.conf",
    "environments/test/web.service.d/10-port.conf",
    "environments/test/worker.service.d/10-port.conf",
    "environments/staging/web.service.d/10-port.conf",
    "environments/staging/worker.service.d/10-port.conf",
    "environments/production/files/web/motd.txt",
    "environments/production/web.service.d/10-port.conf",
    "environments/production/web.service.d/20-production.conf",
    "environments/production/worker.service.d/10-port.conf",
];

/// Path in the repository and content of each file; no file is executable. `port` gives the port `web.service` uses in
/// an environment, one of [`ENVIRONMENTS`].
pub(crate) fn files(port: impl Fn(&str) -> u16) -> Vec<(String, String)> {
    let mut files: Vec<(String, String)> =
        FILES.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
    for (environment, written) in ENVIRONMENTS {
        let folder = format!("environments/{environment}/");
        let (written, wanted) = (written.to_string(), port(environment).to_string());
        for (_, text) in files.iter_mut().filter(|(path, _)| path.starts_with(&folder)) {
            *text = text.replace(&written, &wanted);
        }
    }
    files
}

#[cfg(test)]
mod tests {
    use super::*;
    use fleet_units::bundle::{SourceFile, SourceTree};
    use fleet_units::fleet::compile;
    use fleet_units::spec::HealthCheck;
    use std::collections::BTreeSet;
    use std::path::Path;

    fn tree(port: impl Fn(&str) -> u16) -> SourceTree {
        files(port).into_iter().map(|(path, text)| (path, SourceFile::new(false, text.into_bytes()))).collect()
    }

    fn written(environment: &str) -> u16 {
        ENVIRONMENTS.iter().find(|(name, _)| *name == environment).unwrap().1
    }

    #[test]
    fn every_file_of_the_folder_is_embedded() {
        fn walk(folder: &Path, prefix: &str, found: &mut BTreeSet<String>) {
            for entry in std::fs::read_dir(folder).unwrap().map(Result::unwrap) {
                let path = format!("{prefix}{}", entry.file_name().to_str().unwrap());
                match entry.file_type().unwrap().is_dir() {
                    true => walk(&entry.path(), &format!("{path}/"), found),
                    false => drop(found.insert(path)),
                }
            }
        }
        let mut found = BTreeSet::new();
        walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/example-fleet"), "", &mut found);
        let embedded: BTreeSet<String> = FILES.iter().map(|(path, _)| (*path).to_owned()).collect();
        assert_eq!(found, embedded);
    }

    #[test]
    fn ports_are_put_into_their_environment_only() {
        let files = files(|environment| if environment == "test" { 45_678 } else { written(environment) });
        for (path, text) in files {
            assert_eq!(text.contains("45678"), path.contains("/test/"), "{path}");
            assert!(!path.contains("/test/") || !text.contains("8102"), "{path}");
        }
    }

    #[test]
    fn it_compiles_in_every_environment_without_a_finding() {
        for (environment, port) in ENVIRONMENTS {
            let compiled = compile(&environment.parse().unwrap(), &tree(written));
            assert!(compiled.diagnostics.is_empty(), "{environment}: {:#?}", compiled.diagnostics);
            let names: Vec<&str> = compiled.fleet.units.keys().map(|name| name.as_str()).collect();
            assert_eq!(names, ["hello.service", "web.service", "worker.service"]);
            let web = &compiled.fleet.units[&"web.service".parse().unwrap()].spec;
            assert_eq!(web.health.check, Some(HealthCheck::Url(format!("http://127.0.0.1:{port}/health"))));
        }
    }
}
