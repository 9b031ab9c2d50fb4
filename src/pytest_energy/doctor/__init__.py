"""What can be metered on this machine, and how well."""
