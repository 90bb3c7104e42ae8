#!/usr/bin/env bash
# Runs fuzz targets side by side: run.sh TOOLS WORK SECONDS TARGET... `make fuzz` calls it.
#
# Starts from the corpora kept in fuzz/corpus; what else is found goes to WORK/NAME. At the end a line a
# target: runs, coverage at first and at last, CPU time. Ends with 1 where one of them found a fault.
set -uo pipefail
cd "$(dirname "$0")/.."
tools=$1 work=$2 seconds=$3
shift 3
export PATH="$tools:$PATH" CARGO_TARGET_DIR="$work/build"
# Instrumented code is many times slower; a frame of a real stream is not the point here.
export ASAN_OPTIONS="detect_leaks=0:allocator_may_return_null=1${ASAN_OPTIONS:+:$ASAN_OPTIONS}"
export GST_REGISTRY="$work/registry.bin"
nice -n 19 cargo +nightly fuzz build || exit 2
programs="$work/build/x86_64-unknown-linux-gnu/release"
one() {
	local name=$1
	mkdir -p "$work/$name" fuzz/artifacts/"$name"
	local limit=4096 longest=4096
	test "$name" = images && longest=65536
	/usr/bin/env bash -c 'TIMEFORMAT="cpu %U %S"; time nice -n 19 "$0" "$@"' "$programs/$name" \
		-max_total_time="$seconds" -timeout=600 -rss_limit_mb="$limit" -max_len="$longest" -print_final_stats=1 \
		-artifact_prefix="fuzz/artifacts/$name/" "$work/$name" "fuzz/corpus/$name" >"$work/$name.log" 2>&1
}
declare -A running
for name; do
	one "$name" &
	running[$name]=$!
done
failed=0
echo '| target | runs | coverage, edges: at first | at last | inputs kept | CPU s | |'
echo '|---|---|---|---|---|---|---|'
for name; do
	wait "${running[$name]}"
	status=$?
	log="$work/$name.log"
	edges() { grep -o 'cov: [0-9]*' "$log" | "$1" -n 1 | cut -d' ' -f2; }
	runs=$(grep -o 'stat::number_of_executed_units: *[0-9]*' "$log" | grep -o '[0-9]*$')
	cpu=$(awk '/^cpu /{print int($2 + $3)}' "$log")
	kept=$(find "$work/$name" -type f | wc -l)
	said='no fault'
	if [ "$status" != 0 ]; then
		said="FAULT, see $log"
		failed=1
	fi
	echo "| $name | ${runs:-?} | $(edges head) | $(edges tail) | $kept | ${cpu:-?} | $said |"
done
exit $failed
