-- An action that an administrator ran is an event as well. The table is made anew,
-- since a CHECK can't be altered; the view that reads it is left alone meanwhile.

CREATE TABLE event_new (
	-- in the order in which they happened
	id INTEGER PRIMARY KEY,
	at_ms INTEGER NOT NULL CHECK (at_ms > 0),
	gateway TEXT NOT NULL CHECK (length(gateway) BETWEEN 1 AND 63),
	generation INTEGER NOT NULL CHECK (generation >= 0),
	kind TEXT NOT NULL CHECK (kind = 'claimed' OR kind = 'adopted' OR
		kind = 'restore_begin' OR kind = 'restore_done' OR
		kind = 'restore_failed' OR kind = 'spawned' OR
		kind = 'ready' OR kind = 'not_ready' OR kind = 'exited' OR
		kind = 'crash_seen' OR kind = 'retried' OR
		kind = 'stop_wanted' OR kind = 'stopping' OR
		kind = 'killed' OR kind = 'stopped' OR
		kind = 'cooldown' OR kind = 'failed' OR
		kind = 'backup_begin' OR kind = 'backup_done' OR
		kind = 'backup_failed' OR kind = 'config' OR
		kind = 'owner_lost' OR kind = 'action'),
	-- the process that it is about
	pid INTEGER CHECK (pid > 0),
	-- the id of the request that caused it
	request TEXT CHECK (length(request) BETWEEN 1 AND 32),
	-- what else there is to say: a JSON object
	detail TEXT CHECK (CASE WHEN json_valid(detail)
		THEN json_type(detail) = 'object' ELSE detail IS NULL END)
) STRICT;

INSERT INTO event_new SELECT id, at_ms, gateway, generation, kind, pid, request,
	detail FROM event;
DROP TABLE event;
PRAGMA legacy_alter_table = ON;
ALTER TABLE event_new RENAME TO event;
PRAGMA legacy_alter_table = OFF;

-- How often a gateway ended by itself lately.
CREATE INDEX event_exited ON event (gateway, at_ms) WHERE kind = 'exited';

PRAGMA user_version = 4;
