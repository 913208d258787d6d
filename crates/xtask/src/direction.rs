//! Who may depend on whom, and which crate may name which library.
//!
//! Promise: `core <- store`, `core <- gateway`, all three `<- service`; the sandbox knows `core`
//! and the wire; the embedded server knows nobody; the model knows `core`, and nobody knows the
//! model. The driver of the database is named in one crate, the HTTP client in two (the real one
//! and the pretended world), the router and the model checker in one.
//!
//! Relies on `cargo metadata` for what the manifests say. Build dependencies count like ordinary
//! ones; dev-dependencies are looser, because a test may look at what a program may not.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use crate::finding::Finding;

const CORE: &str = "orders-core";
const STORE: &str = "orders-store";
const GATEWAY: &str = "orders-gateway";
const SANDBOX: &str = "orders-sandbox";
const EMBEDDED: &str = "orders-embedded";
const MODEL: &str = "orders-model";
const SERVICE: &str = "atomic-orders";
const PROOF: &str = "orders-proof";
const XTASK: &str = "xtask";

/// What one crate of the workspace may use of the others.
struct Place {
    name: &'static str,
    uses: &'static [&'static str],
    tests_use: &'static [&'static str],
}

/// The house. A new crate needs a line here, which is the moment to think about its place.
const PLACES: &[Place] = &[
    Place { name: CORE, uses: &[], tests_use: &[] },
    Place { name: STORE, uses: &[CORE], tests_use: &[EMBEDDED, SANDBOX] },
    Place { name: GATEWAY, uses: &[CORE], tests_use: &[SANDBOX] },
    Place { name: SANDBOX, uses: &[CORE], tests_use: &[STORE, GATEWAY, EMBEDDED, SERVICE] },
    Place { name: EMBEDDED, uses: &[], tests_use: &[] },
    Place { name: MODEL, uses: &[CORE], tests_use: &[] },
    Place { name: SERVICE, uses: &[CORE, STORE, GATEWAY, SANDBOX, EMBEDDED], tests_use: &[PROOF] },
    Place {
        name: PROOF,
        uses: &[CORE, STORE, GATEWAY, SANDBOX, EMBEDDED, SERVICE],
        tests_use: &[],
    },
    Place { name: XTASK, uses: &[], tests_use: &[] },
];

/// A family of libraries and the crates that may name it.
struct Vocabulary {
    /// Library names; one that ends in `*` stands for all names that begin so.
    libraries: &'static [&'static str],
    named_by: &'static [&'static str],
    tested_by: &'static [&'static str],
    reason: &'static str,
}

/// Which words belong to whom.
const VOCABULARY: &[Vocabulary] = &[
    Vocabulary {
        libraries: &["tokio-postgres", "deadpool-postgres", "postgres", "postgres-*"],
        named_by: &[STORE],
        tested_by: &[STORE, EMBEDDED, SERVICE, SANDBOX],
        reason: "only the store speaks SQL: give it a function for what you need",
    },
    Vocabulary {
        libraries: &["hyper", "hyper-util", "hyper-rustls"],
        named_by: &[GATEWAY, SANDBOX],
        tested_by: &[GATEWAY, SANDBOX, SERVICE],
        reason: "only the gateway calls out, so that every call has its deadline and its key",
    },
    Vocabulary {
        libraries: &["axum", "axum-*", "tower-http"],
        named_by: &[SERVICE],
        tested_by: &[SERVICE],
        reason: "only the service has routes",
    },
    Vocabulary {
        libraries: &["stateright"],
        named_by: &[MODEL],
        tested_by: &[],
        reason: "only the model explores; nothing that runs may know it",
    },
    Vocabulary {
        libraries: &["reqwest", "ureq", "isahc", "curl", "sqlx", "sqlx-*", "diesel", "diesel-*"],
        named_by: &[],
        tested_by: &[],
        reason: "docs/adr/ says why this house does without it",
    },
];

/// What `core` stays free of, whatever the kind of dependency.
const NOT_IN_CORE: Vocabulary = Vocabulary {
    libraries: &[
        "tokio",
        "tokio-*",
        "futures",
        "futures-*",
        "async-*",
        "hyper",
        "hyper-*",
        "http",
        "http-*",
        "axum",
        "axum-*",
        "tower",
        "tower-*",
        "rustls",
        "postgres",
        "postgres-*",
        "rusqlite",
        "deadpool*",
    ],
    named_by: &[],
    tested_by: &[],
    reason: "core is pure: no async, no I/O, no SQL, no HTTP",
};

impl Vocabulary {
    fn holds(&self, library: &str) -> bool {
        self.libraries.iter().any(|known| match known.strip_suffix('*') {
            Some(beginning) => library.starts_with(beginning),
            None => library == *known,
        })
    }
}

/// Checks the workspace at `root`.
pub fn check(root: &Path) -> Result<Vec<Finding>> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--no-deps", "--offline", "--format-version", "1"])
        .current_dir(root)
        .output()
        .context("cannot run cargo metadata")?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "cargo metadata failed: {complaint}");
    judge(&serde_json::from_slice(&output.stdout).context("cannot read cargo metadata")?)
}

