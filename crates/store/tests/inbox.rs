//! Messages of Stripe: stored once, followed up until they are finished, and always in time to stop
//! what they speak against.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "helpers of tests may fail by panic, like the tests"
)]

mod shop;

use futures_util::future::join_all;
use orders_store::inbox::{
    Finished, Message, Ours, Received, Source, Verdict, adopt, cursor, done_refunds, due,
    fail_refund, finish, known, move_cursor, nudge_moves, receive, tally, uncount,
};
use orders_store::payment;
use serde_json::{Value, json};
use shop::{Shop, facts};
use uuid::Uuid;

/// A message about the payment of an order.
fn about(payment_intent: &str) -> Message<'_> {
    Message {
        source: Source::Webhook,
        event_id: "evt_1",
        kind: "charge.refunded",
        object: "charge",
        object_id: "ch_1",
        object_digest: &[1; 32],
        payment_intent: Some(payment_intent),
        livemode: false,
        created_s: 1_767_225_600,
        account: None,
        body: Some(b"{}"),
        known: true,
    }
}

fn intent(order: Uuid) -> String {
    format!("pi_{}", order.simple())
}

async fn received(shop: &Shop, message: &Message<'_>) -> Received {
    receive(&shop.app, message, &Ours::default()).await.unwrap()
}

/// A shop whose gate is as strict as a real one, on a clock of its own.
async fn strict() -> Shop {
    let shop = Shop::fresh().await;
    shop.own_clock().await;
    shop.sql("update settings set value = '60000' where name = 'gate_age_ms'").await;
    shop
}

/// What Stripe says of a payment, if it was asked at this moment.
fn asked(order: Uuid, asked_us: i64) -> Value {
    let mut told = facts(order);
    told["asked_us"] = json!(asked_us);
    told
}

async fn claimable(shop: &Shop) -> String {
    shop.text("select count(*) from lock_due_orders('zinc_v1', 100)").await
}

/// A claim with its intent, as a statement.
fn claim(order: Uuid) -> String {
    format!(
        "select count(c.*)::text from lock_due_orders('zinc_v1', 1, '{order}') as o cross join lateral
           commit_intents('zinc_v1', 't', gen_random_uuid(), 60000, 30000, 82800000,
             array[o.id], array[o.version], array[1], array[gen_random_uuid()],
             array[gen_random_uuid()::text], array['{{}}'::bytea], array[sha256('{{}}')]) as c"
    )
}

/// The receipt of a message about the payment of an order, as a statement.
fn receipt(order: Uuid) -> String {
    format!(
        "select receive_event('webhook', 'evt_1', 'charge.refunded', 'charge', 'ch_1', sha256('1'), '{}',
           false, 0, null, '{{}}', false, null, true)",
        intent(order)
    )
}

#[tokio::test]
async fn window_c4_facts_that_were_asked_for_before_a_message_came_do_not_answer_it() {
    let shop = strict().await;
    let id = shop.paid("1").await;
    shop.shift("2 minutes").await;
    let before = payment::due(&shop.app, 10).await.unwrap().remove(0).asked_us;
    assert_eq!(received(&shop, &about(&intent(id))).await, Received::New);
    shop.told(&[asked(id, before)]).await;
    assert_eq!(claimable(&shop).await, "0", "the answer may be older than the message");
    let again = payment::due(&shop.app, 10).await.unwrap();
    assert_eq!(again.len(), 1, "it is read again at once");
    shop.told(&[asked(id, again[0].asked_us)]).await;
    assert_eq!(claimable(&shop).await, "1");
}

#[tokio::test]
async fn window_c4_a_second_message_is_not_answered_by_what_was_asked_for_after_the_first() {
    let shop = strict().await;
    let id = shop.paid("1").await;
    let intent = intent(id);
    received(&shop, &about(&intent)).await;
    let between = due(&shop.app, 10).await.unwrap()[0].asked_us;
    let second = Message { event_id: "evt_2", object_digest: &[2; 32], ..about(&intent) };
    assert_eq!(received(&shop, &second).await, Received::New);
    shop.told(&[asked(id, between)]).await;
    assert_eq!(claimable(&shop).await, "0");
    let after = due(&shop.app, 10).await.unwrap()[0].asked_us;
    shop.told(&[asked(id, after)]).await;
    assert_eq!(claimable(&shop).await, "1");
}

#[tokio::test]
async fn g24_what_was_asked_for_earlier_never_replaces_what_was_asked_for_later() {
    let shop = Shop::fresh().await;
    let id = shop.place("1").await;
    shop.sql(&format!("select attach_payment('{id}', '{}')", intent(id))).await;
    let early = payment::due(&shop.app, 10).await.unwrap()[0].asked_us;
    let mut disputed = asked(id, early + 1);
    disputed["dispute"] = json!("open");
    assert_eq!(shop.told(&[disputed]).await, "mismatch");
    assert_eq!(shop.told(&[asked(id, early)]).await, "", "a slow answer comes last");
    let hold = format!("select hold_reason from orders where id = '{id}'");
    assert_eq!(shop.text(&hold).await, "payment_disputed");
    assert_eq!(claimable(&shop).await, "0");
}

