-- Purpose: the rule that a line of a person's own words breaks, or null: a reason, a note, a name of who
--          acts. It may be absent; given, it says something and stands on one line.
-- Locks:   none.
-- Rows:    none.
-- Callers: check_options, cancel_order, resolve_review, manually_complete_order.
create or replace function :"schema".line_fault(value text, chars_max integer) returns text
language sql immutable
return case
  when value is null then null
  when char_length(value) > chars_max or value !~ '\S' then 'must have 1 to ' || chars_max || ' characters, not blanks alone'
  when value ~ '[\u0001-\u001f\u007f-\u009f\u2028\u2029]' then 'must not contain line breaks or other control characters'
end;
