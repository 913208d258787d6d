-- Purpose: raises the named error of a guard: its arguments are the sentence and what to do instead.
-- Locks:   none.
-- Rows:    none.
-- Callers: the triggers of this folder; their when clauses decide, so that this body never runs on
--          the good path.
create or replace function :"schema".refuse_write() returns trigger
language plpgsql
set search_path = pg_catalog, pg_temp
as $$
begin
  raise exception '%', tg_argv[0] using errcode = '42501', hint = tg_argv[1];
end $$;
