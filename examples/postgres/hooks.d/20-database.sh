#!/bin/sh
# entrykit: once=database makes=/var/lib/postgresql/data on-interrupted=redo
# entrykit: secrets=POSTGRES_PASSWORD timeout=30m
#
# The cluster and what /docker-entrypoint-initdb.d puts into it are one piece of work: a database
# whose scripts have run by half is as useless as half a cluster.
set -eu

# initdb takes the first line alone.
case $POSTGRES_PASSWORD in
*'
'*)
    echo "POSTGRES_PASSWORD has more than one line" >&2
    exit 78
    ;;
esac
# A here-document is neither an argument nor a file that has a name.
# shellcheck disable=SC2086 # several words
initdb --username=postgres --auth=scram-sha-256 --pwfile=/dev/stdin \
    --encoding=UTF8 --locale=C.UTF-8 ${POSTGRES_INITDB_ARGS:-} <<END
$POSTGRES_PASSWORD
END
echo "host all all all scram-sha-256" >>"$PGDATA/pg_hba.conf"
cat >>"$PGDATA/postgresql.conf" <<END
listen_addresses = '*'
unix_socket_directories = '/run/postgresql'
END

# Only this hook reaches the server that the scripts run against.
socket=$(mktemp -d)
export PGHOST="$socket" PGUSER=postgres PGPASSWORD="$POSTGRES_PASSWORD"
pg_ctl start --wait --silent \
    --options="-c listen_addresses='' -c unix_socket_directories='$socket' ${POSTGRES_INIT_OPTIONS:-}"
for script in /docker-entrypoint-initdb.d/*.sql; do
    [ -e "$script" ] || continue
    echo "$script"
    psql --no-psqlrc --quiet --set=ON_ERROR_STOP=1 --dbname=postgres --file="$script"
done
pg_ctl stop --wait --silent --mode=fast
rmdir "$socket"
