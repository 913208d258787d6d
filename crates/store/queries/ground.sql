-- Purpose: facts about the server and this connection.
-- Locks:   none.
-- Rows:    one.
-- Callers: doctor.
select split_part(current_setting('server_version'), ' ', 1), current_setting('server_version_num')::int4,
       current_setting('track_functions'), current_user::text, current_database()::text, clock_timestamp(),
       current_setting('port')
