{{- define "mcp-operator.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride -}}
{{- else if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 52 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "mcp-operator.serviceAccountName" -}}
{{- .Values.serviceAccount.name | default (ternary (include "mcp-operator.fullname" .) "default" .Values.serviceAccount.create) -}}
{{- end -}}

{{/* The name label is fixed: NetworkPolicies that the operator makes admit Pods with it. */}}
{{- define "mcp-operator.selectorLabels" -}}
app.kubernetes.io/name: mcp-operator
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end -}}

{{/* Not the Pods' component label: on objects that are not Pods it would say nothing. */}}
{{- define "mcp-operator.labels" -}}
app.kubernetes.io/name: mcp-operator
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* One image reference; called with a dict of root and name. */}}
{{- define "mcp-operator.image" -}}
{{- $image := index .root.Values.images .name -}}
{{- $registry := .root.Values.imageRegistry | default $image.registry -}}
{{- if $registry }}{{ $registry }}/{{ end -}}
{{- $image.repository -}}
{{- if $image.digest }}@{{ $image.digest }}{{ else }}:{{ $image.tag | default .root.Chart.AppVersion }}{{ end -}}
{{- end -}}

{{/* What a schema cannot say. */}}
{{- define "mcp-operator.validate" -}}
{{- if and (gt (int .Values.replicas) 1) (not .Values.leaderElection) -}}
{{- fail "replicas is more than 1 and leaderElection is false: several operators would fight over the same resources. Set leaderElection to true or replicas to 1." -}}
{{- end -}}
{{- range $name, $image := .Values.images -}}
{{- if and $image.tag $image.digest -}}
{{- fail (printf "images.%s has both tag and digest: remove one, the digest wins nothing by a tag." $name) -}}
{{- end -}}
{{- end -}}
{{- range $label := list "app.kubernetes.io/name" "app.kubernetes.io/instance" "app.kubernetes.io/component" -}}
{{- if hasKey $.Values.podLabels $label -}}
{{- fail (printf "podLabels must not set %s: the Deployment selects its Pods by it. Remove it." $label) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The restricted Pod Security profile, and a root file system nobody can write to. */}}
{{- define "mcp-operator.podSecurityContext" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "mcp-operator.securityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}
