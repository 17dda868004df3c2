-- What a restore needs to know and to tell, and what a backup compares.

-- with restore_wanted: which snapshot; NULL: the newest that verifies
ALTER TABLE gateway ADD COLUMN restore_snapshot INTEGER
	CHECK (restore_snapshot > 0);

-- while restoring: how much of the state is in place, and of how much
ALTER TABLE gateway ADD COLUMN progress_bytes INTEGER
	CHECK (progress_bytes >= 0);
ALTER TABLE gateway ADD COLUMN progress_total INTEGER
	CHECK (progress_total >= 0);

-- of the state folder, as it was found: the next backup that was not asked for is
-- skipped when it is the same
ALTER TABLE snapshot ADD COLUMN fingerprint TEXT
	CHECK (length(fingerprint) > 0);

-- what it was taken from: the size of its files, unpacked
ALTER TABLE snapshot ADD COLUMN content_bytes INTEGER
	CHECK (content_bytes >= 0);

-- two processes may find the same archive
CREATE UNIQUE INDEX snapshot_path ON snapshot (path);
CREATE UNIQUE INDEX snapshot_remote ON snapshot (gateway, remote);

PRAGMA user_version = 2;
