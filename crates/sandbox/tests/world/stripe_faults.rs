//! Each fault of the fake Stripe does what it says, and the ledger tells the truth about it.

use crate::client::{Heard, Test, call};
use crate::shop::{PAID, kinds, shop};
use orders_sandbox::stripe::{Event, Settings};
use orders_sandbox::{StripeFault, StripeFaults};

/// What the shop hears of a refund of 100 with this fault, and the world after it.
async fn refund(fault: StripeFault) -> (Heard, Test, String) {
    let test = Test::new().await;
    let id = test.stripe().pay("o1", 1000, "usd");
    test.stripe().inject_at("/refunds", fault);
    test.look("/refunds").await.json();
    let form = format!("payment_intent={id}&amount=100");
    let heard = test.ask("/refunds", "r1", &form).await;
    assert_eq!(test.stripe().summary().faults[&fault], 1);
    (heard, test, form)
}

fn refunded(test: &Test) -> i64 {
    test.stripe().summary().sums["usd"].refunded
}

/// The next call with the key is answered well, and one refund stands in the end.
async fn is_repaired_by_a_repeat(test: &Test, form: &str) {
    let again = test.ask("/refunds", "r1", form).await;
    assert_eq!((again.status(), &again.json()["amount"]), (200, &100.into()), "{}", again.text());
    assert_eq!(refunded(test), 100);
}

#[tokio::test]
async fn a_lost_answer_has_its_effect_before_or_not_at_all() {
    for (fault, effect) in [(StripeFault::DropAnswer, 100), (StripeFault::DropRequest, 0)] {
        let (heard, test, form) = refund(fault).await;
        assert!(heard.is_nothing());
        assert_eq!(refunded(&test), effect, "{fault:?}");
        is_repaired_by_a_repeat(&test, &form).await;
    }
}

#[tokio::test]
async fn a_late_effect_comes_by_the_clock_and_its_key_is_in_use_until_then() {
    let (heard, test, form) = refund(StripeFault::EffectLater).await;
    assert!(heard.is_nothing());
    let busy = test.ask("/refunds", "r1", &form).await;
    assert_eq!((busy.status(), &busy.json()["error"]["type"]), (409, &"idempotency_error".into()));
    let other = test.ask("/refunds", "r1", "charge=ch_x").await;
    assert_eq!(
        (other.status(), &other.json()["error"]["type"]),
        (400, &"idempotency_error".into())
    );
    test.clock.advance(1_999);
    assert_eq!(refunded(&test), 0);
    test.clock.advance(1);
    assert_eq!(refunded(&test), 100);
    assert_eq!(test.stripe().summary().busy, 1);
    let again = test.ask("/refunds", "r1", &form).await;
    assert!(again.text().contains("idempotent-replayed: true"));
    is_repaired_by_a_repeat(&test, &form).await;
}

#[tokio::test]
async fn a_stored_error_is_replayed_whether_or_not_there_was_an_effect() {
    for (fault, status, effect) in [
        (StripeFault::ErrorStoredAfter, 500, 100),
        (StripeFault::ErrorStoredBefore, 500, 0),
        (StripeFault::ShouldNotRetry, 500, 0),
        (StripeFault::CardError, 402, 0),
    ] {
        let (heard, test, form) = refund(fault).await;
        assert_eq!(heard.status(), status, "{fault:?}");
        let told_to_stop = heard.text().contains("stripe-should-retry: false");
        assert_eq!(told_to_stop, fault == StripeFault::ShouldNotRetry);
        let again = test.ask("/refunds", "r1", &form).await;
        assert_eq!((again.status(), again.body()), (status, heard.body()));
        assert!(again.text().contains("idempotent-replayed: true"));
        assert_eq!(refunded(&test), effect, "{fault:?}");
        assert_eq!(kinds(test.stripe()).contains(&"refund.created".to_owned()), effect > 0);
        assert_eq!(test.ask("/refunds", "r2", &form).await.status(), 200, "another key is new");
    }
}

