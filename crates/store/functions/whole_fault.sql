-- Purpose: the rule that a number of a caller's JSON breaks, or null: it must be a whole number within
--          bounds. Amounts are integers in the smallest unit from the first door on. // C7
-- Locks:   none.
-- Rows:    none.
-- Callers: check_order_content, check_options.
create or replace function :"schema".whole_fault(value jsonb, least_value bigint, most_value bigint) returns text
language sql stable
return case
  when value is null or jsonb_typeof(value) = 'null' then 'must be given'
  when jsonb_typeof(value) <> 'number' or value #>> '{}' !~ '^-?[0-9]+$' then 'must be a whole number'
  when (value #>> '{}')::numeric not between least_value and most_value
    then 'must be between ' || least_value || ' and ' || most_value
end;
