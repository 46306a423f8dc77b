"""What operators see: makes the table of metrics, the dashboard, and the alerts for Kubernetes."""
