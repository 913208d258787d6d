//! Each fault does what it says, and the ledger tells the truth about it.

use crate::client::{Heard, TOKEN, Test, create, order, settings};
use orders_sandbox::zinc::{Event, Injected, Outcome};
use orders_sandbox::{Fault, Faults, Line};
use std::collections::BTreeMap;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// What the client hears of a create with this fault, and the world after it.
async fn one(fault: Fault) -> (Heard, Test) {
    let test = Test::new().await;
    test.zinc().inject(Injected::Fault(fault));
    let heard = test.create(&order("k1", "o1")).await;
    assert_eq!(test.zinc().summary().faults[&fault], 1);
    (heard, test)
}

fn bought(test: &Test) -> usize {
    test.zinc().purchases_of("o1").len()
}

/// The next call of the key is served well, and one purchase stands in the end.
async fn is_repaired_by_a_repeat(test: &Test) {
    test.create(&order("k1", "o1")).await.request_id();
    assert_eq!(bought(test), 1);
}

#[tokio::test]
async fn an_error_before_buys_nothing() {
    let (heard, test) = one(Fault::ErrorBefore).await;
    assert!((500..505).contains(&heard.status()));
    assert_eq!(bought(&test), 0);
    is_repaired_by_a_repeat(&test).await;
}

#[tokio::test]
async fn an_error_after_has_bought() {
    let (heard, test) = one(Fault::ErrorAfter).await;
    assert!((500..505).contains(&heard.status()));
    assert_eq!(bought(&test), 1);
    is_repaired_by_a_repeat(&test).await;
}

#[tokio::test]
async fn a_dropped_answer_has_bought_and_says_not_a_byte() {
    let (heard, test) = one(Fault::DropAnswer).await;
    assert!(heard.is_nothing());
    assert_eq!(bought(&test), 1);
    is_repaired_by_a_repeat(&test).await;
}

#[tokio::test]
async fn a_cut_answer_has_bought_and_says_half() {
    let (heard, test) = one(Fault::CutAnswer).await;
    assert_eq!(heard.status(), 200);
    assert!(!heard.is_whole());
    assert_eq!(heard.body().len(), 24, "half of {{\"request_id\":\"...\"}}");
    assert_eq!(bought(&test), 1);
    is_repaired_by_a_repeat(&test).await;
}

#[tokio::test]
async fn a_reset_answer_has_bought_and_ends_in_a_reset() {
    let (heard, test) = one(Fault::ResetAnswer).await;
    assert!(heard.reset);
    assert!(heard.is_nothing() || !heard.is_whole());
    assert_eq!(bought(&test), 1);
    is_repaired_by_a_repeat(&test).await;
}

#[tokio::test]
async fn late_and_slow_answers_have_bought_before_they_come() {
    for (fault, wait_ms) in [(Fault::LateAnswer, 60_000), (Fault::Slow, 250)] {
        let test = Test::new().await;
        test.zinc().inject(Injected::Fault(fault));
        let addr = test.running.addr;
        let sent = tokio::spawn(async move { create(addr, &order("k1", "o1")).await });
        let is_purchase = |line: &Line<Event>| matches!(line.event, Event::Purchase(_));
        test.zinc().wait_until(|lines| lines.iter().any(is_purchase)).await;
        test.clock.advance(wait_ms - 1);
        let meanwhile = test.create(&order("k1", "o1")).await.request_id();
        assert!(!sent.is_finished());
        test.clock.advance(1);
        assert_eq!(sent.await.unwrap().request_id(), meanwhile);
        assert_eq!(bought(&test), 1);
    }
}

#[tokio::test]
async fn a_wrong_id_belongs_to_another_order() {
    let test = Test::new().await;
    let other = test.create(&order("k0", "o0")).await.request_id();
    test.zinc().inject(Injected::Fault(Fault::WrongId));
    let heard = test.create(&order("k1", "o1")).await.request_id();
    assert_eq!(heard, other);
    assert_eq!(bought(&test), 1);
    assert_ne!(test.create(&order("k1", "o1")).await.request_id(), other);
}

#[tokio::test]
async fn a_double_answer_is_the_same_bytes_twice() {
    let (heard, test) = one(Fault::DoubleAnswer).await;
    let half = heard.bytes.len() / 2;
    assert_eq!(heard.bytes[..half], heard.bytes[half..]);
    assert!(heard.bytes.starts_with(b"HTTP/1.1 200"));
    assert_eq!(bought(&test), 1);
}

