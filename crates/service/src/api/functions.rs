//! Edge functions, as `supabase.functions.invoke` calls them.

pub(crate) mod process_zma_order;
