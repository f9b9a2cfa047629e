{{/* What pods have in common. */}}

{{- define "innkeeper.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "innkeeper.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{- define "innkeeper.pullSecrets" -}}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* Settings that every service of the control plane reads; URLs with passwords come from Secrets. */}}
{{- define "innkeeper.environment" -}}
envFrom:
  - configMapRef: {name: {{ include "innkeeper.fullname" . }}-settings}
env:
  - name: INNKEEPER_DATABASE_URL
    valueFrom: {secretKeyRef: {name: {{ .Values.database.existingSecret }}, key: {{ .Values.database.urlKey }}}}
  - name: INNKEEPER_BROKER_URL
    valueFrom: {secretKeyRef: {name: {{ .Values.broker.existingSecret }}, key: {{ .Values.broker.urlKey }}}}
  - name: INNKEEPER_BROKER_ADMIN_URL
    valueFrom: {secretKeyRef: {name: {{ .Values.broker.existingSecret }}, key: {{ .Values.broker.adminUrlKey }}}}
  - name: INNKEEPER_REDIS_URL
    valueFrom: {secretKeyRef: {name: {{ .Values.redis.existingSecret }}, key: {{ .Values.redis.urlKey }}}}
{{- end -}}

{{/* What a collector of traces asks for, which is a secret. */}}
{{- define "innkeeper.tracingHeaders" -}}
{{- with .Values.tracing }}
{{- if .existingSecret }}
- name: OTEL_EXPORTER_OTLP_HEADERS
  valueFrom: {secretKeyRef: {name: {{ .existingSecret }}, key: {{ .headersKey }}}}
{{- end }}
{{- end }}
{{- end -}}

{{/* The database alone, for what only looks there. */}}
{{- define "innkeeper.databaseEnvironment" -}}
env:
  - name: INNKEEPER_DATABASE_URL
    valueFrom: {secretKeyRef: {name: {{ .Values.database.existingSecret }}, key: {{ .Values.database.urlKey }}}}
{{- end -}}

{{- define "innkeeper.waitForSchema" -}}
- name: wait-for-schema
  image: {{ include "innkeeper.image" (dict "root" . "image" "conductor") }}
  imagePullPolicy: {{ .Values.image.pullPolicy }}
  command: [python3, -m, services.common.store.migrate, wait]
  {{- include "innkeeper.databaseEnvironment" . | nindent 2 }}
  securityContext:
    {{- include "innkeeper.containerSecurity" . | nindent 4 }}
  resources:
    requests: {cpu: 50m, memory: 96Mi}
    limits: {memory: 256Mi}
  volumeMounts:
    - {name: tmp, mountPath: /tmp}
{{- end -}}

{{/* (dict "root" $ "component" c): where the pods of a service may be. */}}
{{- define "innkeeper.placing" -}}
{{- $own := index .root.Values .component -}}
{{- with $own.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $own.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $own.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .root.Values.topologySpread.keys }}
topologySpreadConstraints:
  {{- range . }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: {{ $.root.Values.topologySpread.whenUnsatisfiable }}
    labelSelector:
      matchLabels:
        {{- include "innkeeper.selector" $ | nindent 8 }}
  {{- end }}
{{- end }}
{{- end -}}

{{/* (dict "root" $ "component" c): the probes of a service; none asks the broker whether the process lives. */}}
{{- define "innkeeper.probes" -}}
{{- if eq .component "api" -}}
startupProbe:
  httpGet: {path: /healthz, port: http}
  periodSeconds: 2
  failureThreshold: 60
livenessProbe:
  httpGet: {path: /healthz, port: http}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
readinessProbe:
  httpGet: {path: /readyz, port: http}
  periodSeconds: 5
  timeoutSeconds: 5
  failureThreshold: 2
{{- else -}}
{{- $alive := list "sh" "-c" "test -n \"$(find /tmp/alive -mmin -1)\"" -}}
startupProbe:
  exec: {command: {{ toJson $alive }}}
  periodSeconds: 2
  failureThreshold: 60
livenessProbe:
  exec: {command: {{ toJson $alive }}}
  periodSeconds: 30
  timeoutSeconds: 10
  failureThreshold: 3
{{- if eq .component "imagebuilder" }}
readinessProbe:
  httpGet: {path: /readyz, port: images}
  periodSeconds: 5
  timeoutSeconds: 5
{{- end }}
{{- end -}}
{{- end -}}

{{/* (dict "root" $ "component" c): whether something else than the chart says how many pods there are. */}}
{{- define "innkeeper.scaled" -}}
{{- $own := index .root.Values .component -}}
{{- if and (hasKey $own "autoscaling") (ne $own.autoscaling.kind "none") }}yes{{ end -}}
{{- end -}}

{{/* (dict "root" $ "component" c): the fewest pods there are. */}}
{{- define "innkeeper.fewest" -}}
{{- $own := index .root.Values .component -}}
{{- if include "innkeeper.scaled" . }}{{ $own.autoscaling.minReplicas }}{{ else }}{{ $own.replicas }}{{ end -}}
{{- end -}}

{{/* Whether several image builders could be there at once. */}}
{{- define "innkeeper.manyImagebuilders" -}}
{{- $own := .Values.imagebuilder -}}
{{- if or (gt (int $own.replicas) 1) (ne $own.autoscaling.kind "none") }}yes{{ end -}}
{{- end -}}
