-- The wall around history and evidence: appended to, never edited, by nobody.

create or replace trigger order_events_append_only
  before update or delete on :"schema".order_events for each statement
  execute function :"schema".refuse_write('history is append-only', 'Write what happened as a new event, through a function.');
create or replace trigger order_events_never_truncated
  before truncate on :"schema".order_events for each statement
  execute function :"schema".refuse_write('history is append-only', 'Write what happened as a new event, through a function.');

create or replace trigger order_items_fixed
  before update or delete on :"schema".order_items for each statement
  execute function :"schema".refuse_write('the lines of an order are fixed once placed', 'Cancel the order and place another.');
create or replace trigger order_items_never_truncated
  before truncate on :"schema".order_items for each statement
  execute function :"schema".refuse_write('the lines of an order are fixed once placed', 'Cancel the order and place another.');

create or replace trigger findings_kept
  before delete on :"schema".findings for each statement
  execute function :"schema".refuse_write('findings are evidence and are kept', 'A finding stays as it was found; what was done about it is an event of its order.');