#[tokio::test]
async fn an_error_that_is_not_stored_did_nothing_and_may_be_repeated() {
    for (fault, status, header) in [
        (StripeFault::ErrorNotStored, 500, ""),
        (StripeFault::LockTimeout, 409, ""),
        (StripeFault::TooMany, 429, ""),
        (StripeFault::TooManyWait, 429, "retry-after: 1"),
        (StripeFault::ShouldRetry, 400, "stripe-should-retry: true"),
    ] {
        let (heard, test, form) = refund(fault).await;
        let class = if status == 500 { heard.status() / 100 * 100 } else { heard.status() };
        assert_eq!(class, status, "{fault:?}");
        assert!(heard.text().contains(header), "{fault:?}");
        assert_eq!(heard.text().contains("retry-after"), fault == StripeFault::TooManyWait);
        assert_eq!(refunded(&test), 0);
        is_repaired_by_a_repeat(&test, &form).await;
    }
    let (heard, ..) = refund(StripeFault::LockTimeout).await;
    assert_eq!(heard.json()["error"]["code"], "lock_timeout");
}

#[tokio::test]
async fn an_answer_that_cannot_be_read_has_had_its_effect() {
    let (corrupt, test, form) = refund(StripeFault::CorruptAnswer).await;
    assert!(
        corrupt.status() == 200
            && serde_json::from_str::<serde_json::Value>(&corrupt.body()).is_err()
    );
    is_repaired_by_a_repeat(&test, &form).await;
    let (cut, test, form) = refund(StripeFault::CutAnswer).await;
    assert!(cut.status() == 200 && !cut.is_whole());
    is_repaired_by_a_repeat(&test, &form).await;
    let (big, test, form) = refund(StripeFault::BigAnswer).await;
    assert_eq!(big.body().len(), 8 * 1024 * 1024);
    is_repaired_by_a_repeat(&test, &form).await;
}

#[tokio::test]
async fn a_wrong_object_is_another_one_of_its_kind() {
    let test = Test::new().await;
    let (first, second) = (test.stripe().pay("o1", 10, "usd"), test.stripe().pay("o2", 20, "usd"));
    test.stripe().inject(StripeFault::ReadWrong);
    let path = format!("/payment_intents/{second}");
    assert_eq!(test.look(&path).await.json()["id"], first.as_str());
    assert_eq!(test.look(&path).await.json()["id"], second.as_str());
    let (heard, test, form) = refund(StripeFault::WrongObject).await;
    let own = test.ask("/refunds", "r1", &form).await.json();
    assert!(heard.json()["id"].as_str().unwrap().starts_with("re_"));
    assert_ne!(heard.json()["id"], own["id"]);
    assert_eq!(refunded(&test), 100);
}

#[tokio::test]
async fn a_trickling_answer_says_one_byte_a_second() {
    let test = Test::new().await;
    test.stripe().inject(StripeFault::ReadTrickle);
    let addr = test.running.addr;
    let secret = crate::client::SECRET;
    let sent =
        tokio::spawn(async move { call(addr, "GET", "/v1/refunds?limit=x", &[secret], "").await });
    let is_told = |event: &Event| matches!(event, Event::Called { .. });
    test.stripe().wait_until(|lines| lines.iter().any(|line| is_told(&line.event))).await;
    let mut seconds = 0;
    while !sent.is_finished() {
        test.clock.advance(1_000);
        seconds += 1;
        assert!(seconds < 1_000_000, "it never ends");
        tokio::task::yield_now().await;
    }
    let heard = sent.await.unwrap();
    assert!(heard.is_whole() && heard.status() == 400);
    assert!(seconds >= heard.body().len(), "{seconds} seconds for {}", heard.body());
}

#[tokio::test]
async fn a_slow_answer_comes_after_its_effect_and_keeps_its_key_in_use() {
    let test = Test::new().await;
    test.stripe().inject(StripeFault::Slow);
    let addr = test.running.addr;
    let ask = move || async move {
        let headers = [crate::client::SECRET, "Idempotency-Key: a"];
        call(addr, "POST", "/v1/payment_intents", &headers, PAID).await
    };
    let first = tokio::spawn(ask());
    let is_stored = |event: &Event| matches!(event, Event::Stored { .. });
    test.stripe().wait_until(|lines| lines.iter().any(|line| is_stored(&line.event))).await;
    assert_eq!(test.stripe().summary().sums["usd"].received, 1099);
    test.clock.advance(249);
    let busy = ask().await;
    assert_eq!(
        (busy.status(), &busy.json()["error"]["code"]),
        (409, &"idempotency_key_in_use".into())
    );
    assert!(!first.is_finished());
    test.clock.advance(1);
    let first = first.await.unwrap();
    assert_eq!(first.json()["status"], "succeeded");
    assert_eq!(ask().await.body(), first.body(), "the 409 was not stored");
    assert_eq!(test.stripe().summary().intents, 1);
}

