{{/*
What owners of a tenant may do. The lists are fixed, so that no other chart
widens them by aggregation. None has escalate, bind, impersonate, or a write on
quota, limits, endpoints or the namespace itself.
*/}}
{{- define "tenant-operator.viewerRules" -}}
- apiGroups: [""]
  resources: [namespaces]
  verbs: [get]
- apiGroups: [""]
  resources:
    - configmaps
    - endpoints
    - events
    - limitranges
    - persistentvolumeclaims
    - pods
    - pods/log
    - pods/status
    - replicationcontrollers
    - resourcequotas
    - serviceaccounts
    - services
  verbs: [get, list, watch]
- apiGroups: [apps]
  resources:
    - controllerrevisions
    - daemonsets
    - deployments
    - deployments/scale
    - replicasets
    - replicasets/scale
    - statefulsets
    - statefulsets/scale
  verbs: [get, list, watch]
- apiGroups: [batch]
  resources: [cronjobs, jobs]
  verbs: [get, list, watch]
- apiGroups: [autoscaling]
  resources: [horizontalpodautoscalers]
  verbs: [get, list, watch]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [get, list, watch]
- apiGroups: [networking.k8s.io]
  resources: [ingresses, networkpolicies]
  verbs: [get, list, watch]
- apiGroups: [discovery.k8s.io]
  resources: [endpointslices]
  verbs: [get, list, watch]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [get, list, watch]
- apiGroups: [metrics.k8s.io]
  resources: [pods]
  verbs: [get, list, watch]
- apiGroups: [tenant-operator.io]
  resources: [tenantviews]
  verbs: [get, list, watch]
{{- end }}

{{- define "tenant-operator.editorRules" -}}
{{ include "tenant-operator.viewerRules" . }}
- apiGroups: [""]
  resources: [secrets]
  verbs: [get, list, watch, create, update, patch, delete, deletecollection]
- apiGroups: [""]
  resources:
    - configmaps
    - persistentvolumeclaims
    - pods
    - replicationcontrollers
    - serviceaccounts
    - services
  verbs: [create, update, patch, delete, deletecollection]
- apiGroups: [""]
  resources: [pods/attach, pods/exec, pods/portforward]
  verbs: [get, create]
- apiGroups: [""]
  resources: [pods/eviction]
  verbs: [create]
- apiGroups: [apps]
  resources:
    - daemonsets
    - deployments
    - deployments/scale
    - replicasets
    - replicasets/scale
    - statefulsets
    - statefulsets/scale
  verbs: [create, update, patch, delete, deletecollection]
- apiGroups: [batch]
  resources: [cronjobs, jobs]
  verbs: [create, update, patch, delete, deletecollection]
- apiGroups: [autoscaling]
  resources: [horizontalpodautoscalers]
  verbs: [create, update, patch, delete, deletecollection]
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [create, update, patch, delete, deletecollection]
- apiGroups: [networking.k8s.io]
  resources: [ingresses]
  verbs: [create, update, patch, delete, deletecollection]
{{- end }}

{{- define "tenant-operator.adminRules" -}}
{{ include "tenant-operator.editorRules" . }}
# RBAC itself refuses to grant what the writer does not hold.
- apiGroups: [rbac.authorization.k8s.io]
  resources: [roles, rolebindings]
  verbs: [get, list, watch, create, update, patch, delete, deletecollection]
# The admission policy on them keeps their peers within the tenant's bounds.
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies]
  verbs: [create, update, patch, delete, deletecollection]
{{- end }}
