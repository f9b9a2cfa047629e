# SPDX-License-Identifier: Apache-2.0
# RabbitMQ with the management plugin, and the user and password of the environment.
set -eu
export HOME=/var/lib/rabbitmq RABBITMQ_CONFIG_FILE=/tmp/rabbitmq.conf RABBITMQ_ENABLED_PLUGINS_FILE=/tmp/plugins
export RABBITMQ_LOGS=- RUNNING_UNDER_SYSTEMD=true RABBITMQ_SERVER_ERL_ARGS='+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none'
echo '[rabbitmq_management].' > /tmp/plugins
cat > /tmp/rabbitmq.conf <<CONF
default_user = $RABBITMQ_DEFAULT_USER
default_pass = $RABBITMQ_DEFAULT_PASS
default_user_tags.administrator = true
loopback_users = none
management.rates_mode = none
log.console.level = warning
raft.wal_max_size_bytes = 33554432
CONF
exec rabbitmq-server
