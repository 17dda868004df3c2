#!/usr/bin/env bats
# Snapshots of a gateway that stands still meanwhile.

load helper
load state

@test "freeze: the gateway is held still, then runs on: also when it is killed" {
	local i before

	FLAGS=(--state-writes 1000)
	write_state_config '.gateways.fake.backup.freeze = true'
	wg start
	for i in {1..3}; do wg backup; done
	snapshots_verify
	before=$(writes)
	eventually 5 has_written "$before"
	head -c 300M /dev/urandom >"$DATA/large"
	"$TOP_BUILDDIR/wakegate-snapshot" -c "$CONFIG" create fake \
		>"$RUN/frozen" 3>&- &
	eventually 10 is_frozen
	kill -KILL $!
	eventually 3 never is_frozen
	before=$(writes)
	eventually 5 has_written "$before"
	snapshots_verify
}

has_written() {
	(($(writes) > $1))
}

# It is held, by a cgroup or by a signal, and does not answer.
is_frozen() {
	local pid

	pid=$(row pid)
	grep -qs -e wakegate-freeze -e ' T ' "/proc/$pid/cgroup" \
		"/proc/$pid/stat" &&
		! curl -sS --max-time 0.1 -o /dev/null "$GATEWAY_URL/pid" \
			2>/dev/null
}

# two_counters: a process of the gateway's that writes the same number to a file, and
# then to another, as fast as it can.
two_counters() {
	cat >"$RUN/counters" <<-'END'
		use strict;
		my @files = map {
			open my $file, '>', "$ARGV[0]/$_" or die "$_: $!\n";
			$file } qw(first last);
		for (my $n = 1;; $n++) {
			for my $file (@files) {
				sysseek $file, 0, 0;
				syswrite $file, sprintf "%012d\n", $n;
			}
		}
	END
	cat >"$RUN/gateway" <<-END
		#!/bin/sh
		mkdir -p '$RUN/data'
		perl '$RUN/counters' '$RUN/data' &
		exec '$FAKE_GATEWAY' "\$@"
	END
	chmod +x "$RUN/gateway"
	COMMAND=("$RUN/gateway")
}

@test "freeze: a snapshot is of one moment" {
	local i first last before=0

	two_counters
	write_state_config '.gateways.fake.backup.freeze = true'
	wg start
	# packed between the two
	head -c 4M /dev/urandom >"$DATA/large"
	for i in {1..5}; do
		wg backup
		first=$(tar --zstd -xOf "$(newest)" --wildcards '*first')
		last=$(tar --zstd -xOf "$(newest)" --wildcards '*last')
		((10#$first > before)) || fail "nothing was written"
		((10#$first - 10#$last == 0 || 10#$first - 10#$last == 1)) ||
			fail "$first, but $last"
		before=$((10#$first))
	done
}
