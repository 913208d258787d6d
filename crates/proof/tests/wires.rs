//! The wires do what they say: what was cut before the server is not there, what was cut behind its commit
//! is, and what is not meddled with passes as it is.
#![expect(clippy::unwrap_used, reason = "helpers of tests may fail by panic, like the tests")]

use orders_embedded::testing::shared_cluster;
use orders_proof::wire::{Sessions, Stop, database, partner};
use orders_proof::world::{fresh_database, store};
use orders_store::{Store, StoreOptions};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// A database with a table, seen straight and through a wire.
async fn wired() -> (Store, Store, database::Wire) {
    let name = fresh_database().await;
    let straight = store(&name, "postgres", "public");
    straight.query("test", "create table seen (number int primary key)", &[]).await.unwrap();
    let wire = database::Wire::start().await;
    let address = wire.address(&name, "postgres");
    let through = Store::new(&address, &StoreOptions::default()).unwrap();
    (straight, through, wire)
}

async fn numbers(store: &Store) -> Vec<i32> {
    let rows = store.query("test", "select number from seen order by number", &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// Inserts in a transaction; whether it was told that it did.
async fn insert(store: &Store, number: i32) -> bool {
    let inserted = store.transact("test.insert", move |tx| {
        Box::pin(async move { tx.execute(&format!("insert into seen values ({number})")).await })
    });
    inserted.await.is_ok()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_is_cut_before_it_happens_and_after_it_has() {
    let (straight, through, wire) = wired().await;
    assert!(insert(&through, 1).await, "nothing is meddled with");
    let cut =
        |moment| database::Rule { has: "into seen", moment, act: database::Act::Cut, times: 1 };
    wire.add(cut(database::Moment::Committing));
    assert!(!insert(&through, 2).await);
    wire.add(cut(database::Moment::Committed));
    assert!(!insert(&through, 3).await);
    assert!(insert(&through, 4).await, "only once each");
    assert_eq!(numbers(&straight).await, [1, 3, 4]);
    // One statement by itself is a transaction too.
    wire.add(cut(database::Moment::Committed));
    assert!(through.query("test", "insert into seen values (5)", &[]).await.is_err());
    assert_eq!(numbers(&straight).await, [1, 3, 4, 5]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_statement_is_refused_by_the_server_and_tried_again() {
    let (straight, through, wire) = wired().await;
    let refuse = |code, times| database::Rule {
        has: "into seen",
        moment: database::Moment::Asked,
        act: database::Act::Refuse(code),
        times,
    };
    wire.add(refuse("40001", 2));
    assert!(insert(&through, 1).await, "rolled back and done again whole");
    wire.add(refuse("53100", 1));
    assert!(!insert(&through, 2).await, "a full disk is no passing reason");
    assert_eq!(numbers(&straight).await, [1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_stands_until_it_is_let_go_and_what_is_decided_meanwhile_meets_it() {
    let (straight, through, wire) = wired().await;
    let stop = Arc::new(Stop::default());
    let act = database::Act::Hold(Arc::clone(&stop));
    let moment = database::Moment::Committing;
    wire.add(database::Rule { has: "into seen", moment, act, times: 1 });
    let insertion = tokio::spawn(async move { insert(&through, 1).await });
    assert!(stop.reached(Duration::from_secs(10)).await);
    assert_eq!(numbers(&straight).await, [0; 0]);
    wire.cut();
    assert!(!insertion.await.unwrap(), "its connection broke where it stood");
    stop.let_go();
    assert_eq!(numbers(&straight).await, [0; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_left_at_rest_is_the_next_ones_and_one_with_anything_open_ends_with_its_client() {
    let (straight, ..) = wired().await;
    let name = text(&straight, "select current_database()").await;
    let sessions = Sessions::default();
    let server = shared_cluster().connection_string("postgres", "postgres");
    let one = StoreOptions { connections_max: 1, ..StoreOptions::default() };
    let mut seen = Vec::new();
    for number in 1..=3 {
        let wire = database::Wire::going_on(&server, sessions.clone()).await;
        let through = Store::new(&wire.address(&name, "postgres"), &one).unwrap();
        seen.push(text(&through, "select pg_backend_pid()").await);
        if number == 2 {
            let stop = Arc::new(Stop::default());
            let act = database::Act::Hold(Arc::clone(&stop));
            let moment = database::Moment::Committing;
            wire.add(database::Rule { has: "into seen", moment, act, times: 1 });
            let insertion = tokio::spawn(async move { insert(&through, number).await });
            assert!(stop.reached(Duration::from_secs(10)).await);
            wire.cut();
            assert!(!insertion.await.unwrap());
            let living = format!("select count(*) from pg_stat_activity where pid = {}", seen[1]);
            until(async || text(&straight, &living).await == "0").await;
        } else {
            assert!(insert(&through, number).await);
            wire.cut();
            until(async || sessions.at_rest() == 1).await;
        }
    }
    assert_eq!(seen[0], seen[1], "the first one left nothing open");
    assert_ne!(seen[1], seen[2], "the second one was in the middle of a transaction");
    assert_eq!(numbers(&straight).await, [1, 3]);
}

/// Waits for a level.
async fn until(condition: impl AsyncFn() -> bool) {
    let level = async {
        while !condition().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), level).await.unwrap();
}

async fn text(store: &Store, sql: &str) -> String {
    let sql = format!("select ({sql})::text");
    store.query("test", &sql, &[]).await.unwrap()[0].get(0)
}

/// A partner that counts what it was asked, and a wire before it.
async fn counted() -> (Arc<std::sync::atomic::AtomicU32>, partner::Wire) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let asked = Arc::new(std::sync::atomic::AtomicU32::new(0));
    let count = Arc::clone(&asked);
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 1000];
            let length = stream.read(&mut request).await.unwrap();
            let whole = request[..length].ends_with(b"\r\n\r\nabcd");
            count.fetch_add(u32::from(whole), std::sync::atomic::Ordering::SeqCst);
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nanswer").await;
        }
    });
    (asked, partner::Wire::start(address).await)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_is_lost_on_its_way_or_on_its_way_back() {
    use partner::Act;
    let (asked, wire) = counted().await;
    let call = async || {
        let address = wire.base_url().replace("http://", "");
        let mut stream = TcpStream::connect(address).await.unwrap();
        stream.write_all(b"POST /x HTTP/1.1\r\ncontent-length: 4\r\n\r\nabcd").await.unwrap();
        let mut answer = vec![0; 1000];
        let read = tokio::time::timeout(Duration::from_millis(300), stream.read(&mut answer)).await;
        answer.truncate(read.map_or(0, |length| length.unwrap_or(0)));
        String::from_utf8(answer).unwrap()
    };
    let seen = || asked.load(std::sync::atomic::Ordering::SeqCst);
    assert!(call().await.ends_with("\r\n\r\nanswer"));
    assert_eq!(seen(), 1);
    for (act, done, end) in [
        (Act::LoseRequest, 1, ""),
        (Act::Refuse, 1, ""),
        (Act::CutRequest, 1, ""),
        (Act::LoseAnswer, 2, ""),
        (Act::CutAnswer, 3, "\r\n\r\nans"),
        (Act::SpoilAnswer, 4, "\r\n\r\n#ns#er"),
        (Act::Answer("HTTP/1.1 429 x\r\n\r\n"), 4, "429 x\r\n\r\n"),
    ] {
        wire.add(partner::Rule { has: "POST /x", act: act.clone(), times: 1 });
        let answer = call().await;
        assert!(
            answer.ends_with(end) && (answer.is_empty() == end.is_empty()),
            "{act:?}: {answer}"
        );
        assert_eq!(seen(), done, "{act:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partner_that_breaks_off_is_seen_to_by_the_client() {
    for (said, heard) in
        [("", ""), ("HTTP/1.1 200 OK\r\ncontent-length: 6\r\n\r\nans", "\r\n\r\nans")]
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 1000];
            let _ = stream.read(&mut request).await.unwrap();
            stream.write_all(said.as_bytes()).await.unwrap();
        });
        let wire = partner::Wire::start(address).await;
        let mut client = TcpStream::connect(wire.base_url().replace("http://", "")).await.unwrap();
        client.write_all(b"POST /x HTTP/1.1\r\ncontent-length: 4\r\n\r\nabcd").await.unwrap();
        let mut answer = String::new();
        // To the end of the connection, which comes without anybody's time being over.
        let read =
            tokio::time::timeout(Duration::from_secs(20), client.read_to_string(&mut answer));
        read.await.expect("an end").unwrap();
        assert!(answer.ends_with(heard), "{answer}");
    }
}
