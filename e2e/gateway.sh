# To be sourced: a gateway for the samples' routes. The local cluster has one; elsewhere these say which:
#   GATEWAY_CONTROLLER=NAME     as the chart's gateway.controller
#   GATEWAY_NAME=NAME           the Gateway that routes attach to, in GATEWAY_NAMESPACE
#   GATEWAY_SCHEME=http|https   how it is reached (http)
#   GATEWAY_ADDRESS=ADDRESS     where, for what is printed

# Namespace of the shared applications; the chart brings the operator's rights there.
APPLICATIONS=shared-applications

has_gateway() { [ -n "${GATEWAY_CONTROLLER:-}" ]; }

# The chart's values.
gateway_values() {
  has_gateway || return 0
  echo "--set gateway.controller=$GATEWAY_CONTROLLER,gateway.name=$GATEWAY_NAME,gateway.scheme=${GATEWAY_SCHEME:-http}" \
    "--set gateway.sharedHosts={api.example.com}" \
    "--set gateway.applicationNamespaces={$APPLICATIONS},network.applicationPolicies=true"
  if [ "$GATEWAY_CONTROLLER" = EnvoyGateway ]; then
    echo "--set gateway.metrics.enabled=true,gateway.metrics.period=10s,gateway.unknownTenant=Unauthorized" \
      "--set gateway.clientTrafficPolicies=true,gateway.fallbacks=true"
  fi
}

# The folder of samples to apply: with databases and routes where there is a server or a gateway for them.
samples() {
  local variant=config/samples
  if has_database; then variant+=-databases; fi
  if has_gateway; then variant+=-routes; fi
  echo "$variant"
}

# Prints commands that reach the samples.
show_routes() {
  local url=${GATEWAY_SCHEME:-http}://$GATEWAY_ADDRESS
  cat <<EOF
Through the gateway:
  curl -i -H 'Host: acme.example.com' $url/hostname
  curl -i -H 'Host: tenant-a.api.example.com' $url/hostname    # 401: it asks for a key
  KEY=\$(kubectl -n tenant-a get secret tenant-api-keys -o jsonpath='{.data.integration}' | base64 -d)
  curl -i -H 'Host: tenant-a.api.example.com' -H "X-API-Key: \$KEY" $url/hostname
EOF
}
