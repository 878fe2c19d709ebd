"""What the dashboards, the rules and the Kubernetes files are made from: ``python -m grafana.source`` writes them."""
