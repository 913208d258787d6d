//! Tables for eyes.

use comfy_table::presets::NOTHING;
use comfy_table::{ContentArrangement, Table};

/// A table with a headline and no lines, so that it can be copied. On a terminal it is as wide as
/// that; elsewhere each row stays on one line, so that it can be searched.
pub fn table<const N: usize>(headline: [&str; N]) -> Table {
    let mut table = Table::new();
    table
        .load_style(NOTHING)
        .set_content_arrangement(ContentArrangement::Dynamic)
        .set_header(headline);
    table
}
