//! Lists: pages, filters, and what they refuse.

use crate::client::Test;
use crate::shop::{START_S, ids, shop};
use orders_sandbox::StripeFaults;
use orders_sandbox::stripe::Settings;

/// Five payments, one a second.
fn five(test: &Test) -> Vec<String> {
    let mut made = Vec::new();
    for n in 0..5 {
        made.push(test.stripe().pay(&format!("o{n}"), 100, "usd"));
        test.clock.advance(1000);
    }
    made
}

#[tokio::test]
async fn objects_are_listed_by_their_second() {
    let test = Test::new().await;
    let made = five(&test);
    for (filter, wanted) in [
        (format!("created[gte]={}", START_S + 3), vec![&made[4], &made[3]]),
        (format!("created[gt]={}", START_S + 3), vec![&made[4]]),
        (format!("created[lte]={}", START_S + 1), vec![&made[1], &made[0]]),
        (format!("created[lt]={}", START_S + 1), vec![&made[0]]),
        (format!("created={}", START_S + 2), vec![&made[2]]),
        (
            format!("created[gte]={}&created[lt]={}", START_S + 1, START_S + 3),
            vec![&made[2], &made[1]],
        ),
    ] {
        let list = test.look(&format!("/payment_intents?{filter}")).await.json();
        assert_eq!(ids(&list).iter().collect::<Vec<_>>(), wanted, "{filter}");
        assert_eq!(list["has_more"], false);
    }
}

#[tokio::test]
async fn pages_of_a_filtered_list_miss_and_repeat_nothing() {
    let test = Test::new().await;
    let paid = test.stripe().pay("o1", 1000, "usd");
    let other = test.stripe().pay("o2", 1000, "usd");
    // Older ones of another payment lie behind the last page, and must not make a further one.
    for _ in 0..5 {
        test.stripe().refund(&other, Some(10)).unwrap();
    }
    let mut wanted = Vec::new();
    for _ in 0..7 {
        wanted.push(test.stripe().refund(&paid, Some(10)).unwrap());
        test.stripe().refund(&other, Some(10)).unwrap();
    }
    wanted.reverse();
    let mut seen = Vec::new();
    let mut after = String::new();
    loop {
        let path = format!("/refunds?payment_intent={paid}&limit=3{after}");
        let page = test.look(&path).await.json();
        seen.extend(ids(&page));
        assert_eq!(page["has_more"], seen.len() < wanted.len());
        if page["has_more"] == false {
            break;
        }
        after = format!("&starting_after={}", seen.last().unwrap());
    }
    assert_eq!(seen, wanted);
}

#[tokio::test]
async fn a_list_refuses_what_it_does_not_know() {
    let test = Test::new().await;
    for path in [
        "/payment_intents?limit=0",
        "/payment_intents?limit=101",
        "/payment_intents?limit=x",
        "/payment_intents?statuss=succeeded",
        "/payment_intents?created[from]=1",
        "/payment_intents?created[gte]=yesterday",
        "/payment_intents?expand[]=data.everything",
        "/events?type=a&types[]=b",
        "/events?delivery_success=perhaps",
        "/refunds/re_1?limit=3",
    ] {
        assert_eq!(test.look(path).await.status(), 400, "{path}");
    }
    for path in [
        "/payment_intents?starting_after=pi_x",
        "/refunds?charge=ch_x",
        "/charges",
        "/charges/pi_x",
        "/events/evt_x",
    ] {
        assert_eq!(test.look(path).await.status(), 404, "{path}");
    }
}

#[tokio::test]
async fn what_is_an_id_can_be_asked_for_as_an_object() {
    let test = Test::new().await;
    let id = test.stripe().pay("o1", 1000, "usd");
    let refund = test.stripe().refund(&id, Some(10)).unwrap();
    let path = format!("/refunds/{refund}?expand[]=payment_intent.latest_charge&expand[]=charge");
    let read = test.look(&path).await.json();
    assert_eq!(read["payment_intent"]["latest_charge"]["amount_refunded"], 10);
    assert_eq!(read["charge"]["payment_intent"], id.as_str());
    let list = test.look("/payment_intents?expand[]=data.latest_charge").await.json();
    assert_eq!(list["data"][0]["latest_charge"]["object"], "charge");
}

#[tokio::test]
async fn events_are_listed_by_type_and_by_whether_they_were_delivered() {
    let faults = StripeFaults { event_lost: 1.0, ..StripeFaults::none() };
    let test = shop(Settings { faults, ..Settings::default() }).await;
    let lost = test.stripe().pay("o1", 100, "usd");
    test.stripe().set_faults(StripeFaults::none()).unwrap();
    let kept = test.stripe().pay("o2", 100, "usd");
    let about = async |query: &str| {
        let found = test.look(&format!("/events?{query}")).await.json();
        let data = found["data"].as_array().unwrap().clone();
        let ids = data.iter().map(|event| event["data"]["object"]["id"].clone());
        ids.map(|id| id.as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let succeeded = "types[]=payment_intent.succeeded";
    assert_eq!(about(succeeded).await, [kept.clone(), lost.clone()]);
    let narrow = format!("{succeeded}&types[]=charge.refunded&delivery_success=false");
    assert_eq!(about(&narrow).await, std::slice::from_ref(&lost));
    assert_eq!(
        about(&format!("{succeeded}&delivery_success=true")).await,
        std::slice::from_ref(&kept)
    );
    assert_eq!(about("type=payment_intent.created").await, [kept.clone(), lost.clone()]);
    assert_eq!(about("type=payment_intent.*&limit=3").await.len(), 3);
    assert!(about("type=charge.refunded").await.is_empty());
}

#[tokio::test]
async fn events_are_gone_after_thirty_days() {
    let test = Test::new().await;
    test.stripe().pay("o1", 100, "usd");
    let id = test.stripe().events()[0].id.clone();
    test.clock.advance(30 * 86_400_000);
    assert_eq!(test.look(&format!("/events/{id}")).await.json()["id"], id.as_str());
    assert_eq!(ids(&test.look("/events").await.json()).len(), 2);
    test.clock.advance(1000);
    assert_eq!(test.look(&format!("/events/{id}")).await.status(), 404);
    assert!(ids(&test.look("/events").await.json()).is_empty());
}