#[tokio::test]
async fn window_c4_a_claim_that_meets_a_message_waits_for_it_and_sends_nothing() {
    let shop = Shop::fresh().await;
    let id = shop.paid("1").await;
    let (message, claims) = (shop.session("postgres").await, shop.session("postgres").await);
    message.batch_execute("begin").await.unwrap();
    message.query(&receipt(id), &[]).await.unwrap();
    let begin = async { claims.query_one(&claim(id), &[]).await.unwrap().get::<_, String>(0) };
    let commit = async {
        shop.until_blocked(1).await;
        message.batch_execute("commit").await.unwrap();
    };
    let (claimed, ()) = tokio::join!(begin, commit);
    assert_eq!(claimed, "0", "a purchase begins after the message is stored");
}

#[tokio::test]
async fn window_c4_a_message_that_meets_a_claim_is_stored_after_it() {
    let shop = Shop::fresh().await;
    let id = shop.paid("1").await;
    let (claims, message) = (shop.session("postgres").await, shop.session("postgres").await);
    claims.batch_execute("begin").await.unwrap();
    let claimed: String = claims.query_one(&claim(id), &[]).await.unwrap().get(0);
    assert_eq!(claimed, "1");
    let store = async { message.query_one(&receipt(id), &[]).await.unwrap().get::<_, String>(0) };
    let commit = async {
        shop.until_blocked(1).await;
        claims.batch_execute("commit").await.unwrap();
    };
    let (stored, ()) = tokio::join!(store, commit);
    assert_eq!((&*stored, &*shop.status(id).await), ("new", "submitting"));
}

#[tokio::test]
async fn g24_the_same_message_and_the_same_state_of_an_object_are_recognised() {
    let shop = Shop::fresh().await;
    let id = shop.paid("1").await;
    let intent = intent(id);
    let message = about(&intent);
    let parallel = join_all((0..16).map(|_| received(&shop, &message))).await;
    let new = parallel.iter().filter(|one| **one == Received::New).count();
    let duplicate = parallel.iter().filter(|one| **one == Received::Duplicate).count();
    assert_eq!((new, duplicate), (1, 15));
    let same = Message { event_id: "evt_2", source: Source::Listed, body: None, ..message };
    assert_eq!(received(&shop, &same).await, Received::Repeated);
    let other = Message { event_id: "evt_3", object_digest: &[3; 32], ..message };
    assert_eq!(received(&shop, &other).await, Received::New);
    let rows =
        "select string_agg(concat_ws(' ', event_id, state), ', ' order by event_id) from inbox";
    assert_eq!(shop.text(rows).await, "evt_1 new, evt_2 repeated, evt_3 new");
    let taken = due(&shop.app, 10).await.unwrap();
    assert_eq!(taken.len(), 2);
    assert!(due(&shop.app, 10).await.unwrap().is_empty(), "another engine takes nothing of it");
}

#[tokio::test]
async fn messages_that_are_none_of_ours_are_kept_and_stop_nothing() {
    let shop = strict().await;
    let id = shop.paid("1").await;
    let intent = intent(id);
    let base = about(&intent);
    for (message, word) in [
        (Message { event_id: "evt_a", livemode: true, ..base }, Received::WrongMode),
        (Message { event_id: "evt_b", account: Some("acct_2"), ..base }, Received::WrongAccount),
        (Message { event_id: "evt_c", known: false, ..base }, Received::Ignored),
    ] {
        let ours = Ours { live_mode: false, account: Some("acct_1".into()) };
        assert_eq!(receive(&shop.app, &message, &ours).await.unwrap(), word);
    }
    assert_eq!(claimable(&shop).await, "1");
    assert!(due(&shop.app, 10).await.unwrap().is_empty());
    let alerts = "select string_agg(rule, ' ' order by rule) from alerts";
    assert_eq!(shop.text(alerts).await, "event_of_wrong_account event_of_wrong_mode");
    let ours = Ours { live_mode: false, account: Some("acct_1".into()) };
    let named = Message { event_id: "evt_d", account: Some("acct_1"), ..base };
    assert_eq!(receive(&shop.app, &named, &ours).await.unwrap(), Received::New);
}

