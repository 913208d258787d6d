-- Purpose: the rule that a text of a caller's JSON breaks, or null: its type, its length in characters,
--          blanks around it, control characters other than a line's end. With chars_min 0 it may be absent.
-- Locks:   none.
-- Rows:    none.
-- Callers: check_order_content, check_order_recipient.
create or replace function :"schema".text_fault(value jsonb, chars_min integer, chars_max integer) returns text
language sql stable
return case
  when value is null or jsonb_typeof(value) = 'null' then case when chars_min > 0 then 'must be given' end
  when jsonb_typeof(value) <> 'string' then 'must be a text'
  when char_length(value #>> '{}') not between chars_min and chars_max
    then 'must have ' || chars_min || ' to ' || chars_max || ' characters'
  when value #>> '{}' ~ '^\s|\s$' then 'must not begin or end with blanks'
  when value #>> '{}' ~ '[\x01-\x09\x0b-\x1f\x7f]' then 'must not contain control characters'
end;
