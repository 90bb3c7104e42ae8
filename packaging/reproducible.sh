#!/usr/bin/env bash
# Builds the plugin twice, from two copies in two folders, and compares: reproducible.sh FOLDER. `make
# reproducible` calls it. What differs between the builds is every path; what must not is any byte.
set -euo pipefail
cd "$(dirname "$0")/.."
folder=$1
# Of one commit, whatever is committed meanwhile.
commit=$(git rev-parse HEAD)
export SOURCE_DATE_EPOCH
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct "$commit")
registry=${CARGO_HOME:-$HOME/.cargo}
sums=()
for copy in one another/place; do
	rm -rf "${folder:?}/$copy"
	mkdir -p "$folder/$copy"
	git archive "$commit" | tar -x -C "$folder/$copy"
	# The version that a build writes into the plugin comes from git.
	git clone -q --bare . "$folder/$copy/.git"
	git -C "$folder/$copy" config core.bare false
	git -C "$folder/$copy" update-ref HEAD "$commit"
	git -C "$folder/$copy" reset -q
	(
		cd "$folder/$copy"
		export CARGO_TARGET_DIR="$PWD/target"
		export RUSTFLAGS="--remap-path-prefix=$PWD=/build --remap-path-prefix=$registry=/cargo"
		export GST_FACESWAP_BUILD_FOLDER=
		cargo build --release --lib --locked --quiet
	)
	sums+=("$(sha256sum "$folder/$copy"/target/release/libgstfaceswap.so | cut -d' ' -f1)")
	echo "${sums[-1]}  $folder/$copy/target/release/libgstfaceswap.so"
done
test "${sums[0]}" = "${sums[1]}" || { echo 'the two builds differ' >&2; exit 1; }
echo 'the two builds are the same'