#[tokio::test]
async fn a_double_answer_on_a_kept_connection_is_followed_by_the_right_one() {
    let test = Test::new().await;
    test.zinc().inject(Injected::Fault(Fault::DoubleAnswer));
    let mut stream = tokio::net::TcpStream::connect(test.running.addr).await.unwrap();
    for key in ["k1", "k2"] {
        let body = order(key, key);
        let head = format!("POST /v1/orders HTTP/1.1\r\nHost: x\r\n{TOKEN}\r\n");
        let call = format!("{head}Content-Length: {}\r\n\r\n{body}", body.len());
        stream.write_all(call.as_bytes()).await.unwrap();
    }
    let (mut heard, mut buffer) = (String::new(), [0; 4096]);
    while heard.matches("\"}").count() < 3 {
        let count = stream.read(&mut buffer).await.unwrap();
        assert_ne!(count, 0, "{heard}");
        heard.push_str(std::str::from_utf8(&buffer[..count]).unwrap());
    }
    let id = |order: &str| test.zinc().purchases_of(order)[0].request_id.to_string();
    assert_eq!(heard.matches(&id("k1")).count(), 2);
    assert_eq!(heard.matches(&id("k2")).count(), 1);
}

#[tokio::test]
async fn a_late_purchase_is_made_when_nobody_expects_it() {
    let (heard, test) = one(Fault::BuyLate).await;
    assert!(heard.is_nothing() || heard.status() >= 500);
    assert_eq!(bought(&test), 0);
    assert_eq!(test.get("/v1/orders").await.json(), serde_json::json!([]));
    test.clock.advance(1_999);
    assert_eq!(bought(&test), 0);
    test.clock.advance(1);
    assert_eq!(bought(&test), 1);
    let line = test.zinc().ledger().pop().unwrap();
    assert_eq!(line.at_ms, 1_767_225_602_000);
    is_repaired_by_a_repeat(&test).await;
}

#[tokio::test]
async fn an_outage_by_hand_refuses_everything_until_it_ends() {
    let test = Test::new().await;
    let id = test.create(&order("k0", "o0")).await.request_id();
    test.post("/_sandbox/zinc/outage", "{\"on\":true}").await;
    for n in 0..10 {
        for heard in [
            test.create(&order("k1", "o1")).await,
            test.read(&id).await,
            test.get("/v1/orders").await,
        ] {
            assert!(heard.is_nothing() || heard.status() == 503, "{n}: {}", heard.text());
        }
    }
    assert_eq!(bought(&test), 0);
    test.post("/_sandbox/zinc/outage", "{\"on\":false}").await;
    is_repaired_by_a_repeat(&test).await;
    assert_eq!(test.zinc().summary().faults[&Fault::Outage], 30);
}

#[tokio::test]
async fn an_outage_by_the_clock_comes_and_goes() {
    let faults = Faults { outage_period_ms: 10_000, outage_length_ms: 1_000, ..Faults::none() };
    let test = Test::with_faults(faults).await;
    assert_ne!(test.create(&order("k1", "o1")).await.status(), 200);
    test.clock.advance(999);
    assert_ne!(test.create(&order("k1", "o1")).await.status(), 200);
    test.clock.advance(1);
    is_repaired_by_a_repeat(&test).await;
}

#[tokio::test]
async fn an_outage_by_rate_hits_calls_in_a_row() {
    let faults = Faults { outage: 0.3, outage_calls: 5, ..Faults::none() };
    let test = Test::with_faults(faults).await;
    let mut marks = String::new();
    for n in 0..100 {
        let ok = test.create(&order(&format!("k{n}"), &format!("o{n}"))).await.status() == 200;
        marks.push(if ok { '.' } else { 'X' });
    }
    let windows: Vec<&str> = (0..20).map(|n| &marks[n * 5..n * 5 + 5]).collect();
    assert!(windows.iter().all(|window| ["XXXXX", "....."].contains(window)), "{marks}");
    assert!(marks.contains('X') && marks.contains('.'));
}

