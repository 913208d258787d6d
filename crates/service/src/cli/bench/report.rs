//! The figures: medians with their range, for eyes and for programs.

use crate::cli::table::table;
use serde_json::{Value, json};

/// One run of one side; amounts are per order.
#[derive(Debug, Clone, Copy)]
pub struct Run {
    /// Orders.
    pub orders: i64,
    /// Orders with exactly one purchase in the provider's ledger, where there is one.
    pub bought_once: Option<u64>,
    /// Orders per second.
    pub per_second: f64,
    /// Processor time of the engine, or of the floor's driver.
    pub program_cpu_ms: Option<f64>,
    /// Processor time of all of PostgreSQL.
    pub postgres_cpu_ms: f64,
    /// Bytes of the write-ahead log.
    pub wal_bytes: f64,
    /// Transactions that wrote.
    pub commits: f64,
    /// From claim to record, or of one call.
    pub p50_ms: f64,
    /// The same, exceeded once in a hundred.
    pub p99_ms: f64,
    /// The most memory of the engine, or of the floor's driver.
    pub peak_memory_mb: Option<f64>,
}

/// Both sides of one comparison.
#[derive(Debug, Clone)]
pub struct Compared {
    /// What was done.
    pub name: &'static str,
    /// What the floor is.
    pub floor_is: &'static str,
    /// The provider's latency, where there is one.
    pub latency_ms: Option<u32>,
    /// Clients, where they are counted.
    pub clients: Option<usize>,
    /// How many were offered a second, where that was fixed: then not the speed is compared, but the
    /// time that was exceeded once in a hundred.
    pub offered: Option<u32>,
    /// Our runs.
    pub ours: Vec<Run>,
    /// The floor's.
    pub floor: Vec<Run>,
}

/// Everything that was measured.
pub struct Report {
    /// Which PostgreSQL.
    pub server: String,
    /// Of this process.
    pub seed: [u8; 32],
    /// The comparisons.
    pub results: Vec<Compared>,
    /// The long queue.
    pub pending: Option<Run>,
}

