#!/bin/sh
# Writes .env for compose.yaml: a random password for each role, and what this machine needs.
# Never overwrites one: the passwords in it are those of the databases.
set -eu
cd "$(dirname "$0")/.."
umask 077
if [ -e .env ]; then
    echo "Error: .env exists already. Remove it only together with the data: docker compose down -v" >&2
    exit 1
fi

secret() {
    od -An -N24 -tx1 /dev/urandom | tr -d ' \n'
}

{
    echo "# Made by docker/secrets.sh for compose.yaml. Keep it private."
    echo "# On this machine only, without TLS. Behind a proxy that ends TLS: HTTPS=1, your host name,"
    echo "# and CSRF_TRUSTED_ORIGINS=https://your.host.name"
    echo "HTTPS=0"
    echo "ALLOWED_HOSTS=localhost,127.0.0.1"
    echo "WEB_PORT=8000"
    echo "SECRET_KEY=$(secret)$(secret)"
    echo "POSTGRES_PASSWORD=$(secret)"
    for context in DEFAULT ORDERS INVENTORY PRICING PAYMENTS SHIPPING NOTIFICATIONS FRAUD SAGAS; do
        echo "${context}_OWNER_PASSWORD=$(secret)"
        echo "${context}_APP_PASSWORD=$(secret)"
    done
} > .env.new
mv .env.new .env
echo "Wrote .env. Now: docker compose build && docker compose up"
