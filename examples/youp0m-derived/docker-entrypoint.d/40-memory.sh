#!/bin/sh
# Go collects garbage in time where it knows the container's memory limit: tell it nine tenths.
set -eu
[ -z "${GOMEMLIMIT:-}" ] || exit 0
for file in /sys/fs/cgroup/memory.max /sys/fs/cgroup/memory/memory.limit_in_bytes; do
    [ -r "$file" ] || continue
    read -r limit <"$file"
    # "max" is no limit, and so are 19 digits (cgroup v1).
    case $limit in
        *[!0-9]* | ???????????????????*) ;;
        *) echo $((limit / 10 * 9)) >"$ENTRYKIT_ENV/GOMEMLIMIT" ;;
    esac
    break
done
