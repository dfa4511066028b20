#!/bin/sh
# keep-report.sh REPORT COMMAND...: runs a compiler and keeps what ptxas says of registers, spills and local memory,
# for scripts/check-kernels.mjs; the rest is shown.
report=$1
shift
"$@" 2> "$report.new"
status=$?
grep -v -e '^ptxas info' -e '^ *[0-9]* bytes stack frame' "$report.new" >&2
mv "$report.new" "$report"
exit $status
