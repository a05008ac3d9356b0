{{/* The chart's name, as a label. */}}
{{- define "gamekeeper.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" }}
{{- end }}

{{/* The release's name, with the chart's if it does not contain it. Short enough for what is appended. */}}
{{- define "gamekeeper.fullname" -}}
{{- $name := include "gamekeeper.name" . }}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else if contains $name .Release.Name }}
{{- .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{/* The name of all that belongs to the operator, and of its Lease. */}}
{{- define "gamekeeper.operator" -}}
{{- include "gamekeeper.fullname" . }}-operator
{{- end }}

{{/* The name of what has no namespace: two releases with one name may live in two namespaces. */}}
{{- define "gamekeeper.clusterName" -}}
{{- printf "%s:%s" (include "gamekeeper.operator" .) .Release.Namespace }}
{{- end }}

{{- define "gamekeeper.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "gamekeeper.operator" .) .Values.serviceAccount.name }}
{{- else }}
{{- required "serviceAccount.name: which one, if serviceAccount.create is false" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "gamekeeper.selectorLabels" -}}
app.kubernetes.io/name: {{ include "gamekeeper.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end }}

{{- define "gamekeeper.labels" -}}
{{ include "gamekeeper.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{/* The ranges of host ports as the operator reads them: NAME=FROM-TO,NAME=FROM-TO. */}}
{{- define "gamekeeper.hostPortRanges" -}}
{{- $ranges := list }}
{{- range $name, $range := .Values.hostPortRanges }}
{{- $bounds := splitList "-" $range }}
{{- if gt (first $bounds | int) (last $bounds | int) }}
{{- fail (printf "hostPortRanges.%s: %s begins above its end" $name $range) }}
{{- end }}
{{- $ranges = append $ranges (printf "%s=%s" $name $range) }}
{{- end }}
{{- join "," $ranges }}
{{- end }}
