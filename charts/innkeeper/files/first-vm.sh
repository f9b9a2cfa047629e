# Provisions a vm by the command line, as a user would, and deletes it again.
name="helm-test-$(date +%s)"
inn login "$API" --username "$ADMIN" --password-stdin < "${PASSWORD_FILE:-/run/secrets/admin/password}"
trap 'inn vm delete "$name" --yes || true' EXIT
inn vm create "$name" --os "$VM_OS" --flavor "$VM_FLAVOR" --timeout "$TIMEOUT_S"
inn vm show "$name"
