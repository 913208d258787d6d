//! What was found, as a table, as JSON and as the page docs/MODEL.md.

use crate::catalogue::{Expected, Scenario, TWINS, Twin};
use crate::explore::{Explored, Rest};
use std::fmt::Write as _;

/// A scenario that was explored.
#[derive(Debug, Clone)]
pub struct Row {
    /// Which.
    pub scenario: Scenario,
    /// What was found.
    pub explored: Explored,
    /// Whether everything comes to rest, where that was asked.
    pub rest: Option<Rest>,
}

impl Row {
    /// Whether it is as it must be.
    pub fn is_good(&self) -> bool {
        self.explored.broken.is_empty()
            && self.explored.states >= self.scenario.states_min
            && self.rest.as_ref().is_none_or(|rest| rest.stuck == 0)
    }

    fn result(&self) -> String {
        let holds = match self.explored.broken.as_slice() {
            [] => "holds".to_owned(),
            broken => broken.join(", "),
        };
        let rest = match &self.rest {
            None => "",
            Some(rest) if rest.stuck == 0 => ", an end or a person from every state",
            Some(_) => ", STATES WITHOUT A WAY OUT",
        };
        let whole = if self.explored.complete { "" } else { " (cut off)" };
        format!("{holds}{rest}{whole}")
    }
}

/// A twin that was tried.
#[derive(Debug, Clone)]
pub struct Tried {
    /// Which.
    pub twin: Twin,
    /// How many states were seen.
    pub states: usize,
    /// The shortest history that breaks the law, or that comes to where no way leads out.
    pub history: Vec<String>,
    /// Why it is not as it must be.
    pub objection: Option<String>,
}

impl Tried {
    /// Tries every twin.
    pub fn all() -> Vec<Self> {
        TWINS.iter().copied().map(Self::of).collect()
    }

    /// Tries one: what must break is searched for its shortest history, what must hold is explored
    /// whole, also for a way out of every state.
    pub fn of(twin: Twin) -> Self {
        let world = twin.world.without(twin.guards);
        let (mut states, mut history) = (0, Vec::new());
        let objection = match twin.expected {
            Expected::Breaks(law, length) => {
                let (seen, broken) = world.shortest(Some(law));
                states = seen;
                history = broken.map(|broken| broken.history).unwrap_or_default();
                let found = history.len();
                (found != length).then(|| format!("{law}: {found} acts instead of {length}"))
            }
            Expected::Sticks(length) => {
                let rest = world.stuck();
                states = rest.states;
                history = rest.history;
                let found = history.len();
                (rest.stuck == 0 || found != length)
                    .then(|| format!("stuck after {found} acts instead of {length}"))
            }
            Expected::Holds(_) => {
                let (seen, broken) = world.shortest(None);
                states += seen;
                let rest = world.stuck();
                broken
                    .map(|broken| format!("breaks: {}", broken.law))
                    .or_else(|| (rest.stuck > 0).then(|| "has states without a way out".to_owned()))
            }
        };
        Self { twin, states, history, objection }
    }

    fn result(&self) -> String {
        match (&self.objection, self.twin.expected) {
            (Some(objection), _) => format!("NOT AS IT MUST BE: {objection}"),
            (None, Expected::Breaks(law, length)) => format!("breaks «{law}» in {length} acts"),
            (None, Expected::Sticks(length)) => {
                format!("after {length} acts neither an end nor a person can be reached")
            }
            (None, Expected::Holds(why)) => format!("holds: {why}"),
        }
    }
}

/// The history of a twin as it stands on the page.
pub fn told(history: &[String]) -> String {
    let mut text = String::new();
    for (number, sentence) in history.iter().enumerate() {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}. {sentence}", number + 1);
    }
    text
}

/// A table for people.
pub fn table(rows: &[Row], tried: &[Tried]) -> String {
    let mut text = String::new();
    for row in rows {
        let _ = writeln!(
            text,
            "{:>10} states {:>4} deep {:>7.1} s  {}: {}",
            row.explored.states,
            row.explored.depth,
            row.explored.took.as_secs_f64(),
            row.scenario.name,
            row.result(),
        );
    }
    for twin in tried {
        let (name, missing) = (twin.twin.name, twin.twin.missing);
        let _ = writeln!(text, "{:>10} states  {name}: {missing}: {}", twin.states, twin.result());
    }
    let _ = write!(text, "{:>10} states with all guards", states(rows));
    text
}

/// The same for programs.
pub fn json(rows: &[Row], tried: &[Tried]) -> String {
    let scenarios: Vec<String> = rows
        .iter()
        .map(|row| {
            format!(
                r#"{{"name":"{}","states":{},"depth":{},"seconds":{:.3},"complete":{},"good":{}}}"#,
                row.scenario.name,
                row.explored.states,
                row.explored.depth,
                row.explored.took.as_secs_f64(),
                row.explored.complete,
                row.is_good(),
            )
        })
        .collect();
    let twins: Vec<String> = tried
        .iter()
        .map(|twin| {
            format!(
                r#"{{"name":"{}","states":{},"acts":{},"result":"{}","good":{}}}"#,
                twin.twin.name,
                twin.states,
                twin.history.len(),
                twin.result(),
                twin.objection.is_none(),
            )
        })
        .collect();
    format!(
        r#"{{"states":{},"scenarios":[{}],"twins":[{}]}}"#,
        states(rows),
        scenarios.join(","),
        twins.join(",")
    )
}

fn states(rows: &[Row]) -> usize {
    rows.iter().map(|row| row.explored.states).sum()
}

/// The page docs/MODEL.md.
pub fn markdown(rows: &[Row], tried: &[Tried], date: &str) -> String {
    let mut text = String::from(HEAD);
    let _ = writeln!(
        text,
        "Written by `just model --write docs/MODEL.md` on {date}: {} states with all guards.\n",
        states(rows)
    );
    text.push_str("## With all guards\n\n| scenario | states | depth | seconds | result |\n|---|---:|---:|---:|---|\n");
    for row in rows {
        let _ = writeln!(
            text,
            "| {} | {} | {} | {:.1} | {} |",
            row.scenario.name,
            row.explored.states,
            row.explored.depth,
            row.explored.took.as_secs_f64(),
            row.result(),
        );
    }
    text.push_str("\n## The twins\n\n| twin | what is missing | result |\n|---|---|---|\n");
    for twin in tried {
        let (name, missing) = (twin.twin.name, twin.twin.missing);
        let _ = writeln!(text, "| {name} | {missing} | {} |", twin.result());
    }
    text.push_str("\n## The shortest histories\n");
    for twin in tried.iter().filter(|twin| !twin.history.is_empty()) {
        let _ = write!(
            text,
            "\n### {}: {}\n\n{}",
            twin.twin.name,
            twin.twin.missing,
            told(&twin.history)
        );
    }
    text
}

const HEAD: &str = "\
# The model

What the exploration of `crates/model` found. How it is built and what it leaves out stands in [ADR 11](adr/0011-a-model-that-shares-the-decisions.md).

«Cut off» means that the search ended at its number of generated states; everything else was explored whole, within the numbers of crashes, losses, refusals and the like that the scenario grants. A twin is the protocol without one guard, or without one assumption about a partner. A twin that holds shows that the guard is not the safety: it saves calls, or stands behind another one.

";