#[tokio::test]
async fn a_message_that_is_not_finished_comes_again_ever_more_seldom() {
    let shop = Shop::fresh().await;
    shop.own_clock().await;
    let id = shop.paid("1").await;
    received(&shop, &about(&intent(id))).await;
    for (shift, tries) in [("0 s", 1), ("31 s", 2), ("92 s", 3), ("213 s", 4)] {
        shop.shift(shift).await;
        let taken = due(&shop.app, 10).await.unwrap();
        assert_eq!((taken.len(), taken[0].tries), (1, tries), "{shift}");
        assert!(due(&shop.app, 10).await.unwrap().is_empty(), "{shift}");
    }
    let end =
        Finished { event_id: "evt_1".into(), payment_intent: None, verdict: Verdict::GivenUp };
    for _ in 0..2 {
        finish(&shop.app, std::slice::from_ref(&end)).await.unwrap();
    }
    shop.shift("1 day").await;
    assert!(due(&shop.app, 10).await.unwrap().is_empty());
    let finding = "select string_agg(concat_ws(' ', kind, subject), ', ') from findings";
    assert_eq!(shop.text(finding).await, "event_given_up evt_1");
}

#[tokio::test]
async fn g26_a_payment_that_names_an_order_is_tied_to_it_once_and_no_other_order_is_touched() {
    let shop = Shop::fresh().await;
    let (waiting, paid) = (shop.place("1").await, shop.paid("2").await);
    let name = |id: Uuid| id.to_string();
    assert!(adopt(&shop.app, "t", "pi_a", &name(waiting)).await.unwrap());
    assert!(adopt(&shop.app, "t", "pi_a", &name(waiting)).await.unwrap(), "again");
    assert!(!adopt(&shop.app, "t", "pi_b", &name(waiting)).await.unwrap(), "a second payment");
    assert!(!adopt(&shop.app, "t", "pi_c", &name(paid)).await.unwrap(), "it has its own");
    assert!(!adopt(&shop.app, "t", "pi_d", &name(Uuid::nil())).await.unwrap());
    assert!(!adopt(&shop.app, "t", "pi_e", "subscription 4711").await.unwrap());
    let ours = known(&shop.app, &["pi_a", "pi_b", "pi_d"], 7).await.unwrap();
    assert_eq!((ours.len(), ours[0].order_id, ours[0].asked_us), (1, waiting, 7));
    shop.verify().await;
}

#[tokio::test]
async fn g28_a_refund_that_fails_after_it_was_done_is_shown_and_its_money_is_free_again() {
    let shop = Shop::fresh().await;
    let id = shop.paid("1").await;
    shop.sql(&format!("select cancel_order('{id}')")).await;
    shop.sql("alter table money_moves disable trigger user").await;
    shop.sql("update money_moves set state = 'done', stripe_id = 're_1', due_at = null, settled_at = clock_now()").await;
    shop.sql("alter table money_moves enable trigger user").await;
    assert_eq!(shop.text("select refunds_minor from payments").await, "1530");
    let refunds = done_refunds(&shop.app, &intent(id)).await.unwrap();
    assert_eq!((refunds.len(), &*refunds[0].stripe_id), (1, "re_1"));
    for _ in 0..2 {
        fail_refund(&shop.app, "t", &refunds[0], "expired_or_canceled_card").await.unwrap();
    }
    let moved = "select concat_ws(' ', state, code) from money_moves";
    assert_eq!(shop.text(moved).await, "failed expired_or_canceled_card");
    assert_eq!(shop.text("select refunds_minor from payments").await, "0");
    let told = "select count(*) from order_events where kind = 'move_ended' and data ->> 'state' = 'failed'";
    assert_eq!(shop.text(told).await, "1");
    let finding =
        "select count(*) from findings where kind = 'refund_failed' and closed_at is null";
    assert_eq!(shop.text(finding).await, "1");
    assert!(done_refunds(&shop.app, &intent(id)).await.unwrap().is_empty());
    shop.verify().await;
}

#[tokio::test]
async fn a_movement_of_money_is_looked_at_at_once_when_stripe_sends_word() {
    let shop = Shop::fresh().await;
    let id = shop.paid("1").await;
    shop.sql(&format!("select cancel_order('{id}')")).await;
    let later = |state: &str| {
        format!(
            "update money_moves set state = '{state}', target = '/refunds', body = 'x', due_at = clock_now() + interval '1 hour'"
        )
    };
    shop.sql("alter table money_moves disable trigger user").await;
    let is_due = "select due_at <= clock_now() from money_moves";
    for (state, due) in [("open", "false"), ("unknown", "true"), ("accepted", "true")] {
        shop.sql(&later(state)).await;
        nudge_moves(&shop.app, &[&intent(id), "pi_other"]).await.unwrap();
        assert_eq!(shop.text(is_due).await, due, "{state}");
    }
    shop.sql(&later("accepted")).await;
    nudge_moves(&shop.app, &["pi_other"]).await.unwrap();
    assert_eq!(shop.text(is_due).await, "false");
}

