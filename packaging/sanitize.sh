#!/usr/bin/env bash
# Tests under tools that see what tests alone do not: sanitize.sh FOLDER. `make sanitize` calls it; ONLY=asan,
# valgrind, helgrind or miri runs one of them. Needs a nightly Rust.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$1
mkdir -p "$folder"
wanted() { test -z "${ONLY:-}" || test "$ONLY" = "$1"; }
triple=$(rustc -vV | sed -n 's/^host: //p')

if wanted asan; then
	echo '== AddressSanitizer: engine and element. The standard library is as it comes, without it.'
	export GST_REGISTRY="$folder/registry.bin"
	# Left out: GStreamer's own program cannot load an instrumented plugin, and one test takes these options away.
	# GLib keeps what it allocates once. Two libraries of one name are the plugin and its test.
	ASAN_OPTIONS=detect_leaks=0:detect_odr_violation=0 RUSTFLAGS=-Zsanitizer=address CARGO_TARGET_DIR="$folder/asan" \
		CARGO_PROFILE_DEV_DEBUG=line-tables-only cargo +nightly test --target "$triple" --no-fail-fast \
		--lib --test engine --test detect --test models --test element_interface --test element_swap \
		--test element_flight --test element_reference --test neural --test trust -- \
		--skip inspect_works_with_nothing_installed --skip nothing_of_the_user_s_environment_is_needed
	unset GST_REGISTRY
fi

pipeline() {
	local head="filesrc location=models/demo/astronaut.png ! pngdec ! imagefreeze num-buffers=4 ! videoconvertscale"
	local caps="video/x-raw,format=I420,width=320,height=240,framerate=5/1"
	# shellcheck disable=SC2086
	GST_PLUGIN_PATH="${CARGO_TARGET_DIR:-target}/debug" GST_REGISTRY="$folder/launch.bin" "$@" \
		gst-launch-1.0 $head ! $caps ! faceswap source=models/demo/grace_hopper.jpg max-in-flight=2 ! fakesink
}

if wanted valgrind; then
	echo '== Valgrind: one pipeline, every access to memory.'
	cargo build --lib
	pipeline env true
	# What ONNX Runtime and GLib are told of is theirs; only what passes through this plugin counts.
	log="$folder/memcheck.log"
	GST_DEBUG=2 pipeline valgrind --tool=memcheck --leak-check=no --num-callers=40 --log-file="$log" --child-silent-after-fork=yes
	tail -n 3 "$log"
	grep -q 'ERROR SUMMARY: ' "$log"
	awk -v RS='' '/gstfaceswap/ && !/onnxruntime/ && /(Invalid|uninitialised)/' "$log" | sed 's/^/own: /' | tee "$folder/memcheck.own"
	test ! -s "$folder/memcheck.own"
fi

if wanted helgrind; then
	echo '== Helgrind: one pipeline. It cannot see the locks of Rust, which are futexes, so what it says of them is noise;'
	echo '   the order of the locks that it can see, GLib'"'"'s, must be without fault.'
	cargo build --lib
	log="$folder/helgrind.log"
	pipeline valgrind --tool=helgrind --num-callers=30 --history-level=none --log-file="$log" --child-silent-after-fork=yes
	tail -n 1 "$log"
	awk -v RS='' '/lock order/ && /gstfaceswap/' "$log" | tee "$folder/helgrind.own"
	test ! -s "$folder/helgrind.own"
fi

if wanted miri; then
	if cargo +nightly miri --version >/dev/null 2>&1; then
		echo '== Miri: frame views and their neighbours.'
		CARGO_TARGET_DIR="$folder/miri" cargo +nightly miri test --lib engine::frame
	else
		echo '== Miri: NOT RUN, this toolchain has no miri component.'
	fi
fi
