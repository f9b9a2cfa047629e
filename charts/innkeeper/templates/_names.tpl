{{/* What everything is called, and by which labels it is found. */}}

{{- define "innkeeper.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- $own := contains $name .Release.Name | ternary .Release.Name (printf "%s-%s" .Release.Name $name) -}}
{{- $whole := default $own .Values.fullnameOverride | replace "." "-" | trunc 40 | trimSuffix "-" -}}
{{- if not (regexMatch "^[a-z]" $whole) -}}
{{- fail (printf "the release's name %s: names of Services begin with a letter; take another, or set fullnameOverride" .Release.Name) -}}
{{- end -}}
{{- $whole -}}
{{- end -}}

{{/* (dict "root" $ "component" "api"): labels that never change, for selectors. */}}
{{- define "innkeeper.selector" -}}
app.kubernetes.io/name: {{ default .root.Chart.Name .root.Values.nameOverride | trunc 63 }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{/* The same and those that may change. */}}
{{- define "innkeeper.labels" -}}
{{ include "innkeeper.selector" . }}
app.kubernetes.io/part-of: innkeeper
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name (.root.Chart.Version | replace "+" "_") }}
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* The same but those that change with the chart: of pods that a new version is no reason to replace. */}}
{{- define "innkeeper.steadyLabels" -}}
{{ include "innkeeper.selector" . }}
app.kubernetes.io/part-of: innkeeper
{{- with .root.Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{/* (dict "root" $ "component" "api"): metadata of an object; "name" and "namespace" where they are others. */}}
{{- define "innkeeper.metadata" -}}
name: {{ .name | default (printf "%s-%s" (include "innkeeper.fullname" .root) .component) }}
namespace: {{ .namespace | default .root.Release.Namespace }}
labels:
  {{- include "innkeeper.labels" . | nindent 2 }}
{{- end -}}

{{/* (dict "root" $ "image" "api"): the reference of an image of ours. */}}
{{- define "innkeeper.image" -}}
{{- $image := .root.Values.image -}}
{{- $name := printf "%s-%s" $image.prefix .image -}}
{{- if $image.registry }}{{ $name = printf "%s/%s" (trimSuffix "/" $image.registry) $name }}{{ end -}}
{{- $tag := default .root.Chart.AppVersion $image.tag -}}
{{- if eq $tag "latest" }}{{ fail "image.tag: `latest` isn't a version; give one" }}{{ end -}}
{{- with index $image.digests .image -}}
{{- printf "%s:%s@%s" $name $tag . -}}
{{- else -}}
{{- printf "%s:%s" $name $tag -}}
{{- end -}}
{{- end -}}

{{- define "innkeeper.apiUrl" -}}
{{- printf "http://%s-api.%s.svc:%v" (include "innkeeper.fullname" .) .Release.Namespace .Values.api.service.port -}}
{{- end -}}

{{- define "innkeeper.publicUrl" -}}
{{- if .Values.settings.publicUrl -}}
{{- .Values.settings.publicUrl -}}
{{- else if .Values.ingress.enabled -}}
{{- printf "%s://%s" (ternary "https" "http" (ne .Values.ingress.tlsSecret "")) .Values.ingress.host -}}
{{- else if .Values.gateway.enabled -}}
{{- printf "https://%s" .Values.gateway.host -}}
{{- else -}}
{{- include "innkeeper.apiUrl" . -}}
{{- end -}}
{{- end -}}

{{- define "innkeeper.imagesUrl" -}}
{{- .Values.imagebuilder.url | default (printf "http://%s-imagebuilder.%s.svc:%v" (include "innkeeper.fullname" .) .Release.Namespace .Values.imagebuilder.service.port) -}}
{{- end -}}
