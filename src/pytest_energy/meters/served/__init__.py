"""Meters for what serves: counters that an exporter, a plug or a server tells over HTTP itself."""