#[tokio::test]
async fn counts_add_up_and_are_shown_in_the_state_of_the_shop() {
    let shop = Shop::fresh().await;
    for _ in 0..2 {
        tally(&shop.app, &[("stripe_webhook_stored", 2), ("stripe_webhook_too_large", 1)])
            .await
            .unwrap();
    }
    tally(&shop.app, &[("another", 1)]).await.unwrap();
    assert_eq!(
        shop.text("select order_system_health() -> 'messages'").await,
        r#"{"stripe_webhook_stored": 4, "stripe_webhook_too_large": 2}"#
    );
}

#[tokio::test]
async fn g23_when_every_signature_is_refused_a_person_is_told_once_until_one_fits() {
    let shop = Shop::fresh().await;
    shop.own_clock().await;
    let alerts = "select concat_ws(' ', count(*) filter (where closed_at is null), count(*))
                    from alerts where rule = 'webhook_signatures_refused' and runbook like '%STRIPE_WEBHOOK_SECRET%stranger%'";
    let (wrong, old) = ("stripe_webhook_forged_wrong_signature", "stripe_webhook_forged_too_old");
    let table: [(&[&str], &str); 8] = [
        (&["stripe_webhook_forged_no_header"], "0 0"),
        (&[wrong, "stripe_webhook_stored"], "0 0"),
        (&[wrong, "stripe_webhook_storing_failed"], "0 0"),
        (&[wrong], "1 1"),
        (&[wrong, old], "1 1"),
        (&["another"], "1 1"),
        (&[old, "stripe_webhook_duplicate"], "0 1"),
        (&[old], "0 1"),
    ];
    for (came, told) in table {
        let counts: Vec<_> = came.iter().map(|name| (*name, 1)).collect();
        tally(&shop.app, &counts).await.unwrap();
        assert_eq!(shop.text(alerts).await, told, "{came:?}");
    }
    shop.shift("61 minutes").await;
    tally(&shop.app, &[(old, 1)]).await.unwrap();
    assert_eq!(shop.text(alerts).await, "1 2", "once in an hour, whoever sends them");
}

#[tokio::test]
async fn g26_a_try_that_told_nothing_is_taken_back_and_comes_again_when_it_would_have() {
    let shop = strict().await;
    received(&shop, &about("pi_1")).await;
    for (shift, tries) in [("0 s", 1), ("31 s", 1), ("62 s", 1)] {
        shop.shift(shift).await;
        let taken = due(&shop.app, 10).await.unwrap();
        assert_eq!((taken.len(), taken[0].tries), (1, tries), "{shift}");
        assert!(due(&shop.app, 10).await.unwrap().is_empty(), "{shift}");
        uncount(&shop.app, &["evt_1", "evt_nobody"]).await.unwrap();
        assert!(due(&shop.app, 10).await.unwrap().is_empty(), "{shift}");
    }
    uncount(&shop.app, &["evt_1"]).await.unwrap();
    assert_eq!(shop.text("select tries from inbox").await, "0");
}

#[tokio::test]
async fn g26_the_list_is_read_from_the_first_order_on_and_then_with_an_hour_of_overlap() {
    let shop = Shop::fresh().await;
    shop.own_clock().await;
    let (from, now) = cursor(&shop.app, "events").await.unwrap();
    assert_eq!(now - from, 3_600, "a new shop");
    shop.place("1").await;
    shop.shift("10 days").await;
    let (from, now) = cursor(&shop.app, "events").await.unwrap();
    assert!((0..5).contains(&(now - from - 10 * 86_400 - 3_600)), "{from} {now}");
    move_cursor(&shop.app, "events", now - 60).await.unwrap();
    move_cursor(&shop.app, "events", now - 9_999).await.unwrap();
    assert_eq!(cursor(&shop.app, "events").await.unwrap().0, now - 60 - 3_600, "never back");
    shop.shift("100 days").await;
    let (from, now) = cursor(&shop.app, "events").await.unwrap();
    assert_eq!(now - from, 30 * 86_400, "Stripe keeps no more");
}

#[tokio::test]
async fn g2_the_payment_of_one_order_is_due_when_its_facts_are_half_as_old_as_a_claim_allows() {
    let shop = strict().await;
    let id = shop.paid("1").await;
    let due_now = async || payment::due_of_order(&shop.app, id).await.unwrap().is_some();
    assert!(!due_now().await, "just read");
    shop.shift("31 s").await;
    assert!(due_now().await);
    let at = payment::due_of_order(&shop.app, id).await.unwrap().unwrap().asked_us;
    shop.told(&[asked(id, at)]).await;
    assert!(!due_now().await);
    received(&shop, &about(&intent(id))).await;
    assert!(due_now().await, "Stripe has sent word");
    shop.sql(&format!("select cancel_order('{id}')")).await;
    assert!(!due_now().await, "nothing is sent for it any more");
}
