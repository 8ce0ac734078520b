use super::*;
use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

/// Not a test: the child of the next one. Stores numbered lines and prints each number once it is acknowledged.
#[tokio::test]
#[ignore = "run by the test below, as its child"]
async fn child_that_stores_until_killed() {
    let Some(dir) = std::env::var_os("LOG_STORE_TEST_DIR") else { return };
    let from: u64 = std::env::var("LOG_STORE_TEST_FROM").unwrap().parse().unwrap();
    let store = open(Path::new(&dir));
    let mut web = Spool::new("n-1", "web.service", 5);
    for n in 1.. {
        let batch = web.put(n, &format!("line {n} {}\n", "x".repeat(n as usize % 3000))).batch();
        if n >= from {
            web.again(&store, "develop", &batch).await;
            println!("\nacked {n}");
            std::io::stdout().flush().unwrap();
        }
    }
}

#[test]
fn a_store_killed_at_random_moments_has_every_acknowledged_line_once() {
    let dir = tempfile::tempdir().unwrap();
    let mut acked = 0;
    for round in 0..8_u64 {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["--ignored", "--exact", "--nocapture", "logs::tests::crash::child_that_stores_until_killed"]);
        // It sends some again, as an agent does that was killed before it noted the answers.
        command.env("LOG_STORE_TEST_DIR", dir.path()).env("LOG_STORE_TEST_FROM", (acked.max(4) - 3).to_string());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut seen = 0;
        while seen < 20 + round * 7 {
            let line = lines.next().expect("the child writes until it is killed").unwrap();
            if let Some(n) = line.strip_prefix("acked ") {
                acked = acked.max(n.parse().unwrap());
                seen += 1;
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
        for line in lines.map_while(Result::ok) {
            if let Some(n) = line.strip_prefix("acked ").and_then(|n| n.parse().ok()) {
                acked = acked.max(n);
            }
        }
        check(dir.path(), acked);
    }
}

#[tokio::test]
async fn a_torn_tail_is_passed_over_and_the_batch_stored_when_it_comes_again() {
    let dir = tempfile::tempdir().unwrap();
    let mut web = Spool::new("n-1", "web.service", 5);
    let store = open(dir.path());
    web.put(1, "line 1 \n").send(&store, "develop").await;
    let batch = web.put(2, "line 2 \n").send(&store, "develop").await;
    drop(store);
    let path = segments::path_of(&dir.path().join("develop"), 1);
    let whole = std::fs::read(&path).unwrap();
    for cut in 1..150 {
        std::fs::write(&path, &whole[..whole.len() - cut]).unwrap();
        for later in segments::list(&dir.path().join("develop"), "seg").unwrap().into_iter().filter(|&index| index > 1)
        {
            std::fs::remove_file(segments::path_of(&dir.path().join("develop"), later)).unwrap();
        }
        for later in segments::list(&dir.path().join("develop"), "pairs").unwrap() {
            std::fs::remove_file(dir.path().join("develop").join(format!("{later:012}.pairs"))).unwrap();
        }
        let store = open(dir.path());
        assert_eq!(read(&store, &everything()), ["n-1/web#1 line 1 "], "cut {cut}");
        let mut follower = store.follow(everything(), &store.query(&everything()).unwrap());
        web.again(&store, "develop", &batch).await;
        assert_eq!(follower.next_items().unwrap().into_iter().map(show).collect::<Vec<_>>(), ["n-1/web#2 line 2 "]);
        drop((follower, store));
        check(dir.path(), 2);
    }
}

fn check(dir: &Path, acked: u64) {
    let lines = read(&open(dir), &everything());
    assert!(lines.len() as u64 >= acked, "{} of {acked}", lines.len());
    for (at, line) in lines.iter().enumerate() {
        let n = at + 1;
        assert!(line.starts_with(&format!("n-1/web#{n} line {n} ")), "{n}: {line:.60}");
    }
}
