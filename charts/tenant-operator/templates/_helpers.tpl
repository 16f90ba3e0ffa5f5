{{/* Names are fixed: there is one operator per cluster, and policies and bindings refer to it by name. */}}
{{- define "tenant-operator.name" -}}tenant-operator{{- end }}

{{- define "tenant-operator.username" -}}
system:serviceaccount:{{ .Release.Namespace }}:{{ include "tenant-operator.name" . }}
{{- end }}

{{- define "tenant-operator.examiner" -}}
tenant-operator:examiner
{{- end }}

{{- define "tenant-operator.selectorLabels" -}}
app.kubernetes.io/name: {{ include "tenant-operator.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "tenant-operator.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{ include "tenant-operator.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* Labels as the operator reads them from its environment: `a=1,b=2`. */}}
{{- define "tenant-operator.labelSelector" -}}
{{- $labels := list -}}
{{- range $key, $value := . -}}
{{- $labels = append $labels (printf "%s=%s" $key $value) -}}
{{- end -}}
{{ join "," $labels }}
{{- end }}

{{/* Annotations of known ingress controllers, external-dns and cert-manager that add hosts, or configuration as it is written. */}}
{{- define "tenant-operator.servingAnnotations" -}}
/(server-alias|host-alias|.*hostname|hostname-extension|.*snippet|from-to-www-redirect|config-(backend|frontend|global|defaults|proxy|tcp|sections)|common-name|alt-names)
{{- end }}

{{/* Those that have requests sent elsewhere than to the Ingress's own Services, or asked about elsewhere; by router.pathmatcher and conditions hosts are added too. */}}
{{- define "tenant-operator.leadingAnnotations" -}}
/(auth-url|mirror-(target|host)|router[.](middlewares|pathmatcher)|(actions|conditions)[.]|skipper-(filter|predicate|routes))
{{- end }}

{{/* What APISIX's ingress controller may be told: nothing that names another namespace, a URL to ask, or a configuration of somebody else's. */}}
{{- define "tenant-operator.apisixAnnotations" -}}
^k8s[.]apisix[.]apache[.]org/(use-regex|enable-(websocket|cors|csrf|response-rewrite)|csrf-key|cors-allow-(origin|headers|methods)|upstream-(scheme|retries|(connect|read|send)-timeout)|http-(to-https|redirect|redirect-code|allow-methods|block-methods)|rewrite-target(-regex(-template)?)?|response-rewrite-(status-code|body|body-base64|(add|set|remove)-header)|(allowlist|blocklist)-source-range)$
{{- end }}

{{/* Annotations of any object that Kubernetes' own clients and GitOps tools keep their notes in. */}}
{{- define "tenant-operator.noteAnnotations" -}}
^(tenant-operator[.]io/.*|kubectl[.]kubernetes[.]io/(last-applied-configuration|restartedAt|default-container|default-logs-container|original-replicas)|kubernetes[.]io/(description|change-cause)|meta[.]helm[.]sh/.*|helm[.]sh/.*|checksum/.*|argocd[.]argoproj[.]io/.*|(kustomize|helm)[.]toolkit[.]fluxcd[.]io/.*|(internal[.])?config[.]kubernetes[.]io/.*|config[.]k8s[.]io/owning-inventory|app[.]kubernetes[.]io/.*)$
{{- end }}

{{/* By resource, those that Kubernetes reads or writes itself, or that are known to be about nothing but the object. What bounds them besides is said by other policies. */}}
{{- define "tenant-operator.podAnnotations" -}}
^(kubernetes[.]io/(limit-ranger|psp|ingress-bandwidth|egress-bandwidth)|batch[.]kubernetes[.]io/.*|controller[.]kubernetes[.]io/pod-deletion-cost|cluster-autoscaler[.]kubernetes[.]io/safe-to-evict|(container[.])?(seccomp|apparmor)[.]security[.](alpha|beta)[.]kubernetes[.]io/.*|prometheus[.]io/(scrape|path|port|scheme)|sidecar[.]istio[.]io/(inject|status)|openshift[.]io/scc|security[.]openshift[.]io/validated-scc-subject-type)$
{{- end }}
{{- define "tenant-operator.serviceAnnotations" -}}
^(service[.]kubernetes[.]io/topology-(mode|aware-hints)|service[.]alpha[.]kubernetes[.]io/tolerate-unready-endpoints|prometheus[.]io/(scrape|path|port|scheme))$
{{- end }}
{{- define "tenant-operator.claimAnnotations" -}}
^volume[.](beta[.])?kubernetes[.]io/(storage-class|storage-provisioner)$
{{- end }}
{{- define "tenant-operator.ingressAnnotations" -}}
^(kubernetes[.]io/(ingress[.]class|tls-acme)|cert-manager[.]io/(cluster-)?issuer|acme[.]cert-manager[.]io/http01-.*|nginx[.]ingress[.]kubernetes[.]io/(rewrite-target|use-regex|app-root|(force-)?ssl-redirect|backend-protocol|proxy-(body-size|(connect|read|send)-timeout|next-upstream(-timeout|-tries)?|(request-)?buffering|buffer-size|buffers-number|http-version|max-temp-file-size)|client-body-buffer-size|enable-cors|cors-[a-z-]+|limit-[a-z-]+|(whitelist|allowlist|denylist)-source-range|affinity(-mode|-canary-behavior)?|session-cookie-[a-z-]+|(permanent|temporal)-redirect(-code)?|load-balance|service-upstream|enable-access-log|preserve-trailing-slash)|traefik[.]ingress[.]kubernetes[.]io/router[.](entrypoints|tls)|alb[.]ingress[.]kubernetes[.]io/(target-type|healthcheck-[a-z-]+|(un)?healthy-threshold-count|success-codes|backend-protocol(-version)?|ssl-redirect))$
{{- end }}

{{/* What hosts end in, whatever the registries of top-level domains say; private ones but for those that are exempt. As a list of CEL's. */}}
{{- define "tenant-operator.dnsSuffixes" -}}
{{- $dns := .Values.network.dns -}}
{{- $private := list "alt" "arpa" "consul" "corp" "example" "home" "internal" "intranet" "invalid" "lan" "local" "localdomain" "localhost" "mail" "onion" "private" "test" -}}
{{- range $dns.exempt }}{{ $private = without $private . }}{{ end -}}
{{- $all := concat (list "svc" "pod") (splitList "." (trimAll "." $dns.clusterDomain | lower)) $private -}}
{{- range $dns.suffixes }}{{ $all = concat $all (splitList "." (trimAll "." .)) }}{{ end -}}
['{{ $all | uniq | sortAlpha | join "', '" }}']
{{- end }}

{{/* Keys that others read: with a prefix, or with dots as some container runtimes have them; and those by which a sidecar puts files into folders. */}}
{{- define "tenant-operator.readAnnotations" -}}
[./]|^(k8s-sidecar-.*|k8s_folder|grafana_folder)$
{{- end }}

{{/* Whether the variable key is one that this cluster's mutating webhooks write. */}}
{{- define "tenant-operator.isWebhookKey" -}}
[{{ range $i, $key := .Values.admission.webhookKeys }}{{ if $i }}, {{ end }}'{{ $key }}'{{ end }}].exists(a, a == key || (a.endsWith('/*') && key.startsWith(a.substring(0, a.size() - 1))))
{{- end }}

{{/* Of the other kinds: what Kubernetes' API server, controllers and clients write on them. */}}
{{- define "tenant-operator.otherAnnotations" -}}
variables.resource == 'secrets' ? '^kubernetes[.]io/service-account[.](name|uid)$'
: variables.resource == 'configmaps' ? '^control-plane[.]alpha[.]kubernetes[.]io/leader$'
: variables.resource == 'serviceaccounts' ? '^kubernetes[.]io/enforce-mountable-secrets$'
: variables.resource in ['deployments', 'replicasets'] ? '^(deployment[.]kubernetes[.]io/(revision|revision-history|desired-replicas|max-replicas)|deprecated[.]deployment[.]rollback[.]rollbackTo)$'
: variables.resource == 'daemonsets' ? '^deprecated[.]daemonset[.]template[.]generation$'
: variables.resource == 'jobs' ? '^(batch[.]kubernetes[.]io/.*|cronjob[.]kubernetes[.]io/instantiate)$'
: variables.resource == 'horizontalpodautoscalers' ? '^autoscaling[.]alpha[.]kubernetes[.]io/(conditions|metrics|current-metrics|behavior)$'
: '^$'
{{- end }}

{{/* Whether what a route refers to is a Service of the tenant's, where the argument is the way to its fields. */}}
{{- define "tenant-operator.ownService" -}}
{{ . }}group.orValue('') == '' && {{ . }}kind.orValue('Service') == 'Service' && {{ . }}namespace.orValue('') in variables.own
{{- end }}

{{/* The classes of storage that a claim names: by its field, and by the annotation that Kubernetes prefers to it. The argument is the claim. */}}
{{- define "tenant-operator.storageClasses" -}}
({{ . }}.spec.?storageClassName.hasValue() ? [{{ . }}.spec.storageClassName] : [])
+ ({{ . }}.?metadata.annotations[?'volume.beta.kubernetes.io/storage-class'].hasValue()
   ? [{{ . }}.metadata.annotations['volume.beta.kubernetes.io/storage-class']] : [])
{{- end }}

{{/* Whether a tenant may name the classes of the argument, a list; the variable classes has those that it is allowed. */}}
{{- define "tenant-operator.allowsStorageClasses" -}}
!variables.classes.hasValue() || {{ . }}.all(class, class in variables.classes.value().split(',') && class != '')
{{- end }}

{{- define "tenant-operator.wrongStorageClass" -}}
'the storage class of a tenant\'s claim is one it is allowed ('
+ (variables.classes.orValue('') == '' ? 'none' : variables.classes.orValue(''))
+ '), by spec.storageClassName and by the annotation volume.beta.kubernetes.io/storage-class, not: ' + ({{ . }} == '' ? 'none' : {{ . }})
{{- end }}

{{/* Which of the claims in the argument, a list, name a VolumeAttributesClass that the tenant may not. */}}
{{- define "tenant-operator.foreignAttributes" -}}
namespaceObject.metadata.?annotations[?'tenant-operator.io/allowed-volume-attributes-classes'].hasValue()
? {{ . }}.map(c, c.spec.?volumeAttributesClassName.orValue('')).filter(class, class != ''
  && !(class in namespaceObject.metadata.annotations['tenant-operator.io/allowed-volume-attributes-classes'].split(',')))
: []
{{- end }}

{{- define "tenant-operator.wrongAttributes" -}}
'the VolumeAttributesClass of a tenant\'s claim (spec.volumeAttributesClassName) is one it is allowed, or none; not: ' + {{ . }}.join(', ')
{{- end }}

{{- define "tenant-operator.nobodysVolume" -}}
a tenant's claim may not name its volume (spec.volumeName), nor be without a class (spec.storageClassName, the
annotation volume.beta.kubernetes.io/storage-class): it could be given what is somebody else's
{{- end }}

{{- define "tenant-operator.image" -}}
{{- with .Values.image -}}
{{- if .digest -}}
{{ .repository }}@{{ .digest }}
{{- else -}}
{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end -}}
{{- end -}}
{{- end }}

{{/* Names of the Secrets that the operator makes in a tenant's first namespace, as a regular expression. */}}
{{- define "tenant-operator.secretNames" -}}
^(tenant-database|tenant-api-keys|tenant-signing-key|tenant-encryption-key{{ if eq .Values.gateway.controller "APISIX" }}|tenant-api-key-([1-9]|1[0-6])(-former)?{{ end }})$
{{- end }}

{{/* The names of the Secrets with one API key each, as a list. */}}
{{- define "tenant-operator.apiKeySecrets" -}}
{{- range $slot := untilStep 1 17 1 }}
- tenant-api-key-{{ $slot }}
- tenant-api-key-{{ $slot }}-former
{{- end -}}
{{- end }}

{{/* The names of all of its Secrets, and those of the Secrets that cert-manager makes for the operator: an owner may make none of them. */}}
{{- define "tenant-operator.keptSecretNames" -}}
{{ include "tenant-operator.secretNames" . | trimSuffix ")$" }}|tenant-certificate-.+)$
{{- end }}

{{- define "tenant-operator.serviceAccountSubject" -}}
- kind: ServiceAccount
  name: {{ include "tenant-operator.name" . }}
  namespace: {{ .Release.Namespace }}
{{- end }}

{{/* Headers that no claim of a token can set, as a regular expression for names in lower case: src/api/gateway/authentication.rs. */}}
{{- define "tenant-operator.reservedHeaders" -}}
^(authorization|connection|cookie|date|expect|forwarded|host|http2-settings|keep-alive|te|trailer|transfer-encoding|upgrade|via|x-api-key|x-real-ip|x-request-id|x-tenant-client|x-tenant-features|x-tenant-id|x-tenant-name|x-tenant-number|x-tenant-parent-id|x-tenant-root-id|x-tenant-tier|(content-|proxy-|x-envoy-|x-forwarded-).*)$
{{- end }}
