use super::*;
use fleet_units::log_frame::{LineSplitter, frames};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

const SMALL: SpoolLimits = SpoolLimits { segment: 64 * 1024, unit: 256 * 1024, node: Some(64 << 20) };
const ONE: InvocationId = InvocationId(1);

fn unit(text: &str) -> UnitName {
    text.parse().unwrap()
}

fn now() -> Timestamp {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Timestamp(u64::try_from(now.as_micros()).unwrap())
}

/// All lines of all segments: number and text.
fn lines(root: &Path, unit: &UnitName) -> Vec<(u64, String)> {
    let folder = root.join(unit.as_str());
    let (mut splitter, mut lines) = (LineSplitter::default(), Vec::new());
    for index in segments::list(&folder).unwrap() {
        let bytes = fs::read(segments::path_of(&folder, index)).unwrap();
        for frame in frames(&bytes[SEGMENT_HEADER_LEN..]) {
            splitter.push(&frame.unwrap(), |line| {
                lines.push((line.sequence, String::from_utf8(line.message.to_vec()).unwrap()));
            });
        }
    }
    lines
}

#[test]
fn what_is_appended_is_read_back_over_segments_and_writers() {
    let root = tempfile::tempdir().unwrap();
    let web = unit("web.service");
    for round in 0..3 {
        let mut writer = SpoolWriter::open(root.path(), &web, SMALL).unwrap();
        for n in 0..1000 {
            writer.append(Stream::Stdout, ONE, now(), format!("line {} of {round}\n", n + 1000 * round).as_bytes());
        }
        assert_eq!(writer.next_sequence(), 1000 * (round + 1) + 1);
    }
    assert!(segments::list(&root.path().join("web.service")).unwrap().len() > 2);
    for (at, (sequence, text)) in lines(root.path(), &web).into_iter().enumerate() {
        assert_eq!(sequence, at as u64 + 1);
        assert!(text.starts_with(&format!("line {at} of")), "{text}");
    }
}

#[test]
fn a_writer_started_again_in_the_same_boot_goes_on_in_the_same_segment() {
    let root = tempfile::tempdir().unwrap();
    let web = unit("web.service");
    for _ in 0..5 {
        let mut writer = SpoolWriter::open(root.path(), &web, SMALL).unwrap();
        writer.append(Stream::Stdout, ONE, now(), b"half ");
    }
    SpoolWriter::open(root.path(), &web, SMALL).unwrap().finish(Stream::Stdout, now());
    assert_eq!(segments::list(&root.path().join("web.service")).unwrap(), [1]);
    assert_eq!(lines(root.path(), &web), [(1, "half half half half half ".to_owned())]);
}

#[test]
fn a_unit_keeps_to_its_bound_and_the_oldest_lines_go() {
    let root = tempfile::tempdir().unwrap();
    let web = unit("web.service");
    let mut writer = SpoolWriter::open(root.path(), &web, SMALL).unwrap();
    for _ in 0..100 {
        writer.append(Stream::Stdout, ONE, now(), &[&[b'x'; 9999][..], b"\n"].concat());
    }
    let kept = lines(root.path(), &web);
    assert_eq!(kept.last().unwrap().0, 100);
    assert!(kept.windows(2).all(|two| two[1].0 == two[0].0 + 1));
    let bytes: u64 =
        fs::read_dir(root.path().join("web.service")).unwrap().map(|e| e.unwrap().metadata().unwrap().len()).sum();
    assert!((128 * 1024..=256 * 1024).contains(&bytes), "{bytes}");
}

#[test]
fn all_units_together_keep_to_the_bound_of_the_node_also_those_that_are_gone() {
    let root = tempfile::tempdir().unwrap();
    let limits = SpoolLimits { segment: 64 * 1024, unit: 1 << 20, node: Some(1 << 20) };
    for round in 0..10 {
        let spool = Spool::open(root.path(), limits).unwrap();
        let mut writer = spool.writer(&unit(&format!("gone-{round}.service"))).unwrap();
        for _ in 0..60 {
            writer.append(Stream::Stdout, ONE, now(), &[b'x'; 9999]);
        }
    }
    let mut bytes = 0;
    for round in 0..10 {
        let folder = root.path().join(format!("gone-{round}.service"));
        bytes += fs::read_dir(folder).unwrap().map(|e| e.unwrap().metadata().unwrap().len()).sum::<u64>();
    }
    assert!((600 * 1024..=1100 * 1024).contains(&bytes), "{bytes}");
    assert!(!segments::list(&root.path().join("gone-9.service")).unwrap().is_empty());
    assert!(segments::list(&root.path().join("gone-0.service")).unwrap().is_empty());
}

