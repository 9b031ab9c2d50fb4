"""Published figures that ship with the package, beside which a project's own can be set."""
