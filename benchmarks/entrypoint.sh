#!/bin/sh
# The peer that benchmarks/start.py measures against: a shell entrypoint of the usual kind, with the
# gate, the look whether there is anything to do, and for each hook the check and the line in the
# log that such scripts have, and that entrykit has too.
# BENCHMARK_HOOKS is the hook directory, BENCHMARK_PYTHON the interpreter of Python hooks,
# BENCHMARK_PROGRAM the command that gets them.
set -e

log() {
    if [ -z "${BENCHMARK_QUIET:-}" ]; then
        echo "entrypoint.sh: $*" >&2
    fi
}

run_hooks() {
    find "$BENCHMARK_HOOKS" -follow -type f -print | sort -V | while read -r hook; do
        if [ ! -x "$hook" ]; then
            log "ignoring $hook, not executable"
            continue
        fi
        case "$hook" in
            *.envsh)
                log "sourcing $hook"
                . "$hook"
                ;;
            *.sh)
                log "running $hook"
                "$hook"
                ;;
            *.py)
                log "running $hook"
                "${BENCHMARK_PYTHON:-python3}" "$hook"
                ;;
            *) log "ignoring $hook" ;;
        esac
    done
}

if [ "${1##*/}" = "${BENCHMARK_PROGRAM:-true}" ]; then
    if find "$BENCHMARK_HOOKS" -mindepth 1 -maxdepth 1 -type f -print -quit | read -r _; then
        log "looking for hooks in $BENCHMARK_HOOKS"
        run_hooks
        log "ready to start"
    else
        log "no files in $BENCHMARK_HOOKS"
    fi
fi

exec "$@"
