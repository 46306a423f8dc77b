# One more backup in $BACKUPS, named after its minute; then those away that are no longer kept: all
# stay for $KEEP_ALL_DAYS, the first of each day for $KEEP_DAYS. Where none was made, none goes.
set -eu
cd "$BACKUPS"
# Of a run that was killed: none takes an hour (activeDeadlineSeconds).
find . -maxdepth 1 -name '.*.unfinished' -mmin +60 -exec rm -r {} +

python -m chassis.backup save "$(date -u +%Y-%m-%dT%H%M)"

before() { date -u -d "$1 days ago" +%Y-%m-%dT%H%M; }
all=$(before "$KEEP_ALL_DAYS") oldest=$(before "$KEEP_DAYS") day=
for name in 20??-??-??T????; do # oldest first
    if [ "$name" \< "$oldest" ] || { [ "$name" \< "$all" ] && [ "${name%T*}" = "$day" ]; }; then
        rm -r "$name"
        echo "$name: removed"
    else
        day=${name%T*}
    fi
done
