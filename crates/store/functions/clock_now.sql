-- Purpose: the one clock of the shop; every door reads time here, once, into a variable.
-- Locks:   none.
-- Rows:    none.
-- Callers: the other functions only. A test schema replaces it by one that reads a row, which
--          doctor reports as drift.
create or replace function :"schema".clock_now() returns timestamptz
language sql volatile
return clock_timestamp();
