"""The frozen dataclasses that travel between packages, their units and their codec."""
