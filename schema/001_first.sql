-- The first schema. Times are milliseconds since the epoch, UTC. A process is
-- its pid and its start time (field 22 of /proc/PID/stat).
--
-- The lists of words are chains of OR: for IN (...) SQLite builds a table anew
-- at each write.

CREATE TABLE gateway (
	-- as in the configuration
	name TEXT NOT NULL PRIMARY KEY CHECK (length(name) BETWEEN 1 AND 63),
	-- where it is in its life
	state TEXT NOT NULL DEFAULT 'stopped' CHECK (
		state = 'stopped' OR state = 'restoring' OR
		state = 'starting' OR state = 'ready' OR
		state = 'stopping' OR state = 'cooldown' OR
		state = 'failed'),
	-- why it is in that state: a word
	reason TEXT CHECK (length(reason) > 0),
	-- grows by one with each claim; every change names it
	generation INTEGER NOT NULL DEFAULT 0 CHECK (generation >= 0),
	-- the keeper
	owner_pid INTEGER CHECK (owner_pid > 0),
	owner_start INTEGER CHECK (owner_start >= 0),
	-- the boot (/proc/sys/kernel/random/boot_id) that the keeper lives in
	owner_boot TEXT CHECK (length(owner_boot) > 0),
	-- the keeper's last sign of life
	heartbeat_ms INTEGER CHECK (heartbeat_ms > 0),
	-- the gateway's process: the last one known, also after its end
	pid INTEGER CHECK (pid > 0),
	pid_start INTEGER CHECK (pid_start >= 0),
	-- where it listens
	address TEXT CHECK (length(address) > 0),
	-- was it running already, not spawned by us
	adopted INTEGER NOT NULL DEFAULT 0 CHECK (adopted BETWEEN 0 AND 1),
	-- what its keeper is asked to do
	want TEXT NOT NULL DEFAULT 'run'
		CHECK (want = 'run' OR want = 'stop' OR want = 'restart'),
	-- stopped by a person, and no request may start it
	hold INTEGER NOT NULL DEFAULT 0 CHECK (hold BETWEEN 0 AND 1),
	-- the next start puts a snapshot back
	restore_wanted INTEGER NOT NULL DEFAULT 0
		CHECK (restore_wanted BETWEEN 0 AND 1),
	-- the snapshot that its files came from
	snapshot INTEGER CHECK (snapshot > 0),
	-- when this generation was claimed, became ready, ended
	started_ms INTEGER CHECK (started_ms > 0),
	ready_ms INTEGER CHECK (ready_ms > 0),
	stopped_ms INTEGER CHECK (stopped_ms > 0),
	-- the last request that was passed on
	last_request_ms INTEGER CHECK (last_request_ms > 0),
	-- the first answer of this generation
	answered_ms INTEGER CHECK (answered_ms > 0),
	-- how the process ended: an exit status or a signal
	exit_code INTEGER CHECK (exit_code BETWEEN 0 AND 255),
	exit_signal INTEGER CHECK (exit_signal BETWEEN 1 AND 64),
	-- starts that failed in a row
	failures INTEGER NOT NULL DEFAULT 0 CHECK (failures >= 0),
	-- in cooldown: not before
	retry_at_ms INTEGER CHECK (retry_at_ms > 0),
	-- the reason as a sentence, for people
	detail TEXT,
	-- the last lines of its output, redacted
	output_tail TEXT,
	CHECK (owner_start IS NULL OR owner_pid IS NOT NULL),
	CHECK (pid_start IS NULL OR pid IS NOT NULL),
	CHECK (exit_code IS NULL OR exit_signal IS NULL),
	CHECK (state <> 'failed' OR reason IS NOT NULL),
	CHECK (state <> 'cooldown' OR retry_at_ms IS NOT NULL)
) STRICT;

CREATE TABLE event (
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
		kind = 'owner_lost'),
	-- the process that it is about
	pid INTEGER CHECK (pid > 0),
	-- the id of the request that caused it
	request TEXT CHECK (length(request) BETWEEN 1 AND 32),
	-- what else there is to say: a JSON object
	detail TEXT CHECK (CASE WHEN json_valid(detail)
		THEN json_type(detail) = 'object' ELSE detail IS NULL END)
) STRICT;

