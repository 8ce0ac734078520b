use super::*;
use std::time::Instant;

/// Two instances on two nodes, and another unit, in turn.
async fn three_sources(store: &LogStore) {
    let mut sources = [
        Spool::new("n-1", "worker@1.service", 5),
        Spool::new("n-2", "worker@2.service", 5),
        Spool::new("n-2", "web.service", 5),
    ];
    for time in 1..=9_u64 {
        let spool = &mut sources[(time as usize - 1) % 3];
        spool.put(time, &format!("at {time}\n"));
        if time > 5 {
            spool.send(store, "develop").await;
        }
    }
}

fn texts(lines: Vec<String>) -> Vec<String> {
    lines.into_iter().map(|line| line.split_once(' ').unwrap().1.to_owned()).collect()
}

fn units(names: &[&str]) -> Vec<UnitName> {
    names.iter().map(|name| name.parse().unwrap()).collect()
}

#[tokio::test]
async fn lines_of_all_units_and_nodes_are_merged_by_time() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    three_sources(&store).await;
    let all: Vec<String> = (1..=9).map(|time| format!("at {time}")).collect();
    assert_eq!(texts(read(&store, &everything())), all);
    for last in [0, 1, 4, 9, 100] {
        let query = LogQuery { last: Some(last), ..everything() };
        assert_eq!(texts(read(&store, &query)), all[9 - last.min(9) as usize..], "last {last}");
    }
}

#[tokio::test]
async fn a_query_takes_names_templates_nodes_environments_and_times() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    three_sources(&store).await;
    Spool::new("t-1", "web.service", 5).put(1, "of test\n").send(&store, "test").await;
    let of = |query: LogQuery| {
        let all = texts(read(&store, &query));
        let last = texts(read(&store, &LogQuery { last: Some(50), ..query }));
        assert_eq!(all, last);
        all.join(",")
    };
    let develop = || LogQuery { environment: Some("develop".parse().unwrap()), ..everything() };
    assert_eq!(of(LogQuery { units: units(&["worker@.service"]), ..everything() }), "at 1,at 2,at 4,at 5,at 7,at 8");
    assert_eq!(of(LogQuery { units: units(&["worker@1.service"]), ..everything() }), "at 1,at 4,at 7");
    assert_eq!(of(LogQuery { units: units(&["web.service"]), ..develop() }), "at 3,at 6,at 9");
    assert_eq!(of(LogQuery { node: Some("n-1".parse().unwrap()), ..develop() }), "at 1,at 4,at 7");
    assert_eq!(of(LogQuery { environment: Some("test".parse().unwrap()), ..everything() }), "of test");
    assert_eq!(of(LogQuery { environment: Some("none".parse().unwrap()), ..everything() }), "");
    let times = LogQuery { since: Some(Timestamp(4)), until: Some(Timestamp(8)), ..develop() };
    assert_eq!(of(times.clone()), "at 4,at 5,at 6,at 7");
    assert_eq!(texts(read(&store, &LogQuery { last: Some(2), ..times })), ["at 6", "at 7"]);
}

#[tokio::test]
async fn a_line_over_many_batches_comes_whole_in_a_tail_and_to_a_follower() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let (mut web, mut other) = (Spool::new("n-1", "web.service", 5), Spool::new("n-1", "other.service", 5));
    web.put(1, "first\n").send(&store, "develop").await;
    for time in 2..7 {
        web.put(time, &"x".repeat(50_000)).send(&store, "develop").await;
        other.put(time, "noise\n").send(&store, "develop").await;
    }
    let query = LogQuery { units: units(&["web.service"]), last: Some(1), ..everything() };
    let none = LogQuery { last: Some(0), ..query.clone() };
    let mut follower = store.follow(none.clone(), &store.query(&none).unwrap());
    web.put(7, "end\nnext\n").send(&store, "develop").await;
    let followed: Vec<String> = follower.next_items().unwrap().into_iter().map(show).collect();
    let whole = format!("n-1/web#2 {}end", "x".repeat(250_000));
    assert_eq!(followed, [whole.clone(), "n-1/web#3 next".to_owned()]);
    assert_eq!(read(&store, &LogQuery { last: Some(2), ..query }), followed);
}

#[tokio::test]
async fn a_follower_begins_where_the_past_ends_and_misses_and_doubles_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let writer = tokio::spawn({
        let store = store.clone();
        async move {
            let mut web = Spool::new("n-1", "web.service", 5);
            for n in 1..=400 {
                web.put(n, &format!("{n}\nhalf of {n} "));
                web.send(&store, if n < 1000 { "develop" } else { "test" }).await;
            }
        }
    });
    while read(&store, &LogQuery { last: Some(1), ..everything() }).is_empty() {
        tokio::task::yield_now().await;
    }
    let mut past = store.query(&everything()).unwrap();
    let mut follower = store.follow(everything(), &past);
    let mut got = Vec::new();
    loop {
        let items = past.next_items(100).unwrap();
        if items.is_empty() {
            break;
        }
        got.extend(items.into_iter().map(show));
    }
    while got.len() < 400 {
        let woken = tokio::time::timeout(Duration::from_secs(20), follower.changed()).await;
        assert!(woken.expect("the rest comes"));
        got.extend(follower.next_items().unwrap().into_iter().map(show));
    }
    writer.await.unwrap();
    for (at, line) in got.iter().enumerate() {
        let n = at + 1;
        let half = if at == 0 { String::new() } else { format!("half of {at} ") };
        assert_eq!(*line, format!("n-1/web#{n} {half}{n}"));
    }
}

#[tokio::test]
async fn an_idle_follower_waits_and_sees_a_new_environment_within_a_moment() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut follower = store.follow(everything(), &store.query(&everything()).unwrap());
    assert!(follower.changed().await);
    assert_eq!(follower.next_items().unwrap(), []);
    assert!(tokio::time::timeout(Duration::from_millis(50), follower.changed()).await.is_err());
    let begun = Instant::now();
    Spool::new("n-1", "web.service", 5).put(1, "new\n").send(&store, "fresh").await;
    assert!(follower.changed().await);
    let items = follower.next_items().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(1));
    assert_eq!(items.into_iter().map(show).collect::<Vec<_>>(), ["n-1/web#1 new"]);
}

#[tokio::test]
async fn a_clock_that_was_set_back_does_not_turn_lines_around() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut web = Spool::new("n-1", "web.service", 5);
    for time in [100, 50, 60] {
        web.put(time, &format!("at {time}\n")).send(&store, "develop").await;
    }
    Spool::new("n-2", "web.service", 5).put(70, "other\n").send(&store, "develop").await;
    let lines = read(&store, &everything());
    assert_eq!(texts(lines.clone()), ["other", "at 100", "at 50", "at 60"]);
    assert_eq!(read(&store, &LogQuery { last: Some(4), ..everything() }), lines);
}
