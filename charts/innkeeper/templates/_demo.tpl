{{/* The pods of the demo's own servers and of its host. */}}

{{- define "innkeeper.demo.security" -}}
runAsNonRoot: true
runAsUser: 999
runAsGroup: 999
fsGroup: 999
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "innkeeper.demo.postgres" -}}
terminationGracePeriodSeconds: 60
securityContext:
  {{- include "innkeeper.demo.security" . | nindent 2 }}
containers:
  - name: postgres
    image: {{ .Values.demo.postgres.image }}
    imagePullPolicy: {{ .Values.image.pullPolicy }}
    env:
      - {name: POSTGRES_USER, value: innkeeper}
      - {name: POSTGRES_DB, value: innkeeper}
      - name: POSTGRES_PASSWORD
        valueFrom: {secretKeyRef: {name: {{ .Values.demo.existingSecret }}, key: postgresPassword}}
      - {name: PGDATA, value: /var/lib/postgresql/data/pgdata}
    ports:
      - {name: postgres, containerPort: 5432}
    readinessProbe:
      exec: {command: [pg_isready, -U, innkeeper, -h, 127.0.0.1]}
      periodSeconds: 5
      timeoutSeconds: 5
    livenessProbe:
      tcpSocket: {port: postgres}
      periodSeconds: 30
      failureThreshold: 6
    securityContext:
      {{- include "innkeeper.containerSecurity" . | nindent 6 }}
    resources:
      {{- toYaml .Values.demo.resources | nindent 6 }}
    volumeMounts:
      - {name: data, mountPath: /var/lib/postgresql/data}
      - {name: run, mountPath: /var/run/postgresql}
      - {name: tmp, mountPath: /tmp}
volumes:
  - name: run
    emptyDir: {sizeLimit: 16Mi}
  - name: tmp
    emptyDir: {sizeLimit: 256Mi}
{{- end -}}

{{- define "innkeeper.demo.rabbitmq" -}}
terminationGracePeriodSeconds: 60
securityContext:
  {{- include "innkeeper.demo.security" . | nindent 2 }}
containers:
  - name: rabbitmq
    image: {{ .Values.demo.rabbitmq.image }}
    imagePullPolicy: {{ .Values.image.pullPolicy }}
    env:
      - {name: RABBITMQ_DEFAULT_USER, value: innkeeper}
      - name: RABBITMQ_DEFAULT_PASS
        valueFrom: {secretKeyRef: {name: {{ .Values.demo.existingSecret }}, key: rabbitmqPassword}}
      - {name: RABBITMQ_NODENAME, value: rabbit@localhost} # a pod's own name can be resolved by others only
    ports:
      - {name: amqp, containerPort: 5672}
      - {name: management, containerPort: 15672}
    startupProbe:
      tcpSocket: {port: amqp}
      periodSeconds: 5
      failureThreshold: 60
    readinessProbe:
      tcpSocket: {port: management}
      periodSeconds: 5
    livenessProbe:
      tcpSocket: {port: amqp}
      periodSeconds: 30
      failureThreshold: 6
    securityContext:
      {{- include "innkeeper.containerSecurity" . | nindent 6 }}
    resources:
      {{- toYaml .Values.demo.resources | nindent 6 }}
    volumeMounts:
      - {name: data, mountPath: /var/lib/rabbitmq}
      - {name: logs, mountPath: /var/log/rabbitmq} # of upgrades, wherever the others go: without it no node starts
      - {name: tmp, mountPath: /tmp}
volumes:
  - name: logs
    emptyDir: {sizeLimit: 64Mi}
  - name: tmp
    emptyDir: {sizeLimit: 64Mi}
{{- end -}}

{{- define "innkeeper.demo.redis" -}}
securityContext:
  {{- include "innkeeper.demo.security" . | nindent 2 }}
containers:
  - name: redis
    image: {{ .Values.demo.redis.image }}
    imagePullPolicy: {{ .Values.image.pullPolicy }}
    command: [sh, /etc/innkeeper/redis.sh]
    workingDir: /tmp
    env:
      - name: REDIS_PASSWORD
        valueFrom: {secretKeyRef: {name: {{ .Values.demo.existingSecret }}, key: redisPassword}}
    ports:
      - {name: redis, containerPort: 6379}
    readinessProbe:
      tcpSocket: {port: redis}
      periodSeconds: 5
    livenessProbe:
      tcpSocket: {port: redis}
      periodSeconds: 30
    securityContext:
      {{- include "innkeeper.containerSecurity" . | nindent 6 }}
    resources:
      {{- toYaml .Values.demo.resources | nindent 6 }}
    volumeMounts:
      - {name: files, mountPath: /etc/innkeeper, readOnly: true}
      - {name: tmp, mountPath: /tmp}
volumes:
  - name: files
    configMap: {name: {{ include "innkeeper.fullname" . }}-demo}
  - name: tmp
    emptyDir: {sizeLimit: 64Mi}
{{- end -}}

{{/* A host without a hypervisor: its agent registers it with the admin's password, once. */}}
{{- define "innkeeper.demo.host" -}}
securityContext:
  {{- include "innkeeper.podSecurity" . | nindent 2 }}
initContainers:
  - name: enrol
    image: {{ include "innkeeper.image" (dict "root" . "image" "api") }}
    imagePullPolicy: {{ .Values.image.pullPolicy }}
    command: [python3, /etc/innkeeper/enrol.py]
    env:
      - {name: API, value: {{ include "innkeeper.apiUrl" . | quote }}}
      - {name: ADMIN, value: {{ .Values.admin.username | quote }}}
    securityContext:
      {{- include "innkeeper.containerSecurity" . | nindent 6 }}
    resources:
      requests: {cpu: 50m, memory: 96Mi}
      limits: {memory: 256Mi}
    volumeMounts:
      - {name: tmp, mountPath: /tmp}
      - {name: data, mountPath: /var/lib/innkeeper}
      - {name: files, mountPath: /etc/innkeeper, readOnly: true}
      - {name: password, mountPath: /run/secrets/admin, readOnly: true}
containers:
  - name: hostagent
    image: {{ include "innkeeper.image" (dict "root" . "image" "hostagent-libvirt") }}
    imagePullPolicy: {{ .Values.image.pullPolicy }}
    env:
      - {name: INNKEEPER_AGENT_CONFIG, value: /var/lib/innkeeper/agent.yaml}
      - {name: INNKEEPER_HEARTBEAT_FILE, value: /tmp/alive}
    ports:
      - {name: agent-metrics, containerPort: 9090}
    {{- include "innkeeper.probes" (dict "root" . "component" "host") | nindent 4 }}
    securityContext:
      {{- include "innkeeper.containerSecurity" . | nindent 6 }}
    resources:
      {{- toYaml .Values.demo.resources | nindent 6 }}
    volumeMounts:
      - {name: tmp, mountPath: /tmp}
      - {name: data, mountPath: /var/lib/innkeeper}
volumes:
  - name: tmp
    emptyDir: {sizeLimit: 256Mi}
  - name: files
    configMap: {name: {{ include "innkeeper.fullname" . }}-demo}
  - name: password
    secret:
      secretName: {{ .Values.admin.existingSecret }}
      defaultMode: 0440
      items:
        - {key: {{ .Values.admin.passwordKey }}, path: password}
{{- end -}}
