"""Grafana dashboards, written by `python -m deploy.grafana`."""
