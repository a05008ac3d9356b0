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
# Whether another installation, which manages a fleet, is still there. Its Lease may be anywhere.
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [get]
own:
# The leader's Lease. A name cannot restrict what does not exist yet.
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  verbs: [create]
- apiGroups: [coordination.k8s.io]
  resources: [leases]
  resourceNames: [{{ include "gamekeeper.operator" . }}]
  verbs: [update]
watched:
- apiGroups: [gamekeeper.dev]
  resources: [gamefleets]
  verbs: [list, watch]
- apiGroups: [gamekeeper.dev]
  resources: [gamefleets/status]
  verbs: [update]
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
  verbs: [list, watch, create, delete]
# Server-side apply creates by patch.
- apiGroups: [policy]
  resources: [poddisruptionbudgets]
  verbs: [list, watch, create, patch]
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [create, patch]
{{- end }}
