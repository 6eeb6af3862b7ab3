#!/bin/sh
# The server runs as its own user, in the place of this script, so that SIGTERM reaches it.
set -e
if [ "$(id -u)" -eq 0 ] && [ "$1" = rabbitmq-server ]; then
    find /var/lib/rabbitmq ! -user rabbitmq -exec chown rabbitmq:rabbitmq '{}' +
    exec setpriv --reuid=rabbitmq --regid=rabbitmq --init-groups "$@"
fi
exec "$@"
