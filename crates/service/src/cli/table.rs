//! Tables for eyes.

use comfy_table::presets::NOTHING;
use comfy_table::{ContentArrangement, Table};

/// A table with a headline, as wide as its content needs; no lines, so that it can be copied.
pub fn table<const N: usize>(headline: [&str; N]) -> Table {
    let mut table = Table::new();
    table
        .load_style(NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(headline);
    table
}
