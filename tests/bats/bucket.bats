#!/usr/bin/env bats
# Snapshots in an S3 store: the machine is lost, its state is not.

load helper
load state
load s3

setup_file() {
	s3_install
}

# write_bucket_config [JQ FILTER]
write_bucket_config() {
	write_state_config ".gateways.fake.backup.s3 = {
		endpoint: \"$S3_ENDPOINT\", bucket: \"$S3_BUCKET\",
		region: \"$S3_REGION\", prefix: \"some/where/\",
		access_key: { file: \"$S3_ACCESS_FILE\" },
		secret_key: { file: \"$S3_SECRET_FILE\" } } | ${1:-.}"
}

own_setup() {
	start_s3
}

lose_machine() {
	rm -rf "${DATA:?}" "${SNAPS:?}" "${STATE:?}"
	: >"$STARTS"
}

# Names of what is in the bucket of that kind.
keys() {
	stored | grep "$1\$" || true
}

@test "an empty disk and only the configuration: the newest is restored and started" {
	write_bucket_config
	two_snapshots
	[ "$(keys .tar.zst | wc -l)" -eq 2 ]
	[ "$(keys .json | wc -l)" -eq 2 ]
	lose_machine
	start_lighttpd
	get '/state?key=late'
	[ "$code" = 200 ] || fail "$code $body"
	[ "$(json '.row and .file and .ok')" = true ]
	remembers early
	[ "$(events_of restore_done)" -eq 1 ]
	[ "$(gateway_starts)" -eq 1 ]
	[ "$(marker store)" = "$(<"$STATE/wakegate.id")" ]
	wg snapshots >"$RUN/list"
	[ "$(grep -c 'bucket' "$RUN/list")" -eq 2 ]
	# and it goes on from there
	remember more
	wg backup
	[ "$(keys .json | wc -l)" -eq 3 ]
	eventually 5 no_remains
	run grep -rF -e "$S3_SECRET" "$STATE" "$RUN"/*.log "$SNAPS"
	[ "$status" -eq 1 ] || fail "$output"
}

@test "the newest in the bucket is cut off: the next older is restored" {
	local key

	write_bucket_config
	two_snapshots
	key=$(keys .tar.zst | sort | tail -n 1)
	lose_machine
	head -c 100 /dev/urandom |
		curl -sS -f -X PUT --data-binary @- -o /dev/null \
			"http://127.0.0.1:$S3RVER_PORT/$S3_BUCKET/$key"
	wg start
	remembers early
	has_forgotten late
	[ "$(snapshot_count bad)" -eq 1 ]
	[ "$(events_of restore_failed)" -eq 1 ]
}

@test "an archive here is damaged: the same one comes from the bucket" {
	write_bucket_config
	two_snapshots
	truncate -s -50 "$(newest)"
	rm -rf "${DATA:?}"
	wg start
	remembers late
	snapshots_verify
	[ "$(snapshot_count)" -eq 2 ]
}

@test "all that is here is damaged and unknown to the store: the bucket is asked" {
	write_bucket_config
	two_snapshots
	find "$SNAPS" -name '*.tar.zst' -exec truncate -s -50 '{}' +
	rm -rf "${DATA:?}"
	delete_database
	wg start
	remembers late
}

# Two snapshots, here and in the bucket; here the newer one is damaged, and the
# store knows of none.
newer_is_damaged_here() {
	write_bucket_config
	two_snapshots
	truncate -s -50 "$(newest)"
	rm -rf "${DATA:?}"
	delete_database
}

@test "the newest is damaged here and the store is lost: it comes from the bucket" {
	newer_is_damaged_here
	wg start
	remembers late
	[ "$(gateway_starts)" -eq 2 ]
}

@test "it is damaged here and the bucket can't be reached: no older one is taken" {
	newer_is_damaged_here
	stop_s3
	for _ in 1 2; do
		run wg start
		[ "$status" -eq 1 ] || fail "$status $output"
		[ "$(row reason)" = restore_failed ]
	done
	[ ! -e "$DATA" ]
	start_s3rver
	start_s3proxy
	write_bucket_config
	wg start
	remembers late
}

@test "the bucket can't be reached from an empty disk: failed, not started blank" {
	write_bucket_config
	two_snapshots
	write_bucket_config '.gateways.fake.backup.restore_timeout_s = 2'
	lose_machine
	stop_s3
	run wg start
	[ "$status" -eq 1 ] || fail "$status $output"
	[ "$(row reason)" = restore_failed ]
	[ ! -e "$DATA" ]
	[ "$(gateway_starts)" -eq 0 ]
	start_s3rver
	start_s3proxy
	write_bucket_config
	wg start
	remembers late
}

@test "the bucket hangs: a restore ends in time, and the next one works" {
	local begin

	write_bucket_config
	two_snapshots
	write_bucket_config '.gateways.fake.backup.restore_timeout_s = 2'
	lose_machine
	kill -STOP "$S3PROXY_PID"
	begin=$(now_ms)
	run wg start
	[ "$status" -eq 1 ] || fail "$status $output"
	(($(now_ms) - begin < 15000)) || fail "$(($(now_ms) - begin)) ms"
	[ "$(row reason)" = restore_failed ]
	[ ! -e "$DATA" ]
	kill -CONT "$S3PROXY_PID"
	write_bucket_config
	wg start
	remembers late
}

@test "429, 500 and a reset: a backup gets there all the same" {
	write_bucket_config
	wg start
	remember early
	fault 'PUT status 429 SlowDown' 'PUT status 500 InternalError' 'PUT reset'
	wg backup
	[ "$(keys .json | wc -l)" -eq 1 ]
	lose_machine_running
	wg start
	remembers early
}

lose_machine_running() {
	wg stop
	lose_machine
}

@test "a truncated PUT never counts: complete here, said so, made good by the next" {
	write_bucket_config
	wg start
	remember early
	fault 'PUT truncate'
	run wg backup
	[ "$status" -eq 1 ]
	[[ $output == *"not in the bucket"* ]] || fail "$output"
	[ -z "$(stored)" ]
	[ "$(snapshot_count)" -eq 1 ]
	remember late
	# its archive, then its manifest
	fault 'PUT pass' 'PUT truncate'
	run wg backup
	[ "$status" -eq 1 ]
	[[ $output == *"not in the bucket"* ]] || fail "$output"
	[ ! -s "$FAULTS" ]
	[ "$(keys .json | wc -l)" -eq 0 ]
	[ "$(snapshot_count)" -eq 2 ]
	snapshots_verify
	wg backup
	[ "$(keys .json | wc -l)" -eq 3 ]
	[ "$(keys .tar.zst | wc -l)" -eq 3 ]
	lose_machine_running
	wg start
	remembers late
	[ "$(events_of restore_failed)" -eq 0 ]
}

@test "the manifest goes last, and when the archive has been read back" {
	write_bucket_config
	wg start
	wg backup
	run jq -rs '[.[] | select(.method != "LIST") | .method + " " +
		(.url | sub(".*[.]tar[.]zst"; "archive"))] | join(", ")' "$S3_LOG"
	[ "$output" = "PUT archive, GET archive, PUT archive.json, GET archive.json" ] ||
		fail "$output"
}

@test "an upload that fails: complete here, said so, and made good by the next" {
	write_bucket_config
	wg start
	remember early
	kill -KILL "$S3PROXY_PID"
	run wg backup
	[ "$status" -eq 1 ]
	[[ $output == *"not in the bucket"* ]] || fail "$output"
	[ "$(events_of backup_failed)" -eq 1 ]
	[ "$(snapshot_count)" -eq 1 ]
	[ "$(keys .json | wc -l)" -eq 0 ]
	snapshots_verify
	start_s3proxy
	remember late
	wg backup
	[ "$(keys .json | wc -l)" -eq 2 ]
}

@test "keep: the oldest go from the bucket too, manifest and all" {
	local i

	write_bucket_config '.gateways.fake.backup.keep = 2'
	wg start
	for i in {1..4}; do
		remember "key$i"
		wg backup
	done
	[ "$(keys .json | wc -l)" -eq 2 ]
	[ "$(keys .tar.zst | wc -l)" -eq 2 ]
	wg stop
	lose_machine
	wg start
	remembers key4
}

archives_here() {
	find "$SNAPS" -name '*.tar.zst' | wc -l
}

@test "the bucket fails: the disk does not fill, and what is in the bucket stays" {
	local i

	write_bucket_config '.gateways.fake.backup.keep = 2'
	wg start
	for i in 1 2; do
		remember "key$i"
		wg backup
	done
	fault 'always PUT status 503 SlowDown'
	for i in 3 4 5; do
		remember "key$i"
		run wg backup
		[ "$status" -eq 1 ]
	done
	[ "$(archives_here)" -eq 2 ]
	snapshot_program prune fake
	[ "$(archives_here)" -eq 2 ]
	[ "$(keys .json | wc -l)" -eq 2 ]
	no_faults
	remember key6
	wg backup
	[ "$(archives_here)" -eq 2 ]
	[ "$(keys .json | wc -l)" -eq 2 ]
	[ "$(keys .tar.zst | wc -l)" -eq 2 ]
	wg stop
	lose_machine
	wg start
	remembers key6
}

@test "the bucket removes nothing: here the oldest go all the same, there later" {
	local i

	write_bucket_config '.gateways.fake.backup.keep = 1'
	wg start
	wg backup
	fault 'always DELETE status 503 SlowDown'
	for i in 2 3; do
		remember "key$i"
		wg backup
	done
	[ "$(archives_here)" -eq 1 ]
	[ "$(keys .json | wc -l)" -eq 3 ]
	run snapshot_program prune fake
	[ "$status" -eq 1 ]
	[[ $output == *SlowDown* ]] || fail "$output"
	no_faults
	snapshot_program prune fake
	[ "$(archives_here)" -eq 1 ]
	[ "$(keys .json | wc -l)" -eq 1 ]
	[ "$(snapshot_count)" -eq 1 ]
}

@test "the database is lost, and several look at the bucket at once: no row twice" {
	local round

	write_bucket_config
	two_snapshots
	for round in {1..5}; do
		lose_machine
		many_lists 5
		[ "$(snapshot_count)" -eq 2 ]
	done
	write_bucket_config '.gateways.fake.backup.keep = 2'
	snapshot_program prune fake
	[ "$(keys .json | wc -l)" -eq 2 ]
}
