-- Purpose: the rule that a text of a caller's JSON breaks, or null: its type, its length in characters,
--          blanks around it, control characters. A text has one line, because it is printed on a label or
--          compared as a name, unless it may have many. With chars_min 0 it may be absent.
-- Locks:   none.
-- Rows:    none.
-- Callers: check_order_content, check_order_recipient.
create or replace function :"schema".text_fault(
  value jsonb, chars_min integer, chars_max integer, many_lines boolean default false
) returns text
language sql stable
return case
  when value is null or jsonb_typeof(value) = 'null' then case when chars_min > 0 then 'must be given' end
  when jsonb_typeof(value) <> 'string' then 'must be a text'
  when char_length(value #>> '{}') not between chars_min and chars_max
    then 'must have ' || chars_min || ' to ' || chars_max || ' characters'
  when value #>> '{}' ~ '^\s|\s$' then 'must not begin or end with blanks'
  when many_lines and value #>> '{}' ~ '[\u0001-\u0009\u000b-\u001f\u007f-\u009f]' then 'must not contain control characters'
  when not many_lines and value #>> '{}' ~ '[\u0001-\u001f\u007f-\u009f\u2028\u2029]'
    then 'must not contain line breaks or other control characters'
end;
