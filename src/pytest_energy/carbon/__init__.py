"""How joules become grams of CO2e."""
