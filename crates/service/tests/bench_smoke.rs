//! The benchmark runs to its end on a few orders, says everything that it promises to say, and its
//! figures come from runs in which the provider's ledger knows every order once. No time is judged.

use serde_json::Value;
use std::process::Command;

const FIGURES: [&str; 6] =
    ["per_second", "postgres_cpu_ms", "wal_bytes", "commits", "p50_ms", "p99_ms"];

#[test]
fn the_benchmark_says_every_figure_of_both_sides_and_their_ratio() {
    let ran = Command::new(env!("CARGO_BIN_EXE_atomic-orders"))
        .args(["bench", "--orders", "200", "--rounds", "1", "--latency-ms", "0,5"])
        .args(["--clients", "1,4", "--pending", "300", "--json"])
        .output()
        .unwrap();
    // A run whose ledger does not hold each order exactly once ends in an error, and one in which a
    // message that was acknowledged is not stored.
    assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    let report: Value = serde_json::from_slice(&ran.stdout).unwrap();
    let results = report["results"].as_array().unwrap();
    let names: Vec<_> = results.iter().map(|result| result["name"].as_str().unwrap()).collect();
    let single = "complete_order_processing";
    let message = "message of Stripe";
    assert_eq!(names, ["submit", "submit", single, single, single, single, message, message]);
    for result in results {
        assert!(result["ratio_to_floor"].as_f64().unwrap() > 0.0, "{result}");
        assert!(result["p99_to_floor"].as_f64().unwrap() > 0.0, "{result}");
        assert!(result["floor_is"].is_string(), "{result}");
        let whole = result["name"] == "submit";
        for side in ["floor", "ours"] {
            demand(&result[side], &FIGURES);
            if whole {
                demand(&result[side], &["program_cpu_ms", "peak_memory_mb"]);
                assert_eq!(result[side]["orders"], 200, "{result}");
                assert_eq!(result[side]["bought_once"], 200, "{result}");
            }
        }
    }
    demand(&report["pending"], &["peak_memory_mb"]);
    assert_eq!(report["pending"]["bought_once"], 300, "{report}");
    assert!(report["processors"].as_u64().unwrap() > 0 && report["server"].is_string());
}

/// Demands that a side was measured in these figures.
fn demand(side: &Value, figures: &[&str]) {
    for figure in figures {
        for part in ["median", "min", "max"] {
            assert!(side[figure][part].as_f64().is_some_and(|one| one >= 0.0), "{figure}: {side}");
        }
    }
}