#[test]
fn a_damaged_segment_is_left_as_it_is_and_a_new_lineage_begins() {
    let root = tempfile::tempdir().unwrap();
    let web = unit("web.service");
    SpoolWriter::open(root.path(), &web, SMALL).unwrap().append(Stream::Stdout, ONE, now(), b"one\n");
    let path = segments::path_of(&root.path().join("web.service"), 1);
    let mut bytes = fs::read(&path).unwrap();
    bytes.extend_from_slice(&[0; 4096]);
    fs::write(&path, &bytes).unwrap();
    SpoolWriter::open(root.path(), &web, SMALL).unwrap().append(Stream::Stdout, ONE, now(), b"two\n");
    assert_eq!(fs::read(&path).unwrap(), bytes);
    let read = |index| {
        let path = segments::path_of(&root.path().join("web.service"), index);
        SegmentHeader::read(&File::open(&path).unwrap(), &path).unwrap().unwrap()
    };
    assert_ne!(read(1).lineage, read(2).lineage);
    assert_eq!((read(2).first_sequence, read(2).first_number), (2, 2));
}

#[test]
fn a_segment_of_a_later_version_is_refused_by_name() {
    let root = tempfile::tempdir().unwrap();
    let folder = root.path().join("web.service");
    fs::create_dir(&folder).unwrap();
    let mut head =
        SegmentHeader { lineage: 1, boot_id: 2, first_sequence: 1, first_number: 1, created: now(), open: 0 }.encode();
    head[8] = 9;
    let crc = crc32fast::hash(&head[..62]).to_le_bytes();
    head[62..64].copy_from_slice(&crc[..2]);
    fs::write(segments::path_of(&folder, 1), head).unwrap();
    let error = SpoolWriter::open(root.path(), &unit("web.service"), SMALL).unwrap_err();
    assert!(matches!(error, SpoolError::Version { version: 9, .. }), "{error}");
}

/// Not a test: the child of the next one. Writes numbered lines, as fast as it can, until it is killed.
#[test]
#[ignore = "run by the test below, as its child"]
fn child_that_writes_until_killed() {
    let Some(root) = std::env::var_os("SPOOL_TEST_ROOT") else { return };
    let mut writer = SpoolWriter::open(Path::new(&root), &unit("web.service"), SMALL).unwrap();
    let mut n = writer.next_sequence();
    loop {
        let mut chunk = Vec::new();
        for _ in 0..(n % 7) * 40 + 1 {
            chunk.extend_from_slice(format!("line {n}\n").as_bytes());
            n += 1;
        }
        writer.append(Stream::Stdout, ONE, now(), &chunk);
    }
}

