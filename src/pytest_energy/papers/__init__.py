"""Published figures on the energy of machine learning, and what can be recomputed from them."""
