-- The wall around orders. A status is written by functions only, whoever writes; no order is born
-- in a later state, deleted, truncated, or changed without its event.

create or replace trigger orders_written_by_functions_only
  before update of status, status_before, version, head, generation, zinc_request_id, zinc_status,
    hold_reason, review_reason, payment_status, cost_minor, due_at, updated_at
  on :"schema".orders for each statement
  when (current_user <> :'owner')
  execute function :"schema".refuse_write(
    'orders.status is written by functions only',
    'Call complete_order_processing, manually_complete_order or recover_stuck_orders instead; see PROTECTION in ARCHITECTURE.md.');

create or replace trigger orders_never_deleted
  before delete on :"schema".orders for each statement
  execute function :"schema".refuse_write(
    'orders are never deleted', 'Call cancel_order for an order of which nothing was sent.');

create or replace trigger orders_never_truncated
  before truncate on :"schema".orders for each statement
  execute function :"schema".refuse_write('orders are never truncated', 'Make a new schema for a new shop.');

-- Also for the owner. The lists of columns decide first, so that an update pays for the conditions
-- of the columns that it writes and for no others: a condition is read anew by every statement,
-- which costs a single call more than its evaluation.

-- What was placed stays as it was placed.
create or replace trigger orders_stay_as_placed
  before update of id, order_number, content_digest, created_at, goods_minor, total_minor,
    price_cap_minor, retailer, currency, capture_when
  on :"schema".orders for each statement
  execute function :"schema".refuse_write(
    'an order stays as it was placed', 'Cancel the order and place another.');

-- Whatever an event tells changes together with an event (version and head) and tells the truth
-- about the status before.
create or replace trigger orders_changed_with_their_event
  before update of status, status_before, version, head, generation, zinc_request_id, zinc_status,
    hold_reason, review_reason, payment_status, cost_minor
  on :"schema".orders for each row
  when (
    new.version <> old.version + 1
    or new.head = old.head
    or new.status_before <> case when new.status = old.status then old.status_before else old.status end
  )
  execute function :"schema".refuse_write(
    'an order changes only together with its event', 'Use the functions: they write both.');

create or replace trigger orders_born_pending
  before insert on :"schema".orders for each row
  when (new.status <> 'pending' or new.status_before <> 'new' or new.version <> 1 or new.generation <> 0
        or new.zinc_request_id is not null or new.zinc_status is not null or new.payment_status <> 'unpaid'
        or new.hold_reason is distinct from 'awaiting_payment')
  execute function :"schema".refuse_write(
    'an order is born pending and unpaid, without attempt and request id', 'Call place_order.');
