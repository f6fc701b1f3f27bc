{{- define "segments.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end -}}

{{- define "segments.name" -}}
{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- end -}}

{{- define "segments.selector" -}}
app.kubernetes.io/name: segments
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "segments.labels" -}}
{{ include "segments.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end -}}

{{- /* The environment of each process. */ -}}
{{- define "segments.environment" -}}
envFrom:
  - secretRef:
      name: {{ required "existingSecret is required" .Values.existingSecret }}
env:
  - name: SEGMENTS_KAFKA_BOOTSTRAP_SERVERS
    value: {{ required "kafka.bootstrapServers is required" .Values.kafka.bootstrapServers | quote }}
  - name: SEGMENTS_KAFKA_SECURITY_PROTOCOL
    value: {{ .Values.kafka.securityProtocol | quote }}
  {{- with .Values.kafka.saslMechanism }}
  - name: SEGMENTS_KAFKA_SASL_MECHANISM
    value: {{ . | quote }}
  {{- end }}
  {{- with .Values.kafka.saslUsername }}
  - name: SEGMENTS_KAFKA_SASL_USERNAME
    value: {{ . | quote }}
  {{- end }}
  {{- if .Values.kafka.tlsSecret }}
  - name: SEGMENTS_KAFKA_SSL_CAFILE
    value: /etc/segments/kafka/ca.crt
  {{- if .Values.kafka.mutualTls }}
  - name: SEGMENTS_KAFKA_SSL_CERTFILE
    value: /etc/segments/kafka/tls.crt
  - name: SEGMENTS_KAFKA_SSL_KEYFILE
    value: /etc/segments/kafka/tls.key
  {{- end }}
  {{- end }}
  {{- if .Values.seal.enabled }}
  - name: SEGMENTS_SEAL_DIR
    value: /var/lib/segments/log
  - name: SEGMENTS_SEAL_ORIGIN
    value: {{ required "seal.origin is required" .Values.seal.origin | quote }}
  {{- end }}
  {{- range $name, $value := .Values.settings }}
  - name: {{ $name }}
    value: {{ $value | quote }}
  {{- end }}
{{- end -}}

{{- define "segments.security" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities:
    drop: ["ALL"]
{{- end -}}

{{- define "segments.pod" -}}
automountServiceAccountToken: false
terminationGracePeriodSeconds: 30
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  seccompProfile:
    type: RuntimeDefault
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "segments.probes" -}}
startupProbe:
  httpGet: { path: /health/live, port: health }
  periodSeconds: 2
  failureThreshold: 60
livenessProbe:
  httpGet: { path: /health/live, port: health }
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 6
readinessProbe:
  httpGet: { path: /health/ready, port: health }
  periodSeconds: 5
  timeoutSeconds: 5
{{- end -}}

{{- /* The volumes of a process, and where they are mounted. */ -}}
{{- define "segments.mounts" -}}
- { name: tmp, mountPath: /tmp }
{{- if .Values.kafka.tlsSecret }}
- { name: kafka-tls, mountPath: /etc/segments/kafka, readOnly: true }
{{- end }}
{{- end -}}

{{- define "segments.volumes" -}}
- name: tmp
  emptyDir: { sizeLimit: 256Mi }
{{- if .Values.kafka.tlsSecret }}
- name: kafka-tls
  secret: { secretName: {{ .Values.kafka.tlsSecret }} }
{{- end }}
{{- end -}}