#[test]
fn a_writer_killed_at_random_moments_never_renumbers_and_leaves_whole_frames() {
    let root = tempfile::tempdir().unwrap();
    let web = unit("web.service");
    for round in 0..12_u64 {
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--ignored", "--exact", "logs::spool::tests::child_that_writes_until_killed"]);
        child.env("SPOOL_TEST_ROOT", root.path()).stdout(Stdio::null()).stderr(Stdio::null()).process_group(0);
        let before = lines_seen(root.path());
        let mut child = child.spawn().unwrap();
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(20);
        while lines_seen(root.path()) == before && std::time::Instant::now() < deadline {
            std::thread::yield_now();
        }
        std::thread::sleep(std::time::Duration::from_micros(round * 1700));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    // Opening repairs; then every frame is whole, and the numbers are those the lines carry.
    drop(SpoolWriter::open(root.path(), &web, SMALL).unwrap());
    let lines = lines(root.path(), &web);
    assert!(lines.len() > 100);
    for (sequence, text) in &lines {
        // A torn line at a kill has lost its end, and the next writer's first line follows it.
        assert!(text.starts_with("line "), "{text}");
        if text.matches("line").count() == 1 && text.ends_with(&sequence.to_string()) {
            continue;
        }
        let number = text.rsplit(' ').next().unwrap();
        assert!(text.matches("line").count() == 2 || sequence.to_string().starts_with(number), "{sequence}: {text}");
    }
    assert!(lines.windows(2).all(|two| two[1].0 == two[0].0 + 1));
}

/// A sign of life of the child: where its newest segment ends.
fn lines_seen(root: &Path) -> (u64, u64) {
    let folder = root.join("web.service");
    let index = segments::list(&folder).unwrap().last().copied().unwrap_or(0);
    (index, fs::metadata(segments::path_of(&folder, index)).map_or(0, |meta| meta.len()))
}

#[test]
fn a_full_disk_costs_lines_and_says_how_many() {
    let Some(disk) = SmallDisk::mount("256k") else { return };
    let web = unit("web.service");
    let spool = Spool::open(&disk.path().join("spool"), SMALL).unwrap();
    let mut writer = spool.writer(&web).unwrap();
    let line = [&[b'x'; 999][..], b"\n"].concat();
    for _ in 0..20 {
        writer.append(Stream::Stdout, ONE, now(), &line);
    }
    // Somebody else takes all the space; no segment is sealed, so nothing can be dropped.
    let _ = fs::write(disk.path().join("ballast"), vec![0; 1 << 20]);
    for _ in 0..100 {
        writer.append(Stream::Stdout, ONE, now(), &line);
    }
    let lost = writer.lost_lines();
    assert!((90..=100).contains(&lost), "{lost}");
    fs::remove_file(disk.path().join("ballast")).unwrap();
    writer.append(Stream::Stdout, ONE, now(), b"room again\n");
    let got = lines(&disk.path().join("spool"), &web);
    assert_eq!(got.last().unwrap(), &(121, "room again".to_owned()));
    assert_eq!(121 - got.len() as u64, lost);
}

#[test]
fn a_full_disk_makes_the_oldest_segments_go_before_new_lines() {
    let Some(disk) = SmallDisk::mount("400k") else { return };
    let web = unit("web.service");
    let limits = SpoolLimits { node: Some(64 << 20), unit: 64 << 20, segment: 64 * 1024 };
    let mut writer = SpoolWriter::open(&disk.path().join("spool"), &web, limits).unwrap();
    let line = [&[b'x'; 999][..], b"\n"].concat();
    for _ in 0..1500 {
        writer.append(Stream::Stdout, ONE, now(), &line);
    }
    assert_eq!(writer.lost_lines(), 0);
    assert_eq!(lines(&disk.path().join("spool"), &web).last().unwrap().0, 1500);
}

/// A tmpfs of its own; `None`, with a word, where it cannot be mounted.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount(size: &str) -> Option<Self> {
        let folder = tempfile::tempdir().unwrap();
        let options = format!("size={size},mode=0700");
        match nix::mount::mount(
            Some("tmpfs"),
            folder.path(),
            Some("tmpfs"),
            nix::mount::MsFlags::empty(),
            Some(options.as_str()),
        ) {
            Ok(()) => Some(SmallDisk(folder)),
            Err(error) => {
                eprintln!("skipped: mounting a tmpfs needs root: {error}");
                None
            }
        }
    }

    fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = nix::mount::umount2(self.0.path(), nix::mount::MntFlags::MNT_DETACH);
    }
}

/// `cargo test --release -p fleet-node lines_a_second -- --ignored --nocapture`
#[test]
#[ignore = "a measurement, not a test"]
fn lines_a_second() {
    let root = tempfile::tempdir().unwrap();
    let line = [&[b'x'; 99][..], b"\n"].concat();
    for (what, lines) in [("one line a chunk", 1), ("60 KiB chunks", CHUNK / line.len())] {
        let mut writer = SpoolWriter::open(root.path(), &unit("web.service"), SpoolLimits::default()).unwrap();
        let (chunk, begun, mut written) = (line.repeat(lines), std::time::Instant::now(), 0);
        while begun.elapsed() < std::time::Duration::from_secs(2) {
            writer.append(Stream::Stdout, ONE, now(), &chunk);
            written += lines;
        }
        let rate = written as f64 / begun.elapsed().as_secs_f64() / 1e6;
        eprintln!("{what}: {rate:.2} million lines of 100 bytes a second, {} lost", writer.lost_lines());
    }
}