#[tokio::test]
async fn reads_fail_in_their_own_ways() {
    for (rate, fault) in [
        (Faults { read_error: 1.0, ..Faults::none() }, Fault::ReadError),
        (Faults { read_stale: 1.0, ..Faults::none() }, Fault::ReadStale),
        (Faults { read_cut: 1.0, ..Faults::none() }, Fault::ReadCut),
        (Faults { read_wrong: 1.0, ..Faults::none() }, Fault::ReadWrong),
    ] {
        let test = Test::with_faults(rate).await;
        let id = test.create(&order("k1", "o1")).await.request_id();
        test.create(&order("k2", "o2")).await;
        for _ in 0..4 {
            let heard = test.read(&id).await;
            match fault {
                Fault::ReadError => assert!(heard.status() >= 500),
                Fault::ReadStale => assert_eq!(heard.json()["code"], "request_processing"),
                Fault::ReadCut => assert!(!heard.is_whole()),
                _ => assert_eq!(heard.json()["request"]["client_notes"]["order_id"], "o2"),
            }
        }
        let heard = test.read(&id).await.json();
        assert_eq!(heard["request"]["client_notes"]["order_id"], "o1", "well after four faults");
        assert_eq!(test.zinc().summary().faults[&fault], 4);
    }
}

#[tokio::test]
async fn a_list_may_leave_entries_out() {
    let test = Test::with_faults(Faults { list_gap: 1.0, ..Faults::none() }).await;
    for n in 0..4 {
        test.create(&order(&format!("k{n}"), &format!("o{n}"))).await;
    }
    let list = test.get("/v1/orders").await.json();
    assert_eq!(list.as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn faults_of_reads_are_injected_into_reads_and_lists() {
    let test = Test::new().await;
    let inject = async |text: &str| {
        assert_eq!(test.post("/_sandbox/zinc/inject", text).await.status(), 200);
    };
    inject("{\"fault\":\"list_gap\"}").await;
    inject("{\"fault\":\"read_stale\"}").await;
    inject("{\"refusal\":\"internal_error\"}").await;
    assert_eq!(test.create(&order("k1", "o1")).await.json()["code"], "internal_error");
    let id = test.create(&order("k2", "o2")).await.request_id();
    assert_eq!(test.get("/v1/orders").await.json(), serde_json::json!([]));
    assert_eq!(test.read(&id).await.json()["code"], "request_processing");
    assert_eq!(test.read(&id).await.json()["_type"], "order_response");
}

#[tokio::test]
async fn after_four_faults_a_key_is_served_well() {
    let test = Test::with_faults(Faults { drop_answer: 1.0, ..Faults::none() }).await;
    for _ in 0..4 {
        assert!(test.create(&order("k1", "o1")).await.is_nothing());
    }
    is_repaired_by_a_repeat(&test).await;
    assert_eq!(test.zinc().summary().keys_by_calls, BTreeMap::from([(5, 1)]));
}

#[tokio::test]
async fn faults_are_set_over_http_and_nonsense_is_refused() {
    let test = Test::new().await;
    let faults = serde_json::to_string(&Faults::demo()).unwrap();
    assert_eq!(test.post("/_sandbox/zinc/faults", &faults).await.status(), 200);
    assert_eq!(test.zinc().faults(), Faults::demo());
    for text in ["{\"slow\":2}", "{\"slwo\":1}", "demo"] {
        assert_eq!(test.post("/_sandbox/zinc/faults", text).await.status(), 400, "{text}");
    }
    assert_eq!(test.zinc().faults(), Faults::demo());
}

/// What was done to each call of each key.
type Done = BTreeMap<(String, u32), (Option<Fault>, String)>;

async fn storm(seed: u64, backwards: bool) -> Done {
    let waits = Faults { slow: 0.0, late_answer: 0.0, ..Faults::demo() };
    let faults = Faults { outage: 0.0, error_before: 0.2, seed, ..waits };
    let test = Test::with(orders_sandbox::zinc::Settings { faults, ..settings() }).await;
    let mut keys: Vec<String> = (0..60).map(|n| format!("k{n}")).collect();
    if backwards {
        keys.reverse();
    }
    for _ in 0..3 {
        for key in &keys {
            test.create(&order(key, key)).await;
        }
    }
    let done = test.zinc().ledger().into_iter().filter_map(|line| match line.event {
        Event::Create(create) => {
            let outcome = match create.outcome {
                Outcome::Refused(error) => error.code.clone(),
                Outcome::Accepted(id) | Outcome::DuplicateOf(id) => id.to_string(),
                other => format!("{other:?}"),
            };
            Some(((create.key?.to_string(), create.call), (create.fault, outcome)))
        }
        _ => None,
    });
    done.collect()
}

#[tokio::test]
async fn the_same_seed_makes_the_same_faults_in_any_order() {
    let first = storm(7, false).await;
    assert_eq!(first, storm(7, true).await);
    assert_ne!(first, storm(8, false).await);
    let faults: std::collections::BTreeSet<_> = first.values().filter_map(|done| done.0).collect();
    assert!(faults.len() >= 5, "{faults:?}");
}
