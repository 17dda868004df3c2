-- What people and programs watch: counters, and what single requests met.

-- Only ever grows; labels of a name are its cases. Written in batches.
CREATE TABLE counter (
	gateway TEXT NOT NULL CHECK (length(gateway) BETWEEN 1 AND 63),
	-- what is counted, as store/counters.h has it
	name TEXT NOT NULL CHECK (length(name) BETWEEN 1 AND 63),
	-- which of its kinds; '' where it has none
	label TEXT NOT NULL CHECK (length(label) <= 63),
	value INTEGER NOT NULL CHECK (value >= 0),
	PRIMARY KEY (gateway, name, label)
) STRICT, WITHOUT ROWID;

-- One that did not simply meet a ready gateway: it waited, saw a crash, or was
-- refused. Only the newest are kept.
CREATE TABLE request (
	id INTEGER PRIMARY KEY,
	-- its X-Request-Id
	request TEXT NOT NULL CHECK (length(request) BETWEEN 1 AND 32),
	-- NULL: it was for none
	gateway TEXT CHECK (length(gateway) BETWEEN 1 AND 63),
	-- when it came, and until when it was answered
	at_ms INTEGER NOT NULL CHECK (at_ms > 0),
	took_ms INTEGER NOT NULL CHECK (took_ms >= 0),
	-- what it found first, and how long it waited for the gateway in all
	found TEXT CHECK (length(found) > 0),
	found_generation INTEGER CHECK (found_generation >= 0),
	waited_ms INTEGER NOT NULL CHECK (waited_ms >= 0),
	-- the generation that the answer rests on
	generation INTEGER CHECK (generation >= 0),
	-- it saw that generation crash, and was sent a second time or not
	crashed_generation INTEGER CHECK (crashed_generation > 0),
	retried INTEGER NOT NULL CHECK (retried BETWEEN 0 AND 1),
	-- of the answer; NULL: the client had gone, or it broke off
	status INTEGER CHECK (status BETWEEN 100 AND 999),
	-- of the answer, where it is a problem of ours
	code TEXT CHECK (length(code) > 0)
) STRICT;

PRAGMA user_version = 3;