-- How often a gateway ended by itself lately.
CREATE INDEX event_exited ON event (gateway, at_ms) WHERE kind = 'exited';

CREATE TABLE snapshot (
	id INTEGER PRIMARY KEY,
	gateway TEXT NOT NULL CHECK (length(gateway) BETWEEN 1 AND 63),
	-- the generation that took it
	generation INTEGER NOT NULL CHECK (generation >= 0),
	created_ms INTEGER NOT NULL CHECK (created_ms > 0),
	-- the archive's size, and how many files are in it
	bytes INTEGER CHECK (bytes >= 0),
	files INTEGER CHECK (files >= 0),
	-- of the archive, read back after it was written
	sha256 TEXT CHECK (length(sha256) = 64
		AND sha256 NOT GLOB '*[^0-9a-f]*'),
	-- the local archive, and its key in the remote store
	path TEXT CHECK (length(path) > 0),
	remote TEXT CHECK (length(remote) > 0),
	-- writing: not to be used yet; expired: removed; bad: did not verify
	state TEXT NOT NULL
		CHECK (state = 'writing' OR state = 'complete' OR
		state = 'expired' OR state = 'bad'),
	CHECK (state <> 'complete' OR (bytes IS NOT NULL
		AND files IS NOT NULL AND sha256 IS NOT NULL
		AND (path IS NOT NULL OR remote IS NOT NULL)))
) STRICT;

CREATE INDEX snapshot_newest ON snapshot (gateway, created_ms);

-- From the claim to readiness: what the next start will take.
CREATE TABLE start_time (
	id INTEGER PRIMARY KEY,
	gateway TEXT NOT NULL CHECK (length(gateway) BETWEEN 1 AND 63),
	generation INTEGER NOT NULL CHECK (generation >= 0),
	at_ms INTEGER NOT NULL CHECK (at_ms > 0),
	took_ms INTEGER NOT NULL CHECK (took_ms >= 0)
) STRICT;

CREATE INDEX start_time_newest ON start_time (gateway);

-- One line a gateway, for people: times in UTC, ages rounded down.
CREATE VIEW status AS
WITH clock (now_s) AS (SELECT CAST(strftime('%s', 'now') AS INTEGER)),
known AS (
	SELECT gateway.*, CASE
		WHEN state IN ('restoring', 'starting') THEN started_ms
		WHEN state = 'ready' THEN ready_ms
		WHEN state = 'stopping' THEN (SELECT at_ms FROM event
			WHERE event.gateway = gateway.name
			AND event.kind = 'stopping' ORDER BY id DESC LIMIT 1)
		ELSE stopped_ms END / 1000 AS since_s
	FROM gateway
),
aged AS (
	SELECT known.*, max(0, now_s - since_s) AS age_s,
		max(0, now_s - last_request_ms / 1000) AS idle_s
	FROM known, clock
)
SELECT name, state, reason, generation, pid, owner_pid AS keeper,
	strftime('%Y-%m-%dT%H:%M:%SZ', since_s, 'unixepoch') AS since,
	CASE WHEN age_s < 120 THEN age_s || 's'
		WHEN age_s < 7200 THEN (age_s / 60) || 'm'
		WHEN age_s < 172800 THEN (age_s / 3600) || 'h'
		ELSE (age_s / 86400) || 'd' END AS age,
	CASE WHEN idle_s < 120 THEN idle_s || 's'
		WHEN idle_s < 7200 THEN (idle_s / 60) || 'm'
		WHEN idle_s < 172800 THEN (idle_s / 3600) || 'h'
		ELSE (idle_s / 86400) || 'd' END AS last_request,
	address, want, CASE hold WHEN 1 THEN 'held' END AS hold,
	CASE adopted WHEN 1 THEN 'adopted' END AS adopted, failures,
	CASE WHEN exit_signal IS NOT NULL THEN 'signal ' || exit_signal
		WHEN exit_code IS NOT NULL THEN 'exit ' || exit_code
		END AS ended,
	strftime('%Y-%m-%dT%H:%M:%SZ', retry_at_ms / 1000, 'unixepoch')
		AS retry_at,
	detail
FROM aged ORDER BY name;

PRAGMA user_version = 1;
