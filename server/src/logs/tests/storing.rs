use super::*;

#[tokio::test]
async fn what_is_sent_twice_is_stored_once_also_in_parts_and_after_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let mut web = Spool::new("n-1", "web.service", 5);
    let expected = ["n-1/web#1 one", "n-1/web#2 two", "n-1/web#3 three"];
    let (first, both) = {
        let store = open(dir.path());
        let first = web.put(1, "one\n").put(2, "tw").send(&store, "develop").await;
        web.again(&store, "develop", &first).await;
        let second = web.put(3, "o\nthree\n").batch();
        let mut both = second.clone();
        both.first_frame = first.first_frame;
        both.frames = [first.frames.clone(), second.frames].concat().into();
        web.again(&store, "develop", &both).await;
        assert_eq!(read(&store, &everything()), expected);
        (first, both)
    };
    let store = open(dir.path());
    web.again(&store, "develop", &both).await;
    web.again(&store, "develop", &first).await;
    assert_eq!(read(&store, &everything()), expected);
    web.put(4, "four\n").send(&store, "develop").await;
    assert_eq!(read(&store, &everything()).last().unwrap(), "n-1/web#4 four");
}

#[tokio::test]
async fn lines_that_never_came_are_told_where_they_are_missing() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut web = Spool::new("n-1", "web.service", 5);
    web.lose("a\nb\n").lost_lines = 2;
    web.put(1, "three\n").lose("four\n").put(2, "five\n").send(&store, "develop").await;
    web.lose("six\nseven\n").put(3, "eight\n").send(&store, "develop").await;
    assert_eq!(
        read(&store, &everything()),
        [
            "lost 2 of n-1/web",
            "n-1/web#3 three",
            "lost 1 of n-1/web",
            "n-1/web#5 five",
            "lost 2 of n-1/web",
            "n-1/web#8 eight"
        ]
    );
    let last = LogQuery { last: Some(1), ..everything() };
    assert_eq!(read(&store, &last), ["lost 2 of n-1/web", "n-1/web#8 eight"]);
}

#[tokio::test]
async fn numbers_go_on_growing_when_a_node_lost_its_spool_and_old_batches_stay_known() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut old = Spool::new("n-1", "web.service", 5);
    let sent = old.put(1, "one\ntwo\nthree\n").send(&store, "develop").await;
    let mut new = Spool::new("n-1", "web.service", 6);
    new.put(2, "fresh\n").send(&store, "develop").await;
    old.again(&store, "develop", &sent).await;
    drop(store);
    let store = open(dir.path());
    old.again(&store, "develop", &sent).await;
    new.put(3, "and on\n").send(&store, "develop").await;
    let expected = ["n-1/web#1 one", "n-1/web#2 two", "n-1/web#3 three", "n-1/web#4 fresh", "n-1/web#5 and on"];
    assert_eq!(read(&store, &everything()), expected);
}

#[tokio::test]
async fn a_reboot_that_forgot_nothing_keeps_the_numbers_of_the_node() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut web = Spool::new("n-1", "web.service", 5);
    web.put(1, "one\ntwo\n").send(&store, "develop").await;
    web.lineage = 6;
    web.put(2, "three\n").send(&store, "develop").await;
    assert_eq!(read(&store, &everything())[2..], ["n-1/web#3 three"]);
}

#[tokio::test]
async fn a_damaged_batch_is_answered_and_counts_as_lost() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut web = Spool::new("n-1", "web.service", 5);
    web.put(1, "one\n").send(&store, "develop").await;
    let mut damaged = web.put(2, "two\n").batch();
    let mut bytes = damaged.frames.to_vec();
    *bytes.last_mut().unwrap() ^= 1;
    damaged.frames = bytes.into();
    web.again(&store, "develop", &damaged).await;
    web.put(3, "three\n").send(&store, "develop").await;
    assert_eq!(read(&store, &everything()), ["n-1/web#1 one", "lost 1 of n-1/web", "n-1/web#3 three"]);
}

#[tokio::test]
async fn a_unit_name_that_is_none_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut batch = Spool::new("n-1", "web.service", 5).put(1, "x\n").batch();
    batch.unit = "../../etc/passwd".to_owned();
    let error = store.ingest("n-1".parse().unwrap(), "develop".parse().unwrap(), batch).await.unwrap_err();
    assert!(matches!(error, LogError::Name(_)), "{error}");
}

