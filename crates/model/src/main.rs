//! tmp
use orders_model::catalogue::*;
fn main() {
    let twins_only = std::env::args().any(|a| a == "twins");
    for s in SCENARIOS.iter().filter(|_| !twins_only) {
        let e = s.world.prove(2, None, &|_| {});
        println!("{}: {e:?}", s.name);
        let r = s.world.stuck();
        println!("   stuck {} of {} resting {}", r.stuck, r.states, r.resting);
        for l in &r.history { println!("      {l}"); }
        if !e.broken.is_empty() { let (_, b) = s.world.shortest(None); println!("{b:#?}"); }
    }
    for t in TWINS.iter().filter(|_| twins_only) {
        let w = t.world.without(t.guards);
        let at = std::time::Instant::now();
        let law = match t.expected { Expected::Breaks(l, _) => Some(l), _ => None };
        let (n, b) = w.shortest(law);
        println!("TWIN {} {}: {n} states, {:?} {} expected {:?}", t.name, t.missing, at.elapsed(), b.as_ref().map_or("HOLDS".to_owned(), |b| format!("{} in {}", b.law, b.history.len())), t.expected);
        if let Some(b) = b { for l in b.history { println!("      {l}"); } }
        if matches!(t.expected, Expected::Sticks(_)|Expected::Holds(_)) { let r = w.stuck(); println!("   stuck {} of {} in {}", r.stuck, r.states, r.history.len());  for l in &r.history { println!("      {l}"); } }
    }
}
