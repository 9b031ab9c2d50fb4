"""What a user says: options, ini values and markers."""
