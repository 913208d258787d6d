//! From the shop's stock codes to the retailer's product ids.

use super::ImportError;
use super::PRODUCTS_MAX;
use super::table::{Record, Table, required};
use std::collections::HashMap;
use std::io::BufRead;

/// A product map: the table of a file, or the stock codes themselves if the operator says so.
#[derive(Debug, Clone)]
pub struct ProductMap(Option<HashMap<String, String>>);

impl ProductMap {
    /// `--product-map identity`: each stock code is the product id.
    pub fn identity() -> Self {
        Self(None)
    }

    /// `--product-map products.csv`: the columns `stock_code` and `product_id`. A map that is wrong
    /// anywhere is refused as a whole, because every order depends on it.
    pub fn read(reader: impl BufRead, file: &str) -> Result<Self, ImportError> {
        let known = [required("stock_code"), required("product_id")];
        let mut table = Table::open(reader, file, &known, "stock_code")?;
        let mut map = HashMap::new();
        let wrong = |line: u64, reason: String| {
            Err(ImportError::Content { file: file.to_owned(), line, reason })
        };
        while let Some(record) = table.next() {
            let row = match record {
                Record::Row(row) => row,
                Record::Broken { problem, .. } | Record::Stopped(problem) => {
                    return wrong(problem.line, problem.reason);
                }
            };
            let code = table.columns().cell(&row, "stock_code");
            let product = table.columns().cell(&row, "product_id");
            let line = row.first_line;
            if code.is_empty() || product.is_empty() || product.trim() != product {
                let reason = "a row needs a stock code and a product id without blanks around it";
                return wrong(line, reason.to_owned());
            }
            if map.len() >= PRODUCTS_MAX {
                return wrong(line, format!("a map may have at most {PRODUCTS_MAX} stock codes"));
            }
            let before = map.insert(code.to_owned(), product.to_owned());
            if before.is_some_and(|before| before != product) {
                return wrong(line, format!("stock code {code} has another product id above"));
            }
        }
        Ok(Self(Some(map)))
    }

    /// The product of a stock code.
    pub fn find<'a>(&'a self, stock_code: &'a str) -> Option<&'a str> {
        match &self.0 {
            None => Some(stock_code),
            Some(map) => map.get(stock_code).map(String::as_str),
        }
    }
}
