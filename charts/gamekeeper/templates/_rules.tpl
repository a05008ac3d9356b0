{{/*
All that the operator may do, and nothing that it does not do: `cluster` always by ClusterRole, `own` in
the release's namespace, `watched` in each of watchNamespaces, or everywhere if there are none.
*/}}
{{- define "gamekeeper.rules" -}}
cluster:
# Addresses for players, and cordons.
- apiGroups: [""]
  resources: [nodes]
  verbs: [list, watch]
own:
# The leader's Lease. A name cannot restrict what does not exist yet.
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [create]
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  resourceNames: [{{ include "gamekeeper.operator" . }}]
  verbs: [get, update]
watched:
- apiGroups: [gamekeeper.dev]
  resources: [gamefleets]
  verbs: [get, list, watch]
- apiGroups: [gamekeeper.dev]
  resources: [gamefleets/status]
  verbs: [patch]
- apiGroups: [gamekeeper.dev]
  resources: [gamerooms]
  verbs: [get, list, watch, delete]
- apiGroups: [gamekeeper.dev]
  resources: [gamerooms/status]
  verbs: [update]
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [apps]
  resources: [controllerrevisions]
  verbs: [list, create, delete]
# Server-side apply creates by patch.
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [create, patch]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
# Whether another installation, which manages a fleet, is still there.
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [get]
{{- end }}
