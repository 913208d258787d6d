-- Purpose: refuses options that a door does not know, and values that an option cannot mean, naming
--          both: a misspelt option would be left out without a word. Options that are null are none.
-- Locks:   none.
-- Rows:    none.
-- Callers: the public doors, first of all.
create or replace function :"schema".check_options(options jsonb, known text[]) returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  fault text;
begin
  if options is null or jsonb_typeof(options) = 'null' then
    return;
  end if;
  if jsonb_typeof(options) <> 'object' then
    raise exception 'options must be a JSON object' using errcode = '22023';
  end if;
  select 'options.' || left(o.key, 60) || ' ' || f.fault into fault
    from jsonb_each(options) as o
   cross join lateral (select case
     when o.key <> all (known) then 'is not known; known are ' || array_to_string(known, ', ')
     when jsonb_typeof(o.value) = 'null' then null
     when o.key = 'batch' then :"schema".whole_fault(o.value, 1, 1000)
     when o.key = 'uncompared' then case when jsonb_typeof(o.value) <> 'boolean' then 'must be true or false' end
     when jsonb_typeof(o.value) <> 'string' then 'must be a text'
     when o.key = 'actor' then :"schema".line_fault(o.value #>> '{}', 200)
     when o.key = 'note' then :"schema".line_fault(o.value #>> '{}', 300)
     when o.key = 'order_id' and o.value #>> '{}' !~ '^[0-9a-fA-F]{8}(-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}$' then 'must be a uuid'
   end as fault) as f
   where f.fault is not null
   order by o.key limit 1;
  if fault is not null then
    raise exception '%', fault using errcode = '22023';
  end if;
end $$;
