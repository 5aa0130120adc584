#!/bin/sh
# The peer that benchmarks/start.py measures against: the loop of the usual image entrypoint,
# without a log, a gate or a check, so that it is as quick as a script of this kind can be.
# BENCHMARK_HOOKS is the hook directory, BENCHMARK_PYTHON the interpreter of Python hooks.
set -e

find "$BENCHMARK_HOOKS" -follow -type f -print | sort -V | while read -r hook; do
    case "$hook" in
        *.envsh) . "$hook" ;;
        *.sh) "$hook" ;;
        *.py) "${BENCHMARK_PYTHON:-python3}" "$hook" ;;
        *) echo "entrypoint.sh: ignoring $hook" >&2 ;;
    esac
done

exec "$@"