#[tokio::test]
async fn what_is_over_the_bound_goes_in_whole_segments_oldest_first() {
    let dir = tempfile::tempdir().unwrap();
    let bytes = 1 << 20;
    let store = LogStore::open(dir.path(), Retention { bytes, ..Retention::default() }).unwrap();
    let mut gone = Spool::new("n-1", "gone.service", 5);
    gone.put(1, "long ago\n").send(&store, "develop").await;
    let mut web = Spool::new("n-1", "web.service", 5);
    for n in 0..80 {
        web.put(n, &format!("{}\n", "x".repeat(50_000))).send(&store, "develop").await;
    }
    let on_disk: u64 =
        std::fs::read_dir(dir.path().join("develop")).unwrap().map(|e| e.unwrap().metadata().unwrap().len()).sum();
    assert!((700 << 10..=1300 << 10).contains(&on_disk), "{on_disk}");
    let lines = read(&store, &everything());
    assert!(lines.iter().all(|line| line.starts_with("n-1/web#")) && lines.last().unwrap().starts_with("n-1/web#80 "));
    assert_eq!(store.shared.lock()[&"develop".parse().unwrap()].sources.len(), 1);
    drop(store);
    assert_eq!(
        read(&LogStore::open(dir.path(), Retention { bytes, ..Retention::default() }).unwrap(), &everything()),
        lines
    );
}

#[tokio::test]
async fn what_is_older_than_the_bound_goes_at_the_next_start() {
    let dir = tempfile::tempdir().unwrap();
    Spool::new("n-1", "web.service", 5).put(1, "old\n").send(&open(dir.path()), "develop").await;
    let retention = Retention { age: Duration::ZERO, ..Retention::default() };
    assert_eq!(read(&LogStore::open(dir.path(), retention).unwrap(), &everything()), [""; 0]);
}

#[tokio::test]
async fn a_full_disk_refuses_and_nothing_is_lost() {
    let disk = tempfile::tempdir().unwrap();
    let options = Some("size=1m,mode=0700");
    if let Err(error) =
        nix::mount::mount(Some("tmpfs"), disk.path(), Some("tmpfs"), nix::mount::MsFlags::empty(), options)
    {
        eprintln!("skipped: mounting a tmpfs needs root: {error}");
        return;
    }
    let store = open(&disk.path().join("logs"));
    let mut web = Spool::new("n-1", "web.service", 5);
    web.put(1, "before\n").send(&store, "develop").await;
    let _ = std::fs::write(disk.path().join("ballast"), vec![0; 2 << 20]);
    let batch = web.put(2, &format!("{}\n", "x".repeat(20_000))).batch();
    for environment in ["develop", "test"] {
        let refused = store.ingest("n-1".parse().unwrap(), environment.parse().unwrap(), batch.clone()).await;
        assert!(matches!(refused, Err(LogError::Full { .. } | LogError::Io { .. })), "{refused:?}");
        assert_eq!(read(&store, &everything()), ["n-1/web#1 before"]);
    }
    std::fs::remove_file(disk.path().join("ballast")).unwrap();
    web.again(&store, "develop", &batch).await;
    web.put(3, "after\n").send(&store, "develop").await;
    drop(store);
    let lines = read(&open(&disk.path().join("logs")), &everything());
    assert_eq!((lines.len(), &lines[2][..]), (3, "n-1/web#3 after"));
    let _ = nix::mount::umount2(disk.path(), nix::mount::MntFlags::MNT_DETACH);
}

#[tokio::test]
async fn thousands_of_units_share_files_and_syncs() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut sends = tokio::task::JoinSet::new();
    for n in 0..3000 {
        let store = store.clone();
        sends.spawn(async move {
            let mut spool = Spool::new(&format!("n-{}", n % 100), &format!("u-{n}.service"), 5);
            spool.put(n, &format!("line of {n}\n")).send(&store, "develop").await;
        });
    }
    sends.join_all().await;
    assert!(*store.shared.commits.borrow() < 1500, "many batches share a sync");
    let open_files = std::fs::read_dir("/proc/self/fd").unwrap().count();
    assert!(open_files < 500, "{open_files}");
    let lines = read(&store, &LogQuery { last: Some(2), ..everything() });
    assert_eq!(lines, ["n-98/u-2998#1 line of 2998", "n-99/u-2999#1 line of 2999"]);
    assert_eq!(read(&store, &everything()).len(), 3000);
}
