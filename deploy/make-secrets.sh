#!/bin/sh
# Makes the secrets of deploy/compose.yaml, or of the systemd units, as files named as the settings:
#   deploy/make-secrets.sh FOLDER [HOST]
# HOST is where NATS and PostgreSQL listen: without it, each in a container of its own name. What is
# in FOLDER already stays. Only its owner may enter FOLDER; whoever is given a file may read it.
set -eu
umask 022

folder=${1:?usage: deploy/make-secrets.sh FOLDER [HOST]}
mkdir -p "$folder"
chmod 700 "$folder"

# Letters first: NATS would take what looks like a number for one.
random() { printf 'fp%s' "$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')"; }
keep() { [ -e "$folder/$1" ] || printf '%s\n' "$2" >"$folder/$1"; }

keep POSTGRES_PASSWORD "$(random)"
keep POSTGRES_PASSWORD_ANALYTICS "$(random)"
analytics=fingerpost_analytics:$(cat "$folder/POSTGRES_PASSWORD_ANALYTICS")
keep POSTGRES_DSN "postgresql://$analytics@${2:-postgres}:5432/fingerpost"

# The passwords of deploy/nats/authorization.conf, and what each user connects with.
for user in scheduler sender clicks analytics forget provision backup admin; do
    name=$(echo "$user" | tr '[:lower:]' '[:upper:]')
    grep -qs "^NATS_PASSWORD_$name=" "$folder/nats.env" && continue
    password=$(random)
    echo "NATS_PASSWORD_$name=$password" >>"$folder/nats.env"
    echo "nats://$user:$password@${2:-nats}:4222" >"$folder/NATS_URL_$name"
done

keep FINGERPOST_CTA_KEYS "k1:$(random)"
keep FINGERPOST_WEBHOOK_SECRET "$(random)"
keep FINGERPOST_CONVERSION_SECRETS ""
keep FINGERPOST_STRIPE_SECRETS ""

for needed in TELEGRAM_BOT_TOKEN FINGERPOST_LOGIN_PASSWORD; do
    [ -s "$folder/$needed" ] || echo "to be written by you: $folder/$needed"
done
