-- The wall around history and evidence: appended to, never edited, by nobody.

create or replace trigger order_events_written_by_functions_only
  before insert on :"schema".order_events for each statement
  when (current_user <> :'owner')
  execute function :"schema".refuse_write(
    'history is written by functions only', 'Call the function that does what happened; it writes both.');
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

create or replace trigger order_private_fixed
  before update or delete on :"schema".order_private for each statement
  execute function :"schema".refuse_write(
    'what belongs to a person stays as it was placed',
    'Cancel the order and place another. Erasing personal data will come with a function of its own.');
create or replace trigger order_private_never_truncated
  before truncate on :"schema".order_private for each statement
  execute function :"schema".refuse_write(
    'what belongs to a person stays as it was placed',
    'Cancel the order and place another. Erasing personal data will come with a function of its own.');

create or replace trigger payments_kept
  before delete on :"schema".payments for each statement
  execute function :"schema".refuse_write(
    'payments are evidence and are kept', 'Another payment for an order is named with attach_payment.');
create or replace trigger payments_never_truncated
  before truncate on :"schema".payments for each statement
  execute function :"schema".refuse_write(
    'payments are evidence and are kept', 'Another payment for an order is named with attach_payment.');

create or replace trigger findings_kept
  before delete on :"schema".findings for each statement
  execute function :"schema".refuse_write('findings are evidence and are kept', 'A finding stays as it was found; what was done about it is an event of its order.');
create or replace trigger findings_never_truncated
  before truncate on :"schema".findings for each statement
  execute function :"schema".refuse_write('findings are evidence and are kept', 'A finding stays as it was found; what was done about it is an event of its order.');

-- So that truncating orders with all that refers to them meets a guard at every table.
create or replace trigger alerts_never_truncated
  before truncate on :"schema".alerts for each statement
  execute function :"schema".refuse_write('alerts are never truncated', 'An alert is closed when what it tells of is done.');
