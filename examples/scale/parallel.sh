#!/bin/sh
# One long video by several workers, here or on several machines: docs/scaling.md tells more.
#
#     examples/scale/parallel.sh FACE VIDEO OUT [option of swap]...
#
# JOBS: workers on each machine. HOSTS: GNU parallel's --sshloginfile, a machine a line; they must see the same folder.
# Stopped or failed, the same command goes on where it was.
set -eu
test $# -ge 3 || { sed -n '2,/^set/s/^# \{0,1\}//p' "$0" >&2; exit 2; }
face=$1 video=$2 out=$3
shift 3
swap=${SWAP:-target/release/examples/swap}
test ! -e "$out" || { echo "$out is there already" >&2; exit 7; }
set -- -s "$face" -t "$video" -o "$out" "$@"

count=$("$swap" "$@" --count)
seq 0 $((count - 1)) | parallel --will-cite --jobs "${JOBS:-2}" ${HOSTS:+--sshloginfile "$HOSTS" --workdir "$PWD"} \
    --retries 3 --joblog "$out.log" --resume-failed --quote "$swap" "$@" --only {}
"$swap" "$@" --resume
rm "$out.log"