#[tokio::test]
async fn reads_fail_in_as_many_ways() {
    let test = Test::new().await;
    let id = test.stripe().pay("o1", 10, "usd");
    let path = format!("/payment_intents/{id}");
    let look = async |fault| {
        test.stripe().inject(fault);
        test.look(&path).await
    };
    assert!(look(StripeFault::ReadDrop).await.is_nothing());
    assert!(look(StripeFault::ReadError).await.status() >= 500);
    assert_eq!(look(StripeFault::ReadTooMany).await.status(), 429);
    assert!(look(StripeFault::ReadTooManyWait).await.text().contains("retry-after: 1"));
    assert!(!look(StripeFault::ReadCut).await.is_whole());
    assert_eq!(look(StripeFault::ReadBig).await.body().len(), 8 * 1024 * 1024);
    let corrupt = look(StripeFault::ReadCorrupt).await;
    assert!(serde_json::from_str::<serde_json::Value>(&corrupt.body()).is_err());
    assert_eq!(test.look(&path).await.json()["id"], id.as_str());
    // A fault of POSTs does not hit a read.
    assert_eq!(look(StripeFault::DropAnswer).await.status(), 200);
}

#[tokio::test]
async fn drawn_faults_are_the_same_for_the_same_seed_and_end_after_some() {
    let run = async |seed| {
        let faults = StripeFaults { seed, drop_answer: 0.5, ..StripeFaults::none() };
        let test = shop(Settings { faults, ..Settings::default() }).await;
        let mut heard = Vec::new();
        for key in ["a", "b", "c", "d", "e", "f"] {
            for _ in 0..3 {
                heard.push(test.ask("/payment_intents", key, PAID).await.is_nothing());
            }
        }
        heard
    };
    let first = run(1).await;
    assert_eq!(first, run(1).await);
    assert_ne!(first, run(2).await);
    let faults = StripeFaults { drop_answer: 1.0, read_drop: 1.0, ..StripeFaults::none() };
    let test = shop(Settings { faults, ..Settings::default() }).await;
    for nth in 1..=5 {
        assert_eq!(test.ask("/payment_intents", "a", PAID).await.is_nothing(), nth <= 4);
        assert_eq!(test.look("/refunds").await.is_nothing(), nth <= 4);
    }
    assert_eq!(test.stripe().summary().intents, 1);
}

#[tokio::test]
async fn calls_over_the_limit_of_a_second_are_refused_before_their_key() {
    let settings = Settings {
        reads_per_second_max: Some(2),
        writes_per_second_max: Some(1),
        ..Settings::default()
    };
    let test = shop(settings).await;
    assert_eq!(test.ask("/payment_intents", "a", PAID).await.status(), 200);
    let over = test.ask("/payment_intents", "b", PAID).await;
    assert_eq!((over.status(), &over.json()["error"]["code"]), (429, &"rate_limit".into()));
    let reads = [test.look("/refunds").await, test.look("/refunds").await, test.look("/x").await];
    assert_eq!(reads.map(|heard| heard.status())[..2], [200, 200]);
    assert_eq!(test.look("/refunds").await.status(), 429);
    test.clock.advance(1_000);
    assert_eq!(test.ask("/payment_intents", "b", PAID).await.status(), 200, "nothing was stored");
    assert_eq!(test.look("/refunds").await.status(), 200);
    test.stripe().set_limits(None, None);
    assert_eq!(test.ask("/payment_intents", "c", PAID).await.status(), 200);
    assert_eq!((test.stripe().summary().limited, test.stripe().summary().intents), (2, 3));
}
