{{/* The name of all that belongs to the Redis, and of the Secrets with its URL. */}}
{{- define "gamekeeper.redis" -}}
{{- include "gamekeeper.fullname" . }}-redis
{{- end }}

{{/* The Secret that the Redis itself reads: who may do what, and the password of its probes. */}}
{{- define "gamekeeper.redis.ownSecret" -}}
{{- default (printf "%s-server" (include "gamekeeper.redis" .)) .Values.redis.existingSecret }}
{{- end }}

{{- define "gamekeeper.redis.selectorLabels" -}}
app.kubernetes.io/name: {{ include "gamekeeper.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: redis
{{- end }}

{{- define "gamekeeper.redis.labels" -}}
{{ include "gamekeeper.redis.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{/* The namespaces that get a Secret with the URL. */}}
{{- define "gamekeeper.redis.namespaces" -}}
{{- $all := default .Values.watchNamespaces .Values.redis.fleetNamespaces }}
{{- default (list .Release.Namespace) $all | toJson }}
{{- end }}

{{/* Bytes as Kubernetes writes them, in MiB; nothing where that is not known. */}}
{{- define "gamekeeper.redis.mebibytes" -}}
{{- $text := toString . }}
{{- if regexMatch "^[0-9]+Mi$" $text }}{{ trimSuffix "Mi" $text | int64 }}
{{- else if regexMatch "^[0-9]+Gi$" $text }}{{ mul (trimSuffix "Gi" $text | int64) 1024 }}
{{- end }}
{{- end }}

{{/*
What Redis is told. Everything is in the log of writes, so there are no snapshots beside it. Nothing is ever thrown
out for want of memory: a forgotten room cannot be played again, while one that is not saved is played on.
*/}}
{{- define "gamekeeper.redis.configuration" -}}
{{- $max := include "gamekeeper.redis.mebibytes" .Values.redis.maxMemory | int64 }}
{{- $limit := include "gamekeeper.redis.mebibytes" (dig "limits" "memory" "" .Values.redis.resources) }}
{{- if and $limit (gt (mul 2 $max) ($limit | int64)) }}
{{- fail (printf "redis.maxMemory: %s is more than half of redis.resources.limits.memory, %s: rewriting its log, Redis may need twice as much" .Values.redis.maxMemory .Values.redis.resources.limits.memory) }}
{{- end -}}
bind * -::*
port 6379
databases 1
dir /data
appendonly yes
appendfsync everysec
save ""
maxmemory {{ $max }}mb
maxmemory-policy noeviction
aclfile /etc/redis/secret/users.acl
{{- end }}

{{/*
Who may do what, given the passwords. Servers: what docs/checkpoint-store.md lists, on the keys of rooms, and what a
client says at first (CLIENT SETINFO is not known to every Redis 7, so it cannot be named). Nobody gets in as the user
default, which is off; but in its name Redis reads its own log, and would leave out what that user may not do.
*/}}
{{- define "gamekeeper.redis.users" -}}
user default off resetpass allkeys allchannels +@all
user gamekeeper on resetpass #{{ sha256sum .servers }} resetkeys ~gamekeeper:* resetchannels -@all +@connection -@dangerous +evalsha +eval +role +wait +time +hmget +hset +hdel +pexpire
user health on resetpass #{{ sha256sum .health }} resetkeys resetchannels -@all +ping +info
{{- end }}
