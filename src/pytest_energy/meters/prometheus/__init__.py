"""The Prometheus meter: energy counters of a served model, asked of a Prometheus server."""