/// Judges cargo's description of the workspace.
fn judge(metadata: &Value) -> Result<Vec<Finding>> {
    let packages = metadata["packages"].as_array().context("cargo metadata lists no packages")?;
    let names: Vec<&str> = packages.iter().filter_map(|package| package["name"].as_str()).collect();
    let root = metadata["workspace_root"].as_str().unwrap_or_default();
    let mut findings = Vec::new();
    for package in packages {
        let name = package["name"].as_str().context("a package has no name")?;
        let manifest = package["manifest_path"].as_str().unwrap_or(name);
        let manifest = manifest.strip_prefix(root).unwrap_or(manifest).trim_start_matches('/');
        let Some(place) = PLACES.iter().find(|place| place.name == name) else {
            let sentence = format!(
                "{name} has no place in the house: add a line to PLACES in \
                 crates/xtask/src/direction.rs that says whom it may use"
            );
            findings.push(Finding::file(manifest, sentence));
            continue;
        };
        for dependency in package["dependencies"].as_array().into_iter().flatten() {
            let library = dependency["name"].as_str().context("a dependency has no name")?;
            let in_tests = dependency["kind"] == "dev";
            let sentences = if names.contains(&library) {
                neighbour(place, library, in_tests)
            } else {
                stranger(name, library, in_tests)
            };
            findings.extend(sentences.into_iter().map(|text| Finding::file(manifest, text)));
        }
    }
    Ok(findings)
}

/// A dependency on a crate of this workspace.
fn neighbour(place: &Place, library: &str, in_tests: bool) -> Option<String> {
    let allowed = place.uses.contains(&library) || in_tests && place.tests_use.contains(&library);
    (!allowed).then(|| {
        let tests = if in_tests { ", not even in tests" } else { "" };
        let may = match place.uses {
            [] => "no crate of the workspace".to_owned(),
            uses => uses.join(", "),
        };
        let name = place.name;
        format!("{name} must not depend on {library}{tests}: it may use {may}")
    })
}

/// A dependency on a library from outside.
fn stranger(name: &str, library: &str, in_tests: bool) -> Option<String> {
    if name == CORE && NOT_IN_CORE.holds(library) {
        return Some(format!("{name} must not name {library}: {}", NOT_IN_CORE.reason));
    }
    let family = VOCABULARY.iter().find(|family| family.holds(library))?;
    let allowed = family.named_by.contains(&name) || in_tests && family.tested_by.contains(&name);
    (!allowed).then(|| {
        let moved = if family.tested_by.contains(&name) { " outside its tests" } else { "" };
        format!("{name} must not name {library}{moved}: {}", family.reason)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Judges one crate with one dependency, beside all crates of the house.
    fn judged(name: &str, library: &str, kind: Option<&str>) -> Vec<Finding> {
        let mut packages: Vec<Value> = PLACES
            .iter()
            .filter(|place| place.name != name)
            .map(|place| json!({"name": place.name, "dependencies": []}))
            .collect();
        let dependencies = json!([{"name": library, "kind": kind}]);
        let manifest = format!("/house/crates/{name}/Cargo.toml");
        packages
            .push(json!({"name": name, "manifest_path": manifest, "dependencies": dependencies}));
        judge(&json!({"packages": packages, "workspace_root": "/house"})).unwrap()
    }

    #[test]
    fn an_edge_against_the_direction_is_refused() {
        let against = [
            (CORE, STORE),
            (STORE, GATEWAY),
            (GATEWAY, STORE),
            (SANDBOX, GATEWAY),
            (EMBEDDED, CORE),
            (STORE, SANDBOX),
            (GATEWAY, SERVICE),
            (XTASK, CORE),
            (MODEL, STORE),
            (SERVICE, MODEL),
        ];
        for (name, library) in against {
            let findings = judged(name, library, None);
            assert_eq!(findings.len(), 1, "{name} -> {library}");
            assert!(findings[0].to_string().contains(&format!("{name} must not depend on")));
        }
    }

    #[test]
    fn a_word_that_belongs_to_another_crate_is_refused() {
        let wrong = [
            (CORE, "tokio"),
            (CORE, "tokio-util"),
            (CORE, "deadpool-postgres"),
            (SERVICE, "tokio-postgres"),
            (EMBEDDED, "postgres-types"),
            (SERVICE, "hyper"),
            (STORE, "hyper-util"),
            (SANDBOX, "axum"),
            (SERVICE, "reqwest"),
            (STORE, "sqlx"),
            (SERVICE, "stateright"),
        ];
        for (name, library) in wrong {
            assert_eq!(judged(name, library, None).len(), 1, "{name} names {library}");
            assert_eq!(judged(name, library, Some("build")).len(), 1, "{name} builds {library}");
        }
        assert_eq!(judged(CORE, "tokio", Some("dev")).len(), 1);
        assert_eq!(judged(STORE, "axum", Some("dev")).len(), 1);
    }

    #[test]
    fn what_the_house_allows_passes() {
        let fine = [
            (STORE, CORE, None),
            (SERVICE, SANDBOX, None),
            (STORE, "tokio-postgres", None),
            (GATEWAY, "hyper", None),
            (SERVICE, "axum", None),
            (CORE, "serde", None),
            (STORE, SANDBOX, Some("dev")),
            (SANDBOX, STORE, Some("dev")),
            (EMBEDDED, "tokio-postgres", Some("dev")),
            (SERVICE, "deadpool-postgres", Some("dev")),
        ];
        for (name, library, kind) in fine {
            assert_eq!(judged(name, library, kind), [], "{name} -> {library}");
        }
    }

    #[test]
    fn a_crate_without_a_place_is_named() {
        let findings = judged("orders-shortcut", "serde", None);
        assert_eq!(findings.len(), 1);
        assert!(findings[0].to_string().contains("orders-shortcut has no place"));
        assert_eq!(findings[0].path, "crates/orders-shortcut/Cargo.toml");
    }

    #[test]
    fn metadata_that_cannot_be_read_is_an_error_and_not_a_pass() {
        assert!(judge(&json!({})).is_err());
        assert!(judge(&json!({"packages": [{}]})).is_err());
    }
}
