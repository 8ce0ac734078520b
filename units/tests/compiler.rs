//! A compiler that follows commit after commit says at each what a compiler that sees only that commit says.

use fleet_units::bundle::{SourceFile, SourceTree};
use fleet_units::fleet::{Compiled, Compiler, compile};
use fleet_units::ids::EnvironmentName;
use proptest::prelude::*;
use std::sync::Arc;

/// Places where an edit matters in different ways: plain units, drop-ins of one and of all, a template, an instance
/// of it by file and by drop-in, overlays, masks, a timer, a socket, delivered files, other environments.
const PATHS: [&str; 22] = [
    "units/a.service",
    "units/b.service",
    "units/a.service.d/10.conf",
    "environments/test/a.service.d/10.conf",
    "units/service.d/50.conf",
    "units/w@.service",
    "units/w@1.service",
    "units/w@3.service.d/10.conf",
    "units/w@.service.d/20.conf",
    "environments/test/units/b.service",
    "environments/other/units/b.service",
    "units/a.timer",
    "units/b.socket",
    "units/grp.target",
    "files/web/conf",
    "environments/test/files/web/conf",
    "units/a.mount",
    "units/stray",
    "units/d.service",
    "units/e.service",
    "units/lone.timer",
    "units/a-x.service",
];

/// Lines of which each is looked at by another part: one unit, the search for instances, checks across units, comments.
const LINES: [&str; 32] = [
    "[Unit]",
    "[Service]",
    "[Install]",
    "[X-Fleet]",
    "[Timer]",
    "[Socket]",
    "Description=one",
    "Description=two",
    "ExecStart=/bin/a",
    "ExecStart=/bin/b --flag",
    "Environment=A=1",
    "MemoryMax=1G",
    "Wants=w@2.service",
    "Requires=b.service nothing.service",
    "After=a.service",
    "After=b.service",
    "After=%p-x.service",
    "Before=a.service",
    "Alias=c.service",
    "PIDFile=/run/same.pid",
    "StateDirectory=same",
    "BusName=org.same",
    "Instances=2",
    "Instances=0",
    "Nodes=role=web",
    "Files=web",
    "# fleet-allow: no-effect, dependency-not-in-set, missing-file: a reason",
    "OnBootSec=5",
    "ListenStream=80",
    "not a line of a unit file",
    "Environment=API_TOKEN=8dK2mQz7LpX4vB9nR1tY",
    "password = 'hX7-kQ2m-Zp9w-vT4r'",
];

#[derive(Clone, Debug)]
enum Edit {
    Write(usize, Vec<usize>),
    Prepend(usize, usize),
    Append(usize, usize),
    Empty(usize),
    Remove(usize),
}

fn edit() -> impl Strategy<Value = Edit> {
    let path = 0..PATHS.len();
    prop_oneof![
        10 => (path.clone(), 0..LINES.len()).prop_map(|(path, line)| Edit::Prepend(path, line)),
        20 => (path.clone(), 0..LINES.len()).prop_map(|(path, line)| Edit::Append(path, line)),
        8 => (path.clone(), proptest::collection::vec(0..LINES.len(), 1..10)).prop_map(|(path, lines)| Edit::Write(path, lines)),
        1 => path.clone().prop_map(Edit::Empty),
        1 => path.prop_map(Edit::Remove),
    ]
}

fn apply(tree: &mut SourceTree, edit: &Edit) {
    let before = |path| tree.get(path).map_or("".into(), |file| String::from_utf8_lossy(&file.content));
    let (path, text) = match edit {
        Edit::Write(path, lines) => {
            let section = if *path < 10 { "[Service]\n" } else { "" };
            let lines: Vec<&str> = lines.iter().map(|line| LINES[*line]).collect();
            (PATHS[*path], format!("{section}{}\n", lines.join("\n")))
        }
        Edit::Prepend(path, line) => (PATHS[*path], format!("{}\n{}", LINES[*line], before(PATHS[*path]))),
        Edit::Append(path, line) => (PATHS[*path], format!("{}{}\n", before(PATHS[*path]), LINES[*line])),
        Edit::Empty(path) => (PATHS[*path], String::new()),
        Edit::Remove(path) => return drop(tree.remove(PATHS[*path])),
    };
    tree.insert(path.to_owned(), SourceFile::new(false, text.into_bytes()));
}

/// Every path of [`PATHS`] with something sensible in it.
fn start() -> SourceTree {
    let text = |path: &str| match path.rsplit_once('.').map_or("", |(_, suffix)| suffix) {
        "service" if path == "units/d.service" || path == "units/e.service" => {
            "[X-Fleet]\nFiles=web\n[Service]\nExecStart=/bin/a\nStateDirectory=same\n"
        }
        "service" => "[Service]\nExecStart=/bin/a\n",
        "timer" => "[Timer]\nOnBootSec=5\n",
        "socket" => "[Socket]\nListenStream=80\n",
        "target" => "[Unit]\nDescription=a group\n",
        _ => "[Service]\nNice=1\n",
    };
    PATHS.iter().map(|path| ((*path).to_owned(), SourceFile::new(false, text(path).as_bytes()))).collect()
}

fn same(one: &Compiled, other: &Compiled) {
    assert_eq!(one.diagnostics, other.diagnostics);
    assert_eq!(one.allowed, other.allowed);
    assert_eq!(one.unused_allowances, other.unused_allowances);
    assert_eq!(one.fleet, other.fleet);
}

fn environment() -> EnvironmentName {
    "test".parse().expect("it is a label")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn following_commits_gives_what_each_commit_alone_gives(
        commits in proptest::collection::vec(proptest::collection::vec(edit(), 1..3), 1..40),
    ) {
        let mut compiler = Compiler::new(environment());
        let mut tree = start();
        for commit in &commits {
            commit.iter().for_each(|edit| apply(&mut tree, edit));
            same(&compiler.compile(&Arc::new(tree.clone())), &compile(&environment(), &tree));
        }
    }
}