/// A column of a run: its name, its digits, and how it is read.
type Column = (&'static str, usize, fn(&Run) -> Option<f64>);

const COLUMNS: [Column; 8] = [
    ("per_second", 0, |run| Some(run.per_second)),
    ("program_cpu_ms", 3, |run| run.program_cpu_ms),
    ("postgres_cpu_ms", 3, |run| Some(run.postgres_cpu_ms)),
    ("wal_bytes", 0, |run| Some(run.wal_bytes)),
    ("commits", 3, |run| Some(run.commits)),
    ("p50_ms", 2, |run| Some(run.p50_ms)),
    ("p99_ms", 2, |run| Some(run.p99_ms)),
    ("peak_memory_mb", 1, |run| run.peak_memory_mb),
];

/// The middle and both ends; nothing where nothing was measured.
fn spread(runs: &[Run], read: fn(&Run) -> Option<f64>) -> Option<(f64, f64, f64)> {
    let mut values: Vec<f64> = runs.iter().filter_map(read).collect();
    values.sort_by(f64::total_cmp);
    let (first, last) = (*values.first()?, *values.last()?);
    let half = values.len() / 2;
    let middle = if values.len().is_multiple_of(2) {
        f64::midpoint(values[half - 1], values[half])
    } else {
        values[half]
    };
    Some((middle, first, last))
}

impl Compared {
    /// Our speed as a part of the floor's, of the medians.
    pub fn ratio_to_floor(&self) -> f64 {
        let median =
            |runs| spread(runs, |run| Some(run.per_second)).map_or(0.0, |(middle, ..)| middle);
        let floor = median(&self.floor);
        if floor > 0.0 { median(&self.ours) / floor } else { 0.0 }
    }

    /// Our p99 as a multiple of the floor's, of the medians.
    pub fn p99_to_floor(&self) -> f64 {
        let median = |runs| spread(runs, |run| Some(run.p99_ms)).map_or(0.0, |(middle, ..)| middle);
        let floor = median(&self.floor);
        if floor > 0.0 { median(&self.ours) / floor } else { 0.0 }
    }

    /// What is compared, for eyes.
    fn to_floor(&self) -> String {
        match self.offered {
            Some(_) => format!("p99 × {:.2}", self.p99_to_floor()),
            None => format!("{:.2}", self.ratio_to_floor()),
        }
    }

    fn title(&self) -> String {
        match (self.latency_ms.or(self.offered), self.clients) {
            (Some(rate), _) if self.offered.is_some() => format!("{}, {rate} a second", self.name),
            (Some(ms), _) => format!("{}, provider {ms} ms", self.name),
            (_, Some(clients)) => format!("{}, {clients} clients", self.name),
            _ => self.name.to_owned(),
        }
    }

    fn json(&self) -> Value {
        json!({
            "name": self.name,
            "floor_is": self.floor_is,
            "latency_ms": self.latency_ms,
            "clients": self.clients,
            "rounds": self.ours.len(),
            "offered": self.offered,
            "ratio_to_floor": self.ratio_to_floor(),
            "p99_to_floor": self.p99_to_floor(),
            "ours": side(&self.ours),
            "floor": side(&self.floor),
        })
    }
}

fn side(runs: &[Run]) -> Value {
    let mut figures = serde_json::Map::new();
    figures.insert("orders".into(), json!(runs.first().map_or(0, |run| run.orders)));
    figures.insert("bought_once".into(), json!(runs.first().and_then(|run| run.bought_once)));
    for (name, _, read) in COLUMNS {
        let figure = spread(runs, read)
            .map(|(median, min, max)| json!({"median": median, "min": min, "max": max}));
        figures.insert(name.to_owned(), json!(figure));
    }
    Value::Object(figures)
}

impl Report {
    /// For programs.
    pub fn json(&self) -> Value {
        let seed = orders_core::id::hex(&self.seed);
        json!({
            "server": self.server,
            "seed": seed,
            "processors": std::thread::available_parallelism().map_or(0, usize::from),
            "results": self.results.iter().map(Compared::json).collect::<Vec<_>>(),
            "pending": self.pending.map(|run| side(&[run])),
        })
    }

    /// For eyes.
    pub fn table(&self) -> String {
        let mut figures = table([
            "what",
            "side",
            "per second",
            "program ms",
            "postgres ms",
            "WAL bytes",
            "commits",
            "p50 ms",
            "p99 ms",
            "peak MB",
            "to floor",
        ]);
        let mut add = |what: &str, side: &str, runs: &[Run], ratio: String| {
            let mut row = vec![what.to_owned(), side.to_owned()];
            for (_, digits, read) in COLUMNS {
                row.push(cell(spread(runs, read), digits));
            }
            row.push(ratio);
            figures.add_row(row);
        };
        for result in &self.results {
            let floor = format!("floor: {}", result.floor_is);
            add(&result.title(), &floor, &result.floor, String::new());
            add("", "ours", &result.ours, result.to_floor());
        }
        if let Some(run) = self.pending {
            add(&format!("{} orders pending", run.orders), "ours", &[run], String::new());
        }
        figures.to_string()
    }
}

fn cell(figure: Option<(f64, f64, f64)>, digits: usize) -> String {
    match figure {
        None => String::new(),
        Some((median, min, max)) if max > min => {
            format!("{median:.digits$} ({min:.digits$}–{max:.digits$})")
        }
        Some((median, ..)) => format!("{median:.digits$}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(per_second: f64) -> Run {
        Run {
            orders: 1,
            bought_once: None,
            per_second,
            program_cpu_ms: None,
            postgres_cpu_ms: 0.0,
            wal_bytes: 0.0,
            commits: 0.0,
            p50_ms: 0.0,
            p99_ms: 0.0,
            peak_memory_mb: None,
        }
    }

    #[test]
    fn the_ratio_is_that_of_the_medians() {
        let runs = |speeds: &[f64]| speeds.iter().copied().map(run).collect();
        let compared = Compared {
            name: "submit",
            floor_is: "set-based",
            latency_ms: None,
            clients: None,
            offered: None,
            ours: runs(&[30.0, 10.0, 20.0]),
            floor: runs(&[100.0, 20.0, 60.0]),
        };
        assert!((compared.ratio_to_floor() - 20.0 / 50.0).abs() > 0.01);
        assert!((compared.ratio_to_floor() - 20.0 / 60.0).abs() < 1e-9);
        assert_eq!(spread(&[], |run| Some(run.per_second)), None);
    }
}
